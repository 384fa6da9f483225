"""What is asked of an API server, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from trueup.model.secret import Secret

T = TypeVar("T")

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"


class Reason(StrEnum):
    """Why a server said no, in its own words (``metav1.StatusReason``); only those that mean something to us."""

    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    ALREADY_EXISTS = "AlreadyExists"
    INVALID = "Invalid"
    FORBIDDEN = "Forbidden"
    EXPIRED = "Expired"
    GONE = "Gone"


class Cause(msgspec.Struct, frozen=True):
    """One of the causes of a refusal: the field it is about, and what is wrong with it."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    """What a refusal is about."""

    name: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] | None = ()
    retry_after_seconds: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """A server's no (``metav1.Status``)."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Every cause that the server tells."""
        return (self.details.causes or ()) if self.details else ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``body`` is encoded with its secrets in clear; ``actor`` is in whose name it is done."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = JSON
    accept: str = JSON
    actor: str = ""

    @property
    def payload(self) -> bytes | None:
        """What is sent."""
        return None if self.body is None else msgspec.json.encode(self.body, enc_hook=_revealed)

    def within(self, **query: str) -> "Request":
        """The same with more in its query."""
        return replace(self, query={**self.query, **query})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``refusal`` is None for what went well."""

    status: int
    body: bytes
    refusal: Refusal | None = None

    @property
    def object(self) -> dict[str, Any]:
        """The object that came back."""
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found

    def read(self, kind: type[T]) -> T:
        """What came back, as far as this type wants to know it."""
        return msgspec.json.decode(self.body, type=kind)

    def says(self, *reasons: Reason) -> bool:
        """Whether it is a refusal for one of these reasons."""
        return self.refusal is not None and self.refusal.reason in reasons


def answer_of(status: int, body: bytes) -> Answer:
    """An answer, with the refusal read where it is one."""
    if status < 400:
        return Answer(status, body)
    try:
        refusal = msgspec.json.decode(body, type=Refusal)
    except msgspec.DecodeError:
        # What a proxy in between says is no Status.
        refusal = Refusal(body[:200].decode(errors="replace").strip(), "", status)
    return Answer(status, body, refusal)


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"a {type(value).__name__} is not sent to a server")
