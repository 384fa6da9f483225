"""The files of a clone as they lie on disk, uncommitted ones included: what Git would commit, with the ids that it would give."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from trueup.model.errors import SettingsError
from trueup.toolkit.git.program import Git
from trueup.toolkit.git.tree import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, Tree, refusal
from trueup.toolkit.process import Limits

_UNKNOWN_COMMIT = "0" * 40
_LISTING = Limits(deadline=120, output=512 * 1024 * 1024)


class WorkingTree(Tree):
    """Which files there are is looked at once, when it is opened; content is read, and ids are computed, when they are asked for."""

    def __init__(self, root: Path, folders: dict[str, dict[str, int]]) -> None:
        self.root = root
        self._folders = folders
        self._ids: dict[str, tuple[tuple[int, int, int], str]] = {}

    @classmethod
    async def open(cls, root: Path, git: Git | None = None) -> "WorkingTree":
        """The files that Git has or would add (`.gitignore` is honoured); every file of a folder that is no clone.

        Raises SettingsError when there is no such folder, or Git does not list it.
        """
        _expect_folder(root)
        arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
        completed = await (git or Git()).run("-C", str(root), *arguments, limits=_LISTING)
        if completed.succeeded:
            listed: Iterable[str] = (os.fsdecode(path) for path in completed.out.split(b"\0") if path)
        elif b"not a git repository" in completed.err:
            listed = await asyncio.to_thread(_everything, root)
        else:
            hint = f"if it belongs to another user: git config --global --add safe.directory {root}"
            raise SettingsError(f"Git does not list the files in {root}", where=str(root), hint=hint)
        return cls(root, await asyncio.to_thread(_folders, root, listed))

    def _mode(self, path: str) -> int:
        if not path:
            return FOLDER
        folder, _, name = path.rpartition("/")
        return self._folders.get(folder, {}).get(name, 0)

    def _children(self, path: str) -> Mapping[str, int]:
        return self._folders.get(path, {})

    def _size(self, path: str) -> int:
        return len(self._content(path)) if self._mode(path) == LINK else self._status(path).st_size

    def _content(self, path: str) -> bytes:
        place = self.root / path
        try:
            return os.fsencode(place.readlink()) if self._mode(path) == LINK else _read(place)
        except OSError as error:
            raise refusal(path, f"the file cannot be read: {error.strerror}", "try again when it stands still") from error

    def _object_id(self, path: str) -> str:
        mode = self._mode(path)
        if mode == SUBMODULE:
            return _UNKNOWN_COMMIT
        if mode == FOLDER:
            return self._tree_id(path)
        status = self._status(path)
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._ids.get(path)
        if known is None or known[0] != stamp:
            known = self._ids[path] = (stamp, _object_id("blob", self._content(path)))
        return known[1]

    def _tree_id(self, path: str) -> str:
        children = self._children(path)
        entries = bytearray()
        for name in sorted(children, key=lambda name: os.fsencode(f"{name}/" if children[name] == FOLDER else name)):
            object_id = self._object_id(f"{path}/{name}" if path else name)
            entries += f"{children[name]:o} ".encode() + os.fsencode(name) + b"\0" + bytes.fromhex(object_id)
        return _object_id("tree", bytes(entries))

    def _status(self, path: str) -> os.stat_result:
        try:
            return (self.root / path).lstat()
        except OSError as error:
            raise refusal(path, "the file vanished while it was looked at", "try again when it stands still") from error


def _expect_folder(root: Path) -> None:
    if not root.is_dir():
        raise SettingsError(f"there is no folder {root}", where=str(root), hint="name a folder that exists")


def _object_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def _read(place: Path) -> bytes:
    """The content, unless somebody put a link or a pipe there since the folder was listed."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as handle:
        return handle.read()


def _everything(root: Path) -> list[str]:
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [os.path.relpath(Path(folder) / name, root) for name in (*files, *links)]
    return found


def _folders(root: Path, paths: Iterable[str]) -> dict[str, dict[str, int]]:
    """Folder -> name -> mode, of the paths that exist."""
    folders: dict[str, dict[str, int]] = {"": {}}
    for path in paths:
        mode = _mode_on_disk(f"{root}/{path}")
        # A nested clone is listed with a slash; a folder in the place of a file is in the index what Git calls a submodule.
        if mode:
            _enter(folders, path.rstrip("/"), mode)
    return folders


def _enter(folders: dict[str, dict[str, int]], path: str, mode: int) -> None:
    folder, _, name = path.rpartition("/")
    if folder not in folders:
        folders[folder] = {}
        _enter(folders, folder, FOLDER)
    folders[folder][name] = mode


def _mode_on_disk(place: str) -> int:
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return 0
    if stat.S_ISLNK(mode):
        return LINK
    if stat.S_ISDIR(mode):
        return SUBMODULE
    if not stat.S_ISREG(mode):
        return 0
    return EXECUTABLE if mode & stat.S_IXUSR else FILE
