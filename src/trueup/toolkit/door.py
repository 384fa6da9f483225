"""The one door from waiting code to blocking code."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Door:
    """A few threads of their own, named after what they are for, so that a slow one never holds up the others."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def through(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a blocking function in one of the threads. When the caller is cancelled, the call still runs to its end."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*arguments, **named))

    def close(self) -> None:
        """Let the running calls end and take no new ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)
