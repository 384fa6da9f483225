"""The files of one commit, read from Git's objects. Nothing is ever checked out."""

from collections.abc import Mapping

from trueup.toolkit.git.objects import Objects
from trueup.toolkit.git.tree import FILE, FOLDER, LINK, SUBMODULE, Tree, refusal

KEPT_FOLDERS = 1024
_DANGEROUS = frozenset({"", ".", "..", ".git"})


class GitTree(Tree):
    """The tree of one commit, or one of its folders taken as a root."""

    def __init__(self, objects: Objects, tree_id: str) -> None:
        self.tree_id = tree_id
        self._objects = objects
        self._folders: dict[str, Mapping[str, tuple[int, str]]] = {}

    def entry(self, path: str) -> tuple[int, str]:
        """Mode and object id of what is at a path itself, where a link is a link; (0, "") where nothing is."""
        return self._entry(path)

    def _mode(self, path: str) -> int:
        mode, _ = self._entry(path)
        return mode

    def _object_id(self, path: str) -> str:
        return self._entry(path)[1]

    def _children(self, path: str) -> Mapping[str, int]:
        return {name: mode for name, (mode, _) in self._folder(path).items()}

    def _size(self, path: str) -> int:
        return self._objects.size(self._entry(path)[1])

    def _content(self, path: str) -> bytes:
        return self._objects.content(self._entry(path)[1])

    def _entry(self, path: str) -> tuple[int, str]:
        """Mode and object id; (0, "") where nothing is."""
        if not path:
            return FOLDER, self.tree_id
        folder, _, name = path.rpartition("/")
        return self._folder(folder).get(name, (0, ""))

    def _folder(self, path: str) -> Mapping[str, tuple[int, str]]:
        kept = self._folders.get(path)
        if kept is not None:
            return kept
        mode, object_id = self._entry(path)
        entries = _checked(path, self._objects.tree(object_id)) if mode == FOLDER else {}
        if len(self._folders) >= KEPT_FOLDERS:
            self._folders.clear()
        self._folders[path] = entries
        return entries


def _checked(folder: str, entries: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Git itself never writes such names, but a stranger's program may, to reach out of the folder that the files are copied to."""
    for name, (mode, object_id) in entries.items():
        if name.lower() in _DANGEROUS or "/" in name:
            raise refusal(f"{folder}/{name}".lstrip("/"), "a file must not be called that", "rename it")
        if mode not in (FOLDER, LINK, SUBMODULE) and mode != FILE and not mode & 0o100:
            entries[name] = (FILE, object_id)  # old histories have modes such as 100664
    return entries
