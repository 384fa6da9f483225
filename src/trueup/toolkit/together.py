"""Many questions asked side by side."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def together(questions: Iterable[Awaitable[T]]) -> list[T]:
    """All answers, in the order of the questions; the first failure ends the others."""
    tasks = [asyncio.ensure_future(each) for each in questions]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await _end(tasks)


async def as_they_come(questions: Iterable[Awaitable[T]]) -> AsyncGenerator[T, None]:
    """Each answer as soon as it is there; the first failure, and whoever stops listening, ends the others."""
    tasks = [asyncio.ensure_future(each) for each in questions]
    try:
        for next_one in asyncio.as_completed(tasks):
            yield await next_one
    finally:
        await _end(tasks)


async def _end(tasks: Sequence["asyncio.Future[T]"]) -> None:
    open_ones = [task for task in tasks if not task.done()]
    for task in open_ones:
        task.cancel()
    # Several may have failed at once; what nobody hears of is not to be complained about later.
    await asyncio.gather(*tasks, return_exceptions=True)
