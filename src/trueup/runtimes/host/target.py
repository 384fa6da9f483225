"""What a Target may say of a host, and what the operator lets it say."""

import os
import re
import stat
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from trueup.model.application import Declared, Target
from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.runtimes.host.ground import fits
from trueup.runtimes.host.record import OWN_FOLDER
from trueup.toolkit.validated import validated


def _absolute(value: str) -> str:
    if not value.startswith("/") or os.path.normpath(value) != value:
        raise ValueError("must be an absolute path, without `..` and without a slash at its end")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class Specification(Declared):
    """What may stand in the ``spec`` of a host target; with nothing it is a folder of this machine, in the state folder."""

    root: AbsolutePath | None = None
    """Each application has the folder ``root/<application>``; left out: a folder in the state folder."""
    allow_paths: tuple[AbsolutePath, ...] = ()
    """Absolute paths (globs) that File and Directory may write besides."""


class Allowed(Declared):
    """The operator's limits: folders that a ``root`` may be in, and globs that ``allowPaths`` must be within."""

    roots: tuple[AbsolutePath, ...] = ()
    paths: tuple[AbsolutePath, ...] = ()


def specification_of(target: Target) -> Specification:
    """What a target says beside its runtime. Raises SettingsError."""
    return validated(Specification, target.spec.options, f"target {target.name}", _where(target))


def root_of(target: Target, specification: Specification, place: Place) -> Path:
    """Where the applications of a target are, links resolved."""
    chosen = Path(specification.root) if specification.root else place.folder / target.home
    return Path(os.path.realpath(chosen))


def permit(target: Target, specification: Specification, place: Place) -> None:
    """Raises SettingsError when a target names what the operator does not allow. Touches nothing.

    A root is allowed below the state folder, and below each of ``roots``. Where the operator set none, it is also allowed when the serving
    user plainly meant it: the folder (or, for anyone but root, the nearest one above that exists) is that user's own and nobody else may
    write to it. Nearly everything on a machine is root's own: for root the folder must exist, and be empty or already be such a root.
    """
    allowed = validated(Allowed, place.allowed, "the host runtime's settings", "")
    root = root_of(target, specification, place)
    known = [Path(os.path.realpath(folder)) for folder in (str(place.folder), *allowed.roots)]
    if not any(root == each or each in root.parents for each in known) and (allowed.roots or not _meant(root)):
        hint = f"name it in the settings (`roots`), or make it: an empty folder that user {os.geteuid()} owns and nobody else may write to"
        raise SettingsError(f"target {target.name} may not use the root {root}", where=_where(target), hint=hint)
    for path in specification.allow_paths:
        if path not in allowed.paths and not _within(path, allowed.paths):
            hint = "name it in the settings (`paths`)"
            raise SettingsError(f"target {target.name} may not write {path}", where=_where(target), hint=hint)


def _within(path: str, globs: tuple[str, ...]) -> bool:
    """Whether all that a glob can match is within others. ``**`` is only within a whole folder."""
    if "**" in path:
        return any(glob.endswith("/**") and not re.search(r"[*?]", glob[:-3]) and path.startswith(glob[:-2]) for glob in globs)
    return fits(path, globs)


def _meant(root: Path) -> bool:
    user = os.geteuid()
    if user == 0:
        return _own(root, user) and (not any(root.iterdir()) or (root / OWN_FOLDER).is_dir())
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    return _own(existing, user)


def _own(folder: Path, user: int) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o022


def _where(target: Target) -> str:
    return f"{target.file}:{target.line}" if target.line else target.file
