"""The files of one revision, read-only: links are followed inside the tree, and what cannot be read is refused with its name.

Paths are relative to the root, with ``/`` between names; ``""`` is the root. A link is what it leads to, everywhere: one that leads to
nothing is nothing. Only ``walk`` and ``find`` do not go into a folder by a link, for there is another way into it. Because a change of what
a link leads to is a change at another path, ``resolve`` names the real path and the links on the way.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from trueup.model.errors import DeclarationError, Fault

Kind = Literal["file", "folder", "submodule"]

FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o040000, 0o160000
"""The modes that Git knows."""

LINKS_IN_A_ROW = 16
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LFS_POINTER_SIZE = 1024
_KINDS: dict[int, Kind] = {FOLDER: "folder", SUBMODULE: "submodule"}
_LISTED = {**_KINDS, LINK: "link"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path leads: its real path, and the links on the way to it. A render that reads the path depends on all of them."""

    path: str
    links: tuple[str, ...] = ()


class Tree(ABC):
    """Files by path. May be read from any thread. Everything raises DeclarationError for links that leave the tree or never end."""

    def kind(self, path: str) -> Kind | None:
        """What is at a path; None where nothing is."""
        mode = self.mode(path)
        return _KINDS.get(mode, "file") if mode else None

    def mode(self, path: str) -> int:
        """Git's mode of what is at a path; 0 where nothing is."""
        return self._mode(self.resolve(path).path)

    def object_id(self, path: str) -> str | None:
        """Git's id of the content at a path (of a folder: its tree id); None where nothing is."""
        place = self.resolve(path).path
        return self._object_id(place) if self._mode(place) else None

    def size(self, path: str) -> int:
        """Bytes of a file, without reading it. Raises DeclarationError where there is no file."""
        return self._size(self._file(path))

    def read(self, path: str, limit: int | None = None) -> bytes:
        """The content of a file.

        Raises DeclarationError when there is none, when it is a folder, a submodule, a pointer to Git LFS, or larger than ``limit`` bytes.
        """
        place = self._file(path)
        size = self._size(place)
        if limit is not None and size > limit:
            hint = "make it smaller, or raise `limits.manifest_size` in the settings"
            raise refusal(path, f"the file has {size} bytes, more than the {limit} that are allowed", hint)
        content = self._content(place)
        if size < _LFS_POINTER_SIZE and content.startswith(_LFS_POINTER):
            raise refusal(path, "the file is kept in Git LFS, which is not supported yet", "keep its content in Git itself")
        return content

    def names(self, path: str) -> list[str]:
        """Sorted names of what is in a folder; nothing where there is no folder."""
        return sorted(self._children(self.resolve(path).path))

    def listing_id(self, path: str) -> str | None:
        """A digest of names and kinds in a folder, links told apart. It stays when only contents change. None where no folder is."""
        place = self.resolve(path).path
        if self._mode(place) != FOLDER:
            return None
        listed = "".join(f"{name}\0{_LISTED.get(mode, 'file')}\n" for name, mode in sorted(self._children(place).items()))
        return hashlib.sha1(listed.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()

    def walk(self, path: str = "", skip: Callable[[str], bool] | None = None) -> Iterator[str]:
        """Every path below a folder that is no folder itself, sorted. Links and submodules are named, whatever they lead to.

        A folder for which ``skip`` is true is left out with all that is in it.
        """
        for found, _ in self._below(self.resolve(path).path, skip):
            yield _moved(found, self.resolve(path).path, path)

    def find(self, wanted: Callable[[str], bool], path: str = "", skip: Callable[[str], bool] | None = None) -> list[tuple[str, str]]:
        """(path, object id) of every file and link below a folder whose name is wanted, sorted. ``skip`` as in ``walk``."""
        root = self.resolve(path).path
        found = (place for place, mode in self._below(root, skip) if mode != SUBMODULE and wanted(place.rpartition("/")[2]))
        return [(_moved(place, root, path), self._object_id(place)) for place in found]

    def places(self, path: str) -> tuple[str, ...]:
        """The links on the way to a path, and where it leads at last."""
        resolved = self.resolve(path)
        return (*resolved.links, resolved.path)

    def resolve(self, path: str) -> Resolved:
        """Follow every link on a path, the last one included. What it leads to need not exist."""
        if self._mode(path) not in (0, LINK):
            return Resolved(path)  # a path that is found as it stands has no link in it
        done: list[str] = []
        links: list[str] = []
        pending = path.split("/")[::-1]
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == ".." and not done:
                raise _leaves(path, links)
            if name == "..":
                done.pop()
                continue
            place = "/".join([*done, name])
            if self._mode(place) != LINK:
                done.append(name)
                continue
            links.append(place)
            if len(links) > LINKS_IN_A_ROW:
                raise refusal(path, "its links lead to no end", f"look at the link {links[0]}")
            target = self._content(place).decode("utf-8", "surrogateescape")
            if target.startswith("/"):
                raise _leaves(path, links)
            pending.extend(target.split("/")[::-1])
        return Resolved("/".join(done), tuple(links))

    def _file(self, path: str) -> str:
        place = self.resolve(path).path
        mode = self._mode(place)
        if mode == FOLDER:
            raise refusal(path, "a file is wanted here, and this is a folder", "name a file in it")
        if mode == SUBMODULE:
            raise refusal(path, "this is a submodule, which is not supported yet", "keep its files in this repository")
        if not mode:
            self._refuse_submodule_above(path, place)
            raise refusal(path, "there is no such file", "check its name, and that it is committed")
        return place

    def _refuse_submodule_above(self, path: str, place: str) -> None:
        parts = place.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if self._mode(above) == SUBMODULE:
                message = f"the file is in the submodule {above}, and submodules are not supported yet"
                raise refusal(path, message, "keep its files in this repository")

    def _below(self, folder: str, skip: Callable[[str], bool] | None) -> Iterator[tuple[str, int]]:
        children = self._children(folder)
        # Git's own order: a folder sorts as if its name ended with a slash, so whole paths come out sorted.
        for name in sorted(children, key=lambda name: f"{name}/" if children[name] == FOLDER else name):
            path = f"{folder}/{name}" if folder else name
            if children[name] != FOLDER:
                yield path, children[name]
            elif skip is None or not skip(path):
                yield from self._below(path, skip)

    @abstractmethod
    def _mode(self, path: str) -> int:
        """Git's mode at a path on which no link is followed; 0 where nothing is."""

    @abstractmethod
    def _children(self, path: str) -> Mapping[str, int]:
        """Names and modes in the folder at such a path; empty where there is none."""

    @abstractmethod
    def _object_id(self, path: str) -> str:
        """Git's id of what exists at such a path."""

    @abstractmethod
    def _size(self, path: str) -> int:
        """Bytes of the file that exists at such a path."""

    @abstractmethod
    def _content(self, path: str) -> bytes:
        """Content of the file, or target of the link, that exists at such a path."""


def refusal(path: str, message: str, hint: str) -> DeclarationError:
    """One fault of one file."""
    return DeclarationError([Fault(path, 0, 0, message, hint)])


def _leaves(path: str, links: list[str]) -> DeclarationError:
    if links:
        return refusal(
            path, f"the link {links[-1]} leaves the repository", "let it point to a file in the repository, with a relative path"
        )
    return refusal(path, "the path leaves the repository", "name a file in the repository")


def _moved(place: str, root: str, path: str) -> str:
    """The same place, named by the path that was asked for."""
    if root == path:
        return place
    below = place[len(root) :].lstrip("/") if root else place
    return f"{path}/{below}" if path else below
