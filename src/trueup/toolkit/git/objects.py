"""Git's objects in one repository on disk, for any thread: content by id, trees, and commits."""

import re
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias, TypeVar

import pygit2
from pygit2.enums import ObjectType, RepositoryOpenFlag

from trueup.model.errors import Unreachable

KEPT_TREES = 8

Result = TypeVar("Result")
Entry: TypeAlias = tuple[bytes, bytes, bytes]
"""Mode in octal digits, name, and the twenty bytes of an object id."""

_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


class Objects:
    """Reads and writes objects. libgit2 wants one repository per thread, so each thread has its own.

    An object that ought to be there and is not means that the repository is damaged: that is never taken for an absent file, because the
    absence of a file can delete something. It raises Unreachable and leaves a mark by which the mirror is rebuilt.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._own = threading.local()
        self._generation = 0
        # Whoever walks a history meets each tree twice: as what a commit made of it, and as what the next one found.
        self._entries = lru_cache(KEPT_TREES)(lambda object_id: frozenset(self.reading(lambda repository: _entries(repository, object_id))))
        # The program believes a repository that is named outright, whoever owns it; so does the library then. Every use of it is ours.
        pygit2.settings.owner_validation = False

    @property
    def damage(self) -> Path:
        """The mark: this file exists when an object was missed."""
        return self.directory.with_suffix(".damaged")

    def repository(self) -> pygit2.Repository:
        """This thread's own."""
        generation, opened = getattr(self._own, "opened", (-1, None))
        if opened is None or generation != self._generation:
            opened = pygit2.Repository(str(self.directory), RepositoryOpenFlag.BARE | RepositoryOpenFlag.NO_SEARCH)
            self._own.opened = (self._generation, opened)
        return opened

    def reopen(self) -> None:
        """Files were exchanged underneath: every thread opens the repository anew."""
        self._generation += 1

    def reading(self, read: Callable[[pygit2.Repository], Result]) -> Result:
        """Call with a repository; what fails is tried once more with a new one, because maintenance may have exchanged the packs."""
        try:
            return read(self.repository())
        except (KeyError, pygit2.GitError, OSError):
            self.reopen()
        try:
            return read(self.repository())
        except (KeyError, pygit2.GitError, OSError) as error:
            raise self._damaged() from error

    def content(self, object_id: str) -> bytes:
        """Of a blob."""
        return self.reading(lambda repository: repository.odb.read(pygit2.Oid(hex=object_id))[1])

    def size(self, object_id: str) -> int:
        """Bytes of a blob, from its header."""
        return self.reading(lambda repository: repository.odb.read_header(pygit2.Oid(hex=object_id))[1])

    def tree(self, object_id: str) -> dict[str, tuple[int, str]]:
        """Name -> (mode, object id) of what is in a tree."""
        return {name.decode("utf-8", "surrogateescape"): (_mode(mode), id_.hex()) for mode, name, id_ in self.entries(object_id)}

    def entries(self, object_id: str) -> frozenset[Entry]:
        """What is in a tree, as it is stored."""
        return self._entries(object_id)

    def tree_of(self, object_id: str) -> str:
        """The tree of a commit; a tree is its own."""
        return self.reading(lambda repository: _tree_of(repository, object_id))

    def has_commit(self, object_id: str) -> bool:
        """Whether this commit is here."""
        try:
            return self.repository().odb.read_header(pygit2.Oid(hex=object_id))[0] == ObjectType.COMMIT
        except (KeyError, ValueError, pygit2.GitError):
            return False

    def store(self, content: bytes) -> str:
        """Write a blob; its id."""
        return str(self.repository().create_blob(content))

    def _damaged(self) -> Unreachable:
        if self.directory.is_dir():
            self.damage.touch()
        hint = "it is rebuilt when it is fetched next; nothing is concluded from what is missing"
        return Unreachable("objects are missing from the mirror of a repository", where=str(self.directory), hint=hint)


def _entries(repository: pygit2.Repository, object_id: str) -> list[Entry]:
    """Read as it is stored: libgit2's own objects take five times as long, and a folder may have thousands."""
    sort, content = repository.odb.read(pygit2.Oid(hex=object_id))
    found: list[Entry] = _ENTRY.findall(content)
    if sort != ObjectType.TREE or len(b"".join(map(b"".join, found))) + 2 * len(found) != len(content):
        raise KeyError(object_id)
    return found


def _tree_of(repository: pygit2.Repository, object_id: str) -> str:
    kind, content = repository.odb.read(pygit2.Oid(hex=object_id))
    if kind == ObjectType.COMMIT and content.startswith(b"tree "):
        # It names its tree, which is not read for that: it may have thousands of entries.
        return content[5:45].decode()
    return str(repository[object_id].peel(pygit2.Tree).id)


def _mode(written: bytes) -> int:
    """Old histories have modes such as 100664: a file may be run, or not."""
    mode = int(written, 8)
    return (0o100755 if mode & 0o100 else 0o100644) if mode & 0o170000 == 0o100000 else mode
