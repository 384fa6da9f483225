"""What a killed fetch or a broken disk leaves behind: lock files, half-written packs, lost objects. A mirror mends itself.

Only the holder of the mirror's lock calls what is here.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from trueup.model.errors import SettingsError
from trueup.toolkit.git.program import Git
from trueup.toolkit.process import Limits

ABANDONED = 600.0
"""Seconds after which a temporary file that nobody wrote to is nobody's."""

_PAUSE = 0.5
_FSCK = Limits(deadline=900)


async def create(directory: Path) -> None:
    """An empty bare repository, there at once or not at all. Raises SettingsError when the folder cannot be written."""
    async with empty_beside(directory) as fresh:
        with suppress(OSError):  # another process was first
            fresh.rename(directory)


@asynccontextmanager
async def empty_beside(directory: Path) -> AsyncIterator[Path]:
    """An empty bare repository in the same folder, to fetch into. It goes, unless it was moved away."""
    fresh = directory.with_suffix(f".{time.monotonic_ns()}.new")
    try:
        completed = await Git().run("init", "--bare", "--quiet", "--template=", "--", str(fresh))
        if not completed.succeeded:
            hint = "see that the state folder can be written and has room"
            raise SettingsError(f"no mirror can be made in {directory.parent}", where=str(directory.parent), hint=hint)
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def exchange(directory: Path, fresh: Path) -> None:
    """Put the fresh repository in the place of the damaged one."""
    broken = directory.with_suffix(f".{time.monotonic_ns()}.broken")
    directory.rename(broken)
    fresh.rename(directory)
    shutil.rmtree(broken, ignore_errors=True)


def packs(directory: Path) -> int:
    """How many packs there are."""
    return sum(1 for _ in directory.glob("objects/pack/*.pack"))


async def is_sound(git: Git) -> bool:
    """Whether every object is there and whole. Slow, and still cheaper than fetching everything anew."""
    return (await git.run("fsck", "--no-dangling", "--no-progress", limits=_FSCK)).succeeded


async def remove_stale_locks(directory: Path) -> None:
    """Remove the lock files that stand still. A git that outlived its Trueup may hold one, but only for a moment."""
    seen = {path: _age(path) for path in _locks(directory)}
    await asyncio.sleep(_PAUSE)
    for path, written in seen.items():
        if written is not None and _age(path) == written:
            path.unlink(missing_ok=True)


def sweep(directory: Path) -> None:
    """Remove what was abandoned long ago: temporary packs and repositories."""
    limit = time.time() - ABANDONED
    for path in (*directory.glob("objects/pack/tmp_*"), *directory.glob("objects/*/tmp_obj_*"), *directory.parent.glob("*.broken")):
        _remove(path, limit)
    for path in (*directory.glob("objects/tmp_objdir-*"), *directory.glob("objects/incoming-*"), *directory.parent.glob("*.new")):
        _remove(path, limit)


def _locks(directory: Path) -> Iterator[Path]:
    yield from directory.glob("*.lock")
    yield from directory.glob("refs/**/*.lock")
    yield from directory.glob("objects/**/*.lock")
    yield from directory.glob("gc.pid")


def _age(path: Path) -> tuple[int, int] | None:
    with suppress(FileNotFoundError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns
    return None


def _remove(path: Path, limit: float) -> None:
    with suppress(OSError):
        if path.stat().st_mtime > limit:
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
