"""An engine becomes an application of ASGI: ``/healthz``, ``/readyz``, ``/metrics`` and the trigger.

The trigger believes nothing of what it is told: it compares a token before it reads a byte of the body, and all it does is to wake.
"""

import hmac
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException, ValidationException
from litestar.handlers.base import BaseRouteHandler
from litestar.status_codes import HTTP_202_ACCEPTED, HTTP_500_INTERNAL_SERVER_ERROR, HTTP_503_SERVICE_UNAVAILABLE

from trueup.model.secret import Secret

Connection = ASGIConnection[Any, Any, Any, Any]

LARGEST_BODY: Final = 3 * 1024**2
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Triggered(Protocol):
    """What the surface asks of an engine."""

    async def trigger(self, url: str) -> int:
        """Wake the fetch of the repositories with this URL; all of them when it is empty. How many there were."""

    async def ready(self) -> list[str]:
        """Why it is not ready; empty when it is."""

    async def warnings(self) -> list[str]:
        """What this machine gives in a weaker way than it might; no reason not to be ready."""


class Trigger(msgspec.Struct):
    """The body of a trigger; what else a forge sends along is not looked at."""

    url: str = ""


class Woken(msgspec.Struct):
    """How many repositories were woken."""

    woken: int


class Readiness(msgspec.Struct):
    """Whether it is ready, and why not; and what is weaker than it might be."""

    ready: bool
    reasons: list[str]
    warnings: list[str] = []


class Failure(msgspec.Struct):
    """What went wrong."""

    error: str


def application(engine: Triggered, token: Secret | None, metrics: Callable[[], bytes]) -> Litestar:
    """Everything that ``serve`` answers. ``token`` is what the trigger wants to be told; without one it is refused."""
    guard = _guard(token)

    @get("/healthz", media_type="text/plain")
    async def healthz() -> str:
        return "ok\n"

    @get("/readyz")
    async def readyz() -> Response[Readiness]:
        reasons = await engine.ready()
        told = Readiness(not reasons, reasons, await engine.warnings())
        return Response(told, status_code=HTTP_503_SERVICE_UNAVAILABLE if reasons else 200)

    @get("/metrics", sync_to_thread=True)
    def figures() -> Response[bytes]:
        return Response(metrics(), headers={"content-type": METRICS_TYPE})

    @post("/api/v1/repositories/trigger", status_code=HTTP_202_ACCEPTED, guards=[guard])
    async def trigger(request: Request[None, None, State]) -> Woken:
        return Woken(await engine.trigger(_url(await request.body())))

    return Litestar(
        [healthz, readyz, figures, trigger],
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,
        logging_config=None,
        exception_handlers={HTTPException: _told, HTTP_500_INTERNAL_SERVER_ERROR: _unexpected},
    )


def _guard(token: Secret | None) -> Callable[[Connection, BaseRouteHandler], None]:
    def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        if token is None:
            raise PermissionDeniedException("the trigger is off: set trigger.token_env or trigger.token_file in the settings of this serve")
        scheme, _, said = connection.headers.get("authorization", "").partition(" ")
        # Compared as bytes and in constant time, so that nothing is learned from how long a refusal takes.
        same = hmac.compare_digest(said.strip().encode(), token.reveal().encode())
        if scheme.lower() != "bearer" or not same:
            raise NotAuthorizedException(
                "send the token of the trigger as `Authorization: Bearer TOKEN`", headers={"www-authenticate": "Bearer"}
            )

    return guard


def _url(body: bytes) -> str:
    if not body.strip():
        return ""
    try:
        return msgspec.json.decode(body, type=Trigger).url
    except msgspec.MsgspecError:
        raise ValidationException('the body is either empty or JSON such as {"url": "https://example.org/shop.git"}') from None


def _told(_request: Request[None, None, State], error: HTTPException) -> Response[Failure]:
    return Response(Failure(error.detail), status_code=error.status_code, headers=error.headers)


def _unexpected(_request: Request[None, None, State], _error: Exception) -> Response[Failure]:
    return Response(Failure("something unexpected happened"), status_code=HTTP_500_INTERNAL_SERVER_ERROR)
