"""The log of a service: the lines of its containers, without the engine's framing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.engine import Absent, Engine

_LAST_LINES: Final = 1000
_HEADER: Final = 8
_LOOK_SECONDS: Final = 1.0


Find = Callable[[], Awaitable[Sequence[Container]]]
"""The containers of a service, as they are now."""


async def logs(engine: Engine, containers: Sequence[Container]) -> AsyncGenerator[str, None]:
    """The lines of every container, oldest first; with several each line says which. Raises Refused for a driver that keeps nothing."""
    for container in containers:
        prefix = f"{_shown(container)}: " if len(containers) > 1 else ""
        async for line in lines_of(engine, container, Extent()):
            yield prefix + line


async def followed(engine: Engine, find: Find) -> AsyncGenerator[str, None]:
    """The same as they come, through restarts and from the containers that take the place of others, until the caller stops."""
    said: asyncio.Queue[str | BaseException] = asyncio.Queue(maxsize=1000)
    following = asyncio.create_task(_Following(engine, find, said).run(), name="logs of a service")
    try:
        while not isinstance(line := await said.get(), BaseException):
            yield line
        raise line
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Extent:
    """Which part of a log: from when on (seconds since 1970; empty: the last lines), and whether it goes on."""

    since: str = ""
    follow: bool = False


async def lines_of(engine: Engine, container: Container, extent: Extent) -> AsyncIterator[str]:
    """The lines of one container."""
    part = {"since": extent.since} if extent.since else {"tail": _LAST_LINES}
    pieces = engine.pieces(f"/containers/{container.id}/logs", stdout=True, stderr=True, follow=extent.follow, **part)
    plain = pieces if container.body["Config"].get("Tty") else unframed(pieces)
    rest = b""
    async for piece in plain:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace").rstrip("\r")


async def unframed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What the engine sends in frames (which stream, how long, content), without them. What both streams say is one log."""
    kept = bytearray()
    async for piece in pieces:
        kept += piece
        while len(kept) >= _HEADER:
            size = _HEADER + int.from_bytes(kept[4:_HEADER], "big")
            if len(kept) < size:
                break
            yield bytes(kept[_HEADER:size])
            del kept[:size]


def _shown(container: Container) -> str:
    """Its name, also while it is on its way to take another one's place."""
    return container.name.removesuffix(".new").removesuffix(".old")


@dataclass(slots=True)
class _Following:
    """Pours the logs of whatever containers a service has into one queue."""

    engine: Engine
    find: Find
    said: "asyncio.Queue[str | BaseException]"
    seen: dict[str, str] = field(default_factory=dict)
    """Container -> the start that is being poured, or was."""

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    containers = await self.find()
                    for container in containers:
                        self._follow(tasks, container, f"{_shown(container)}: " if len(containers) > 1 else "")
                    await asyncio.sleep(_LOOK_SECONDS)
        except BaseExceptionGroup as errors:
            await self.said.put(errors.exceptions[0])
        except Exception as error:  # noqa: BLE001 - told to whoever reads, in the next line
            await self.said.put(error)

    def _follow(self, tasks: asyncio.TaskGroup, container: Container, prefix: str) -> None:
        start = str(container.state.get("StartedAt", ""))
        if self.seen.get(container.id) == start:
            return
        # A program may have printed something before the engine wrote down that it started: from the end of the run before on.
        ended = str(container.state.get("FinishedAt", ""))
        since = f"{datetime.fromisoformat(ended).timestamp():.6f}" if container.id in self.seen and not ended.startswith("0001") else ""
        self.seen[container.id] = start
        tasks.create_task(self._pour(container, Extent(since, follow=True), prefix))

    async def _pour(self, container: Container, extent: Extent, prefix: str) -> None:
        with suppress(Absent):
            async for line in lines_of(self.engine, container, extent):
                await self.said.put(prefix + line)
