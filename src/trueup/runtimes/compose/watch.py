"""The events of an engine -> what moved, and a picture that stays true."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Any, Final

from trueup.model.contracts import Lost, Moved, Owner
from trueup.model.errors import RuntimeFault
from trueup.model.manifest import Key
from trueup.runtimes.compose.carrier import OF_PROJECT
from trueup.runtimes.compose.holding import Held, owned_by
from trueup.runtimes.compose.labels import project_of
from trueup.runtimes.compose.picture import CONTAINERS, IMAGES, NETWORKS, VOLUMES, Picture

# What happens in a container all the time (its health check is executed, somebody attaches to it) says nothing of it.
_EVENTS: Final = (
    *("create", "start", "stop", "die", "kill", "oom", "destroy", "rename", "update", "pause", "unpause", "restart", "health_status"),
    *("extract-to-dir", "connect", "disconnect", "remove", "tag", "untag", "delete", "pull", "load", "import", "prune"),
)
_TYPES: Final = ("container", "network", "volume", "image")
_LISTS: Final = {"container": (CONTAINERS,), "network": (NETWORKS, CONTAINERS), "volume": (VOLUMES,), "image": (IMAGES,)}
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_PING_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 20.0


class Watch:
    """Hears an engine for as long as somebody reads."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._writing: dict[Key, int] = {}

    @contextmanager
    def writing(self, keys: set[Key]) -> Iterator[None]:
        """What happens to these objects meanwhile is our own doing."""
        for key in keys:
            self._writing[key] = self._writing.get(key, 0) + 1
        try:
            yield
        finally:
            for key in keys:
                self._writing[key] -= 1
                if not self._writing[key]:
                    del self._writing[key]

    async def moves(self) -> AsyncIterator[Moved | Lost]:
        """What moves, from now on. Raises Unreachable when nothing can be heard at first; a connection that breaks later is made again,
        and tells that it was."""
        pause, heard_before = _FIRST_PAUSE, False
        while True:
            try:
                since = await self._time()
            except RuntimeFault:
                if not heard_before:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if heard_before:
                yield Lost("the engine is heard again")
            heard_before, pause = True, _FIRST_PAUSE
            async with aclosing(self._connected(since)) as moves:
                async for moved in moves:
                    yield moved
            yield Lost("the engine is no longer heard")

    async def _connected(self, since: str) -> AsyncGenerator[Moved, None]:
        """What moves, until the connection breaks."""
        told: asyncio.Queue[Moved | None] = asyncio.Queue()
        self._picture.keep(True)
        hearing = asyncio.create_task(self._hear(since, told), name="events of an engine")
        try:
            while (moved := await told.get()) is not None:
                yield moved
        finally:
            self._picture.keep(False)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(self, since: str, told: "asyncio.Queue[Moved | None]") -> None:
        engine = self._picture.engine
        pinging = asyncio.create_task(self._ping(asyncio.current_task()), name="is the engine there")
        filters = {"type": list(_TYPES), "event": list(_EVENTS)}
        try:
            async for event in engine.lines("GET", "/events", since=since, filters=filters):
                for moved in self._take(event):
                    told.put_nowait(moved)
        except RuntimeFault:
            return
        finally:
            pinging.cancel()
            told.put_nowait(None)

    async def _ping(self, hearing: "asyncio.Task[None] | None") -> None:
        """A connection to far away may be gone without a word: nothing more would be heard, ever."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._picture.engine.get("/_ping")
            except (RuntimeFault, TimeoutError):
                if hearing is not None:
                    hearing.cancel()
                return

    async def _time(self) -> str:
        """The engine's own clock, in seconds: what happens from then on is told, however long the connection takes."""
        now = datetime.fromisoformat(str((await self._picture.engine.get("/info"))["SystemTime"]))
        return f"{now.timestamp():.6f}"

    def _take(self, event: Mapping[str, Any]) -> list[Moved]:
        """What an event says of what is ours; the picture is no longer sure of it."""
        kind, actor = str(event.get("Type")), event.get("Actor") or {}
        attributes: Mapping[str, str] = actor.get("Attributes") or {}
        identity = str(actor.get("ID", ""))
        held = self._picture.held()
        if event.get("Action") == "extract-to-dir" and OF_PROJECT in attributes:
            # Somebody wrote into a record volume, and nothing else moved.
            self._picture.forget_record(attributes[OF_PROJECT])
            return []
        keys = self._keys(kind, identity, attributes, held)
        if kind == "volume" and event.get("Action") == "destroy":
            # The files that services mount were in a record volume, and no event names these.
            project = project_of(identity)
            self._picture.forget_record(project)
            keys = {**held.of_project(project), **keys}
        self._picture.doubt(*_LISTS.get(kind, ()), containers=[each for each in (identity, attributes.get("container", "")) if each])
        if OF_PROJECT in attributes:
            self._picture.forget_record(attributes[OF_PROJECT])
        return [Moved(owner, key) for key, owner in keys.items() if key not in self._writing]

    def _keys(self, kind: str, identity: str, attributes: Mapping[str, str], held: Held) -> Mapping[Key, Owner]:
        if kind == "image":
            return held.of_image(attributes.get("name", ""))
        found = [held.of(each) for each in (identity, attributes.get("container", "")) if each]
        if kind == "container" and not any(found):
            # Nobody looked since it was made: its labels come with the event.
            found.append(owned_by(attributes))
        return {key: owner for each in found if each for key, owner in [each]}
