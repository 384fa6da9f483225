"""All objects of a kind with some labels, kept up to date by one watch, which begins with all there is and is resumed where it broke off.

A server that cannot begin a watch so (Kubernetes before 1.34, or what only looks like it) is asked for a list first. A dropped connection
never looks like a deletion: what is gone is told by the server, or found missing when everything is told anew.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from trueup.model.errors import Refused, Unreachable
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.request import Answer, Request

_PAGE: Final = "500"
_EXPIRED: Final = 410
_NOT_FOUND: Final = 404
_UNKNOWING: Final = (400, 422)
_ALL_THERE_IS: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
_END_OF_ALL: Final = "k8s.io/initial-events-end"
# A server that knows nothing of such a beginning may also take the request for an ordinary watch, and say nothing more.
_BEGINNING_SECONDS: Final = 20.0
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 15.0
_CALM_SECONDS: Final = 2.0


class Kind(StrEnum):
    """What happened to an object, or to the watch itself."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything there is, as of now: what is not in it is gone. ``items`` are the objects as JSON."""

    items: list[bytes]


@dataclass(frozen=True, slots=True)
class Happened:
    """One object came, changed or went."""

    kind: Kind
    item: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The server cannot be asked now, and why; what is known may be old until the next event."""

    error: Unreachable | Refused


@dataclass(frozen=True, slots=True)
class Resumed:
    """The watch is open: what is known is up to date, and stays so until the watch breaks."""


Event = Listed | Happened | Resumed | Broken


class _Line(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    next_page: str = msgspec.field(name="continue", default="")


class _Bookmarked(msgspec.Struct, frozen=True):
    annotations: dict[str, str] = {}


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: _Bookmarked = _Bookmarked()


class _Versioned(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    code: int = 0
    message: str = ""


class _List(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    items: tuple[msgspec.Raw, ...] | None = ()


class _Expired(Unreachable):
    """The server no longer knows the version to resume from."""


class Unserved(Refused):
    """The server does not serve the kind, or no longer."""


class _Unstreamed(Exception):
    """The server cannot begin a watch with all there is."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What is watched: a kind, in one namespace or (empty) in all, with some labels."""

    connection: Connection
    resource: Resource
    namespace: str
    selector: str

    async def events(self) -> AsyncIterator[Event]:
        """For as long as it is read: first all there is, then what happens. Trouble is told and tried again."""
        version, pause, streamed = "", _FIRST_PAUSE, True
        while True:
            begun = time.monotonic()
            try:
                if not version and not streamed:
                    items, version = await self._list()
                    yield Listed(items)
                async for event, reached in self._watch(version):
                    version = reached
                    if event is not None:
                        yield event
            except _Unstreamed:
                streamed = False
                continue
            except _Expired:
                version = ""
            except (Unreachable, Refused) as error:
                yield Broken(error)
            # What held for a while is taken up again at once; what fails or ends again and again is not.
            pause = _FIRST_PAUSE if time.monotonic() - begun > _CALM_SECONDS else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2) if pause > _FIRST_PAUSE else 0)

    async def _list(self) -> tuple[list[bytes], str]:
        request = Request("GET", self.resource.path(self.namespace), {"labelSelector": self.selector, "limit": _PAGE})
        items: list[bytes] = []
        place = ""
        while True:
            answer = await self.connection.ask(request.within(**{"continue": place}) if place else request)
            if answer.status == _EXPIRED:
                raise _Expired("the version to resume from is too old")
            self._refuse(answer)
            page = answer.read(_List)
            items.extend(bytes(item) for item in page.items or ())
            place = page.metadata.next_page
            if not place:
                return items, page.metadata.resource_version

    async def _watch(self, version: str) -> AsyncIterator[tuple[Listed | Happened | Resumed | None, str]]:
        """What happens after a version, each with the version to resume from; ends when the server ends the watch.

        Without a version it begins with all there is. Raises _Unstreamed when the server cannot do that.
        """
        seconds = str(random.randint(240, 480))
        asked = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": seconds}
        request = Request("GET", self.resource.path(self.namespace), {"labelSelector": self.selector, **asked})
        async with self.connection.stream(request if version else request.within(**_ALL_THERE_IS)) as (answer, pieces):
            if answer.status == _EXPIRED:
                raise _Expired("the version to resume from is too old")
            if not version and answer.status in _UNKNOWING:
                raise _Unstreamed
            self._refuse(answer)
            events = self._events(pieces)
            if not version:
                items, version = await _beginning(events)
                yield Listed(items), version
            yield Resumed(), version
            async for event, said in events:
                version = said.metadata.resource_version or version
                yield (None if event.type == Kind.BOOKMARK else Happened(Kind(event.type), bytes(event.object))), version

    async def _events(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[_Line, _Versioned]]:
        """Each event, and as much of its object as every one has."""
        async for line in _lines(pieces):
            event = msgspec.json.decode(line, type=_Line)
            said = msgspec.json.decode(event.object, type=_Versioned)
            if event.type == Kind.ERROR:
                self._fail(said)
            yield event, said

    def _refuse(self, answer: Answer) -> None:
        if answer.refusal:
            message = f"{self.resource.plural} may not be watched: {answer.refusal.message}"
            hint = "grant get, list and watch of every kind that is applied, or name `namespaces` in the target"
            fault = Unserved if answer.status == _NOT_FOUND else Refused
            raise fault(message, where=self.connection.access.server, hint=hint)

    def _fail(self, said: _Versioned) -> None:
        if said.code == _EXPIRED:
            raise _Expired("the version to resume from is too old")
        raise Unreachable(f"the watch of {self.resource.plural} broke: {said.message}", where=self.connection.access.server)


async def _beginning(events: AsyncIterator[tuple[_Line, _Versioned]]) -> tuple[list[bytes], str]:
    """All there is, and of which moment that is; what happens while it is told is part of it."""
    items: dict[tuple[str, str], bytes] = {}
    try:
        async with asyncio.timeout(_BEGINNING_SECONDS):
            async for event, said in events:
                place = (said.metadata.namespace, said.metadata.name)
                if event.type == Kind.DELETED:
                    items.pop(place, None)
                elif event.type != Kind.BOOKMARK:
                    items[place] = bytes(event.object)
                elif _END_OF_ALL in msgspec.json.decode(event.object, type=_Bookmark).metadata.annotations:
                    return list(items.values()), said.metadata.resource_version
    except TimeoutError:
        raise _Unstreamed from None
    raise Unreachable("the watch ended before it had begun")


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of any length."""
    parts: list[bytes] = []
    async for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for line in ended:
            parts.append(line)
            whole = b"".join(parts)
            parts = []
            if whole:
                yield whole
        if rest:
            parts.append(rest)


def body_of(item: bytes, resource: Resource) -> Body:
    """An object as a list or a watch gives it, with the kind that items of a list leave out."""
    body: Body = msgspec.json.decode(item)
    return {**body, "apiVersion": resource.api_version, "kind": resource.kind}
