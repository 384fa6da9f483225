"""The one door from waiting code to blocking code."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class Door:
    """A few threads of their own, named after what they are for, so that a slow one never holds up the others."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._width = threads

    async def through(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a blocking function in one of the threads. When the caller is cancelled, the call still runs to its end."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*arguments, **named))

    def each(self, function: Callable[[Item], T], items: Iterable[Item]) -> Iterator[T]:
        """Call it for every item, side by side, and give the results in the order of the items. Blocks; for threads of other doors.

        No more calls are asked for at a time than there are threads, so whoever else comes by has his turn. Raises what the first call
        raises; then, and when nobody listens any more, what has not begun never does. A closed door raises RuntimeError.
        """
        calls: deque[Future[T]] = deque()
        try:
            for item in items:
                calls.append(self._threads.submit(function, item))
                if len(calls) >= self._width:
                    yield calls.popleft().result()
            while calls:
                yield calls.popleft().result()
        finally:
            for call in calls:
                call.cancel()

    def close(self) -> None:
        """Let the running calls end and take no new ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)
