"""Histories to step over: commits made straight into the objects of a mirror, and catalogs that follow them."""

from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import FileMode

from trueup.assembly import renderer_kinds, runtime_kinds
from trueup.engine.advance import Stepping, Surroundings
from trueup.engine.render import Renders
from trueup.model.contracts import Kinds
from trueup.model.memory import Advance, Declared, Followed, Input, Memory
from trueup.model.source import Repository
from trueup.store import open_memory
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.git.remote import remote

KINDS = Kinds(renderer_kinds(), runtime_kinds())
WRITER = pygit2.Signature("Test", "test@example.org", 1_700_000_000, 0)

Files = dict[str, str]
"""Path -> content; a content that begins with ``-> `` is a link, one that begins with ``#!`` may be run."""


class History:
    """Commits in a mirror that was never fetched, because it is written to here."""

    def __init__(self, folder: Path) -> None:
        self.mirror = Mirror(folder, remote("file:///nowhere"))
        self.repository = pygit2.init_repository(str(self.mirror.objects.directory), bare=True)

    def commit(self, files: Files, *parents: str) -> str:
        """A commit of exactly these files."""
        index = pygit2.Index()
        for path, content in files.items():
            link = content.startswith("-> ")
            mode = FileMode.LINK if link else FileMode.BLOB_EXECUTABLE if content.startswith("#!") else FileMode.BLOB
            blob = self.repository.create_blob(content.removeprefix("-> ").encode())
            index.add(pygit2.IndexEntry(path, blob, mode))
        tree = index.write_tree(self.repository)
        return str(self.repository.create_commit(None, WRITER, WRITER, "change", tree, list(parents)))


class Following:
    """A catalog that follows a history, commit by commit as it is told to."""

    def __init__(self, folder: Path, mirror: Mirror, path: str = "") -> None:
        self.memory: Memory = open_memory(folder)
        self.mirror = mirror
        self.repository = Repository("/nowhere", path=path)
        self.renders = Renders(KINDS, self.memory)
        self.occupied: frozenset[str] = frozenset()
        self.released: frozenset[str] = frozenset()

    def step(self, commit: str) -> Advance:
        """Follow to this commit. Raises Held."""
        followed = self.memory.followed(self.repository.identity) or Followed(repository=self.repository)
        around = Surroundings(self.mirror, self.memory, KINDS, self.renders, lambda: self.occupied, self.released)
        step = Stepping(followed, commit, around).advance()
        self.memory.advance(step)
        return step

    @property
    def declared(self) -> dict[str, Declared]:
        """What the catalog says of each application."""
        return {each.application.name: each for each in self.memory.applications(self.repository.identity)}

    def inputs(self, name: str) -> set[Input]:
        """The inputs of an application."""
        return set(self.memory.inputs(self.repository.identity, name))

    @property
    def faults(self) -> list[Any]:
        """What is wrong in the declarations."""
        followed = self.memory.followed(self.repository.identity)
        return list(followed.faults) if followed else []

    def close(self) -> None:
        self.memory.close()
