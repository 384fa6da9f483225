"""Where files may be written: in the application's folder, or where operator and target allow it, and never through a link."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trueup.model.errors import Refused

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Spot:
    """A place for one file or folder: ``base`` is trusted as it is, ``steps`` are followed one by one, links refused."""

    base: Path
    steps: tuple[str, ...]

    @property
    def path(self) -> str:
        """The absolute path."""
        return str(self.base.joinpath(*self.steps))

    @property
    def name(self) -> str:
        """The last step."""
        return self.steps[-1]


@dataclass(frozen=True, slots=True)
class Ground:
    """The places of one target. ``allowed`` are globs of absolute paths."""

    root: Path
    allowed: tuple[str, ...] = ()

    def spot(self, application: str, path: str) -> Spot:
        """Where a manifest's path is. Raises Refused for an absolute path that is not allowed."""
        if not path.startswith("/"):
            return Spot(self.root, (application, *path.split("/")))
        parent = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - pathlib would follow the file's own link too
        real = os.path.join(parent, os.path.basename(path))  # noqa: PTH118, PTH119
        if not (fits(path, self.allowed) and fits(real, self.allowed)):
            led = "" if real == path else f" (it leads to {real})"
            raise Refused(f"{path} is outside of what this target may write{led}", hint="name it in the target's `allowPaths`")
        return Spot(Path(parent), (os.path.basename(path),))  # noqa: PTH119

    def spot_at(self, path: str) -> Spot:
        """Where a path is that a record names: we wrote it once, and it may be taken away whatever is allowed today."""
        if path.startswith(f"{self.root}/"):
            return Spot(self.root, tuple(path.removeprefix(f"{self.root}/").split("/")))
        return Spot(Path(os.path.dirname(path)), (os.path.basename(path),))  # noqa: PTH119, PTH120


def fits(path: str, globs: Iterable[str]) -> bool:
    """Whether a path is one of these: ``*`` and ``?`` stay in one folder, ``**`` does not."""
    return any(re.fullmatch(_regular(glob), path) for glob in globs)


def _regular(glob: str) -> str:
    parts = re.split(r"(\*\*|\*|\?)", glob)
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(part) or re.escape(part) for part in parts)


def draft_of(spot: Spot) -> Spot:
    """Where the next version of a spot is prepared: beside it, always under the same name, so that a crash leaves one at most."""
    return Spot(spot.base, (*spot.steps[:-1], f".{spot.name}.trueup-new"))


@contextmanager
def folder_of(spot: Spot, make: bool) -> Iterator[int]:
    """The open folder that a spot is in; made when it is not there and ``make`` is true. Raises Refused for a link on the way,
    FileNotFoundError."""
    descriptor = os.open(spot.base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for depth, step in enumerate(spot.steps[:-1], 1):
            below = _step(descriptor, step, spot, depth, make)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _step(descriptor: int, step: str, spot: Spot, depth: int, make: bool) -> int:
    try:
        return os.open(step, _OPEN, dir_fd=descriptor)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        where = spot.base.joinpath(*spot.steps[:depth])
        hint = "Trueup follows no links and replaces no files on the way: remove it, or choose another path"
        raise Refused(f"{where} is not a folder but a link or a file", where=str(where), hint=hint) from None
    with suppress(FileExistsError):
        os.mkdir(step, 0o755, dir_fd=descriptor)
        os.fsync(descriptor)
    return os.open(step, _OPEN, dir_fd=descriptor)


def remove_empty(spot: Spot) -> None:
    """Remove the folders on the way to a spot that are empty now, up to the application's own folder."""
    steps = spot.steps[:-1]
    while len(steps) > 1:
        above = Spot(spot.base, steps)
        try:
            with folder_of(above, make=False) as folder:
                os.rmdir(above.name, dir_fd=folder)
        except OSError:
            return
        steps = steps[:-1]
