"""One process at a time: a lock on a file, which the system lets go of when its holder dies."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.model.errors import Unreachable

PAUSE = 0.05


@asynccontextmanager
async def held(file: Path, patience: float) -> AsyncIterator[None]:
    """Hold the lock while inside. Raises Unreachable when another process keeps it for longer than ``patience`` seconds."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file.open("w") as handle:
        until = asyncio.get_running_loop().time() + patience
        while not _taken(handle.fileno()):
            if asyncio.get_running_loop().time() > until:
                message = f"another process has been fetching this repository for {patience:g} s"
                raise Unreachable(message, where=str(file), hint="it is tried again; if it never ends, see which process holds that file")
            await asyncio.sleep(PAUSE)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
