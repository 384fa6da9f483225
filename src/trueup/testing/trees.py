"""Files in memory as a tree, with the object ids that Git gives them."""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping

from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault

_FILE, _PROGRAM, _FOLDER = 0o100644, 0o100755, 0o40000


class FolderTree:
    """A ``Tree`` of the files that it is given: path -> content. ``programs`` are the paths of those that may be executed."""

    def __init__(self, files: Mapping[str, bytes], programs: frozenset[str] = frozenset()) -> None:
        self._files = dict(files)
        self._programs = programs
        self._folders: dict[str, set[str]] = {"": set()}
        for path in files:
            while path:
                folder, _, name = path.rpartition("/")
                self._folders.setdefault(folder, set()).add(name)
                path = folder

    def kind(self, path: str) -> str | None:
        """``file``, ``folder``, or None."""
        return "file" if path in self._files else "folder" if path in self._folders else None

    def object_id(self, path: str) -> str | None:
        """The id that ``git hash-object`` and ``git write-tree`` give."""
        if path in self._files:
            return _hashed("blob", self._files[path])
        if path not in self._folders:
            return None
        entries = [(name, posixpath.join(path, name)) for name in self._folders[path]]
        # Git sorts a folder as if its name ended with a slash.
        entries.sort(key=lambda entry: (entry[0] + ("/" if entry[1] in self._folders else "")).encode())
        return _hashed("tree", b"".join(self._entry(name, below) for name, below in entries))

    def mode(self, path: str) -> int:
        """The Git mode; 0 when nothing is there."""
        if path in self._files:
            return _PROGRAM if path in self._programs else _FILE
        return _FOLDER if path in self._folders else 0

    def size(self, path: str) -> int:
        """The size of a file in bytes."""
        return len(self.read(path))

    def names(self, path: str) -> list[str]:
        """The sorted names in a folder."""
        return sorted(self._folders.get(path, ()))

    def listing_id(self, path: str) -> str | None:
        """A digest of the names and kinds in a folder; None when it is no folder."""
        if path not in self._folders:
            return None
        listing = "\0".join(f"{self.kind(posixpath.join(path, name))} {name}" for name in self.names(path))
        return hashlib.sha256(listing.encode()).hexdigest()[:32]

    def read(self, path: str, limit: int | None = None) -> bytes:
        """A file's content. Raises DeclarationError when it is not there or larger than ``limit``."""
        if path not in self._files:
            raise DeclarationError([Fault(path, 0, 0, "there is no such file", "add the file, or correct the path")])
        content = self._files[path]
        if limit is not None and len(content) > limit:
            raise DeclarationError([Fault(path, 0, 0, f"the file is larger than {limit} bytes", "split it")])
        return content

    def walk(self, path: str) -> list[str]:
        """All files below a folder, sorted."""
        return sorted(each for each in self._files if not path or each.startswith(path + "/"))

    def places(self, path: str) -> tuple[str, ...]:
        """The path itself: there are no links."""
        return (path,)

    def changed(self, path: str, content: bytes | None) -> "FolderTree":
        """The same files but for one, which is written or, with None, removed."""
        files = {each: old for each, old in self._files.items() if each != path}
        return FolderTree(files if content is None else {**files, path: content}, self._programs)

    def _entry(self, name: str, path: str) -> bytes:
        return f"{self.mode(path):o} {name}\0".encode() + bytes.fromhex(self.object_id(path) or "")


class Overlooked:
    """A tree that passes everything through and remembers what was looked at."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._read: set[str] = set()
        self._listed: set[str] = set()
        self._asked: set[str] = set()

    def kind(self, path: str) -> str | None:
        """Passed through; the path was asked for."""
        self._asked.add(path)
        return self._tree.kind(path)

    def object_id(self, path: str) -> str | None:
        """Passed through; the path was asked for."""
        self._asked.add(path)
        return self._tree.object_id(path)

    def mode(self, path: str) -> int:
        """Passed through; the path was asked for."""
        self._asked.add(path)
        return self._tree.mode(path)

    def size(self, path: str) -> int:
        """Passed through; the file was read."""
        self._note_read(path)
        return self._tree.size(path)

    def names(self, path: str) -> list[str]:
        """Passed through; the folder was listed."""
        self._note_listed(path)
        return self._tree.names(path)

    def listing_id(self, path: str) -> str | None:
        """Passed through; the folder was listed."""
        self._note_listed(path)
        return self._tree.listing_id(path)

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Passed through; the file was read."""
        self._note_read(path)
        return self._tree.read(path, limit)

    def walk(self, path: str) -> list[str]:
        """Passed through; every folder on the way was listed."""
        found = list(self._tree.walk(path))
        self._listed.update([path, *(above for each in found for above in _above(each, path))])
        return found

    def places(self, path: str) -> tuple[str, ...]:
        """Passed through; the path was asked for."""
        self._asked.add(path)
        return self._tree.places(path)

    def undeclared(self, inputs: Inputs) -> list[str]:
        """What was looked at and is not among the inputs."""
        read = [f"reads {path}" for path in self._read if path not in inputs.files and not _below_whole(path, inputs)]
        listed = [f"lists {path}" for path in self._listed if path not in inputs.folders and not _below_whole(path, inputs)]
        asked = [f"asks for {path}" for path in self._asked if not _told(path, inputs)]
        return sorted(read + listed + asked)

    def _note_read(self, path: str) -> None:
        (self._read if self._tree.kind(path) == "file" else self._asked).add(path)

    def _note_listed(self, path: str) -> None:
        (self._listed if self._tree.kind(path) == "folder" else self._asked).add(path)


def _told(path: str, inputs: Inputs) -> bool:
    """Whether the inputs change when something appears or goes there."""
    above = [path, *_above(path, "")]
    own = {*inputs.files, *inputs.folders, *inputs.absent}
    on_the_way = any(file.startswith(path + "/") or not path for file in inputs.files)
    return path in own or on_the_way or _below_whole(path, inputs) or any(each in inputs.folders for each in above)


def _below_whole(path: str, inputs: Inputs) -> bool:
    return any(not folder or path == folder or path.startswith(folder + "/") for folder in inputs.whole)


def _above(path: str, root: str) -> Iterator[str]:
    while path and path != root:
        path = posixpath.dirname(path)
        yield path


def _hashed(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
