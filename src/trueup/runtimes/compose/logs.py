"""The log of a service: the lines of its containers, without the engine's framing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.engine import Engine

_LAST_LINES: Final = 1000
_HEADER: Final = 8


async def logs(engine: Engine, containers: Sequence[Container], follow: bool) -> AsyncGenerator[str, None]:
    """The lines of every container, oldest first; with several each line says which. Raises Refused for a driver that keeps nothing."""
    prefixes = [f"{each.name}: " if len(containers) > 1 else "" for each in containers]
    if not follow:
        for container, prefix in zip(containers, prefixes, strict=True):
            async for line in lines_of(engine, container, follow=False):
                yield prefix + line
        return
    async with aclosing(_together(engine, containers, prefixes)) as lines:
        async for line in lines:
            yield line


async def lines_of(engine: Engine, container: Container, follow: bool) -> AsyncIterator[str]:
    """The lines of one container."""
    pieces = engine.pieces(f"/containers/{container.id}/logs", stdout=True, stderr=True, follow=follow, tail=_LAST_LINES)
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


async def _together(engine: Engine, containers: Sequence[Container], prefixes: Sequence[str]) -> AsyncGenerator[str, None]:
    said: asyncio.Queue[str | BaseException | None] = asyncio.Queue(maxsize=1000)

    async def pour(container: Container, prefix: str) -> None:
        try:
            async for line in lines_of(engine, container, follow=True):
                await said.put(prefix + line)
            await said.put(None)
        except Exception as error:  # noqa: BLE001 - told to whoever reads, in the next line
            await said.put(error)

    tasks = [asyncio.create_task(pour(each, prefix)) for each, prefix in zip(containers, prefixes, strict=True)]
    try:
        for _ in tasks:
            while (line := await said.get()) is not None:
                if isinstance(line, BaseException):
                    raise line
                yield line
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
