"""Requests to one Docker Engine, in a version of its API that both sides speak."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from trueup.model.errors import Refused, Unreachable
from trueup.runtimes.compose import tunnel as ssh
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.tunnel import Tunnel
from trueup.toolkit.reach import words_of

Version = tuple[int, int]

NEWEST: Final[Version] = (1, 48)
"""The newest version of the API whose answers we know. Engine 29 takes nothing below 1.44, engine 20.10 nothing above 1.41."""
OLDEST: Final[Version] = (1, 41)

_SAME_TIME: Final = timedelta(seconds=2)
_CONNECT_SECONDS = 10.0
_AT_ONCE = 32
# Stopping a container takes as long as its grace period, and copying a file as long as the disk.
_PLAIN = aiohttp.ClientTimeout(total=600.0, sock_connect=_CONNECT_SECONDS)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError)
_TAR = "application/x-tar"


class Absent(Refused):
    """What was asked for is not there (404)."""


class Clash(Refused):
    """It stands against what is there (409): a name in use, a container that runs."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: aiohttp.ClientTimeout = _PLAIN

    @property
    def place(self) -> str:
        # What is told several times is a tuple; a list is one word of JSON.
        several = [(name, value if isinstance(value, tuple) else (value,)) for name, value in self.query.items() if value is not None]
        told = "&".join(f"{quote(name)}={quote(_word(each), safe='')}" for name, values in several for each in values)
        return f"{quote(self.path, safe='/:@%')}{'?' if told else ''}{told}"

    @property
    def payload(self) -> bytes | AsyncIterable[bytes] | None:
        return self.body if self.body is None or isinstance(self.body, bytes | AsyncIterable) else msgspec.json.encode(self.body)

    @property
    def all_headers(self) -> dict[str, str]:
        kind = {} if self.body is None else {"Content-Type": _TAR if isinstance(self.body, bytes | AsyncIterable) else "application/json"}
        return {**kind, **self.headers}


class Engine:
    """One engine. ``requests`` counts what it was asked."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.api: Version = OLDEST
        self.requests = 0
        self._ahead = timedelta()
        self._session: aiohttp.ClientSession | None = None
        self._tunnel: Tunnel | None = None
        self._opening = asyncio.Lock()

    @property
    def now(self) -> datetime:
        """The time by the engine's clock, as its last answer told it: on a machine of its own it may be hours away from ours."""
        return datetime.now(UTC) + self._ahead

    async def get(self, path: str, /, **query: object) -> Any:
        """What is there, as plain data; text where it is no JSON. Raises Absent, Refused, Unreachable."""
        return await self._answer(_Request("GET", path, query))

    async def post(self, path: str, body: object = None, **query: object) -> Any:
        """Do something; what is done already is done. A ``body`` of bytes is a tar archive. Raises Absent, Clash, Refused, Unreachable."""
        return await self._answer(_Request("POST", path, query, body))

    async def delete(self, path: str, /, **query: object) -> None:
        """Take something away. Raises Absent, Clash, Refused, Unreachable."""
        await self._answer(_Request("DELETE", path, query))

    async def put_archive(self, container: str, folder: str, tar: bytes | AsyncIterable[bytes]) -> None:
        """Unpack an archive, whole or as it comes, into a container's folder, running or not. Raises as ``post``."""
        await self._answer(_Request("PUT", f"/containers/{container}/archive", {"path": folder}, tar))

    async def get_archive(self, container: str, path: str) -> bytes:
        """A file or folder of a container as an archive. Raises Absent when it is not there."""
        async with self._asked(_Request("GET", f"/containers/{container}/archive", {"path": path})) as response:
            return await response.read()

    async def lines(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, **query: object
    ) -> AsyncGenerator[Any, None]:
        """Documents of JSON as they come, one a line: progress and events. Raises Unreachable also when they break off."""
        async with self._asked(_Request(method, path, query, body, headers or {}, _STREAM)) as response:
            rest = b""
            async for piece in response.content.iter_any():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield msgspec.json.decode(line)
            if rest.strip():
                yield msgspec.json.decode(rest)

    async def pieces(self, path: str, /, **query: object) -> AsyncGenerator[bytes, None]:
        """Bytes as they come: logs. Raises Unreachable also when they break off."""
        async with self._asked(_Request("GET", path, query, timeout=_STREAM)) as response:
            async for piece in response.content.iter_any():
                yield piece

    async def builder(self) -> str:
        """Which builder the engine prefers: ``"1"``, ``"2"`` (BuildKit), or nothing in particular; ``podman`` has one of its own."""
        with self._reached():
            async with await self._sent(await self._opened(), _Request("GET", "/_ping")) as response:
                await response.read()
                return "podman" if "Libpod-API-Version" in response.headers else response.headers.get("Builder-Version", "")

    async def switched(
        self, path: str, protocol: str, headers: Iterable[tuple[str, str]]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of its own on which both sides then speak another protocol. Raises Unreachable, Refused."""
        with self._reached():
            await self._opened()
            self.requests += 1
            reader, writer = await self._connected()
            try:
                told = [("Host", "engine"), ("Connection", "Upgrade"), ("Upgrade", protocol), *headers]
                lines = "".join(f"{name}: {value}\r\n" for name, value in told)
                writer.write(f"POST /v{self.api[0]}.{self.api[1]}{path} HTTP/1.1\r\n{lines}\r\n".encode())
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _CONNECT_SECONDS)
                if head.split(b" ", 2)[1] != b"101":
                    raise Refused(f"the engine does not speak {protocol}", where=self.access.address, hint="look at its version")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                writer.close()
                raise ConnectionResetError("the connection broke off") from error
            except BaseException:
                writer.close()
                raise
            return reader, writer

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        tunnel, self._tunnel = self._tunnel, None
        if session is not None:
            await session.close()
        if tunnel is not None:
            await tunnel.close()

    async def _answer(self, request: _Request) -> Any:
        try:
            return await self._once(request)
        except Unreachable as error:
            # A kept connection may have been closed by the engine at this very moment; one that is down fails at once again.
            if request.method != "GET" or not isinstance(error.__cause__, _LOST):
                raise
            return await self._once(request)

    async def _once(self, request: _Request) -> Any:
        async with self._asked(request) as response:
            return _read(response.content_type, await response.read())

    @contextlib.asynccontextmanager
    async def _asked(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        with self._reached():
            session = await self._opened()
            async with await self._sent(session, request, f"/v{self.api[0]}.{self.api[1]}") as response:
                if response.status >= 400:
                    raise _refusal(response.status, await response.read(), self.access.address)
                yield response

    async def _sent(self, session: aiohttp.ClientSession, request: _Request, prefix: str = "") -> aiohttp.ClientResponse:
        self.requests += 1
        url = URL(f"{self.access.url}{prefix}{request.place}", encoded=True)
        response = await session.request(
            request.method, url, data=request.payload, headers=request.all_headers, timeout=request.timeout, allow_redirects=False
        )
        self._compare_clocks(response.headers.get("Date", ""))
        return response

    def _compare_clocks(self, told: str) -> None:
        with contextlib.suppress(ValueError, TypeError):
            ahead = parsedate_to_datetime(told) - datetime.now(UTC)
            # It is told in whole seconds.
            self._ahead = ahead if abs(ahead) > _SAME_TIME else timedelta()

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._tunnel is not None and self._tunnel.broken:
                await self.close()
            if self._session is None:
                connector = await self._connector()
                agent = {"User-Agent": f"trueup/{version('trueup')}"}
                session = aiohttp.ClientSession(connector=connector, headers=agent)
                try:
                    self.api = await self._negotiated(session)
                except BaseException:
                    await session.close()
                    raise
                self._session = session
            return self._session

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.access.parts.scheme == "tcp":
            url = URL(self.access.url)
            context = self.access.context() if self.access.encrypted else None
            return await asyncio.wait_for(asyncio.open_connection(url.host, url.port, ssl=context), _CONNECT_SECONDS)
        path = str(self._tunnel.socket) if self._tunnel is not None else self.access.parts.path
        return await asyncio.wait_for(asyncio.open_unix_connection(path), _CONNECT_SECONDS)

    async def _connector(self) -> aiohttp.BaseConnector:
        match self.access.parts.scheme:
            case "unix":
                return aiohttp.UnixConnector(self.access.parts.path, limit=_AT_ONCE)
            case "ssh":
                if self._tunnel is None:
                    self._tunnel = await ssh.opened(self.access.address)
                return aiohttp.UnixConnector(str(self._tunnel.socket), limit=_AT_ONCE)
            case _:
                verified = self.access.context() if self.access.encrypted else True
                return aiohttp.TCPConnector(ssl=verified, limit=_AT_ONCE)

    async def _negotiated(self, session: aiohttp.ClientSession) -> Version:
        async with await self._sent(session, _Request("GET", "/version")) as response:
            content = await response.read()
            if response.status != 200:
                raise _refusal(response.status, content, self.access.address)
        told = msgspec.json.decode(content)
        newest, oldest = _version(told.get("ApiVersion")), _version(told.get("MinAPIVersion"))
        if newest < OLDEST:
            message = f"the engine at {self.access.address} is too old: its API ends at {newest[0]}.{newest[1]}"
            raise Refused(message, where=self.access.address, hint="Docker Engine 20.10 is the oldest that is supported")
        return max(oldest, min(newest, NEWEST))

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        place = self.access.address
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as error:
            message = f"the engine at {place} is not who it should be: {error.certificate_error}"
            raise Unreachable(message, where=place, hint="compare the certificate authority of this target") from error
        except TimeoutError as error:
            raise Unreachable(f"the engine at {place} does not answer in time", where=place, hint="look at its load") from error
        except PermissionError as error:
            hint = "run Trueup as a user who may use Docker: a member of the group `docker`, or rootless"
            raise Unreachable(f"the engine at {place} may not be used: {error.strerror}", where=place, hint=hint) from error
        except (aiohttp.ClientError, OSError) as error:
            hint = "look whether it runs and can be reached from here"
            raise Unreachable(f"the engine at {place} does not answer: {words_of(error)}", where=place, hint=hint) from error
        except msgspec.DecodeError as error:
            raise Unreachable(
                f"what answers at {place} is no Docker Engine", where=place, hint="compare the address of this target"
            ) from error


def _read(kind: str, content: bytes) -> Any:
    if not content.strip():
        return None
    return msgspec.json.decode(content) if kind == "application/json" else content.decode(errors="replace")


def _refusal(status: int, content: bytes, place: str) -> Refused:
    kind = {404: Absent, 409: Clash}.get(status, Refused)
    try:
        message = str(msgspec.json.decode(content)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        message = content.decode(errors="replace").strip() or f"status {status}"
    return kind(message, where=place)


def _version(text: object) -> Version:
    major, _, minor = str(text or "1.41").partition(".")
    return int(major), int(minor or 0)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
