"""A repository and the commits of others that its kustomizations name, as one tree: each of those lies in a folder of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from trueup.model.contracts import Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Origin
from trueup.renderers.kustomize.remote import RemoteBase
from trueup.toolkit.git.git_tree import GitTree
from trueup.toolkit.sources.cache import Sources

OUTSIDE: Final = "@outside"
LARGEST: Final = 3 * 1024**2


@dataclass(frozen=True, slots=True)
class Reference:
    """Who names something: the folder that its paths are relative to, the file, and the line in it."""

    folder: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class _Planted:
    base: RemoteBase
    files: GitTree
    named: Reference


class Forest:
    """Files by path, as in a tree. A link leads nowhere but within its own repository."""

    def __init__(self, tree: Tree, sources: Sources) -> None:
        self._tree = tree
        self.sources = sources
        self._planted: dict[str, _Planted] = {}

    def plant(self, base: RemoteBase, named: Reference) -> str:
        """The folder in which another repository lies from now on. Raises as ``Sources.commit`` does."""
        root = f"{OUTSIDE}/{base.short}"
        if root not in self._planted:
            outside = self._planted.get(self.root_of(named.file))
            files = self.sources.commit(base.url, base.commit)
            self._planted[root] = _Planted(base, files, outside.named if outside else named)
        return root

    def root_of(self, path: str) -> str:
        """The folder of the repository that a path is in; empty for the application's own."""
        names = path.split("/", 2)
        return "/".join(names[:2]) if names[0] == OUTSIDE else ""

    def kind(self, path: str) -> str | None:
        """As ``Tree.kind``."""
        files, inside = self._at(path)
        with self._telling(path):
            return files.kind(inside) if files else None

    def object_id(self, path: str) -> str | None:
        """As ``Tree.object_id``."""
        files, inside = self._at(path)
        with self._telling(path):
            return files.object_id(inside) if files else None

    def read(self, path: str) -> bytes:
        """As ``Tree.read``."""
        files, inside = self._at(path)
        with self._telling(path):
            return files.read(inside, LARGEST) if isinstance(files, GitTree) else self._tree.read(path)

    def walk(self, path: str) -> Iterator[str]:
        """The files below a folder; what a link leads to is there by another way."""
        files, inside = self._at(path)
        root = self.root_of(path)
        with self._telling(path):
            for each in files.walk(inside) if files else ():
                place = f"{root}/{each}" if root else each
                if self.kind(place) == "file":
                    yield place

    def located(self, fault: Fault) -> Fault:
        """A fault in another repository, told at the line of our own that names it."""
        planted = self._planted.get(self.root_of(fault.file))
        message = fault.message
        for root, each in self._planted.items():
            message = message.replace(f"{root}/", f"{each.base.url}//")
        if planted is None:
            return replace(fault, message=message)
        inside = f"{fault.file.split('/', 2)[-1]}:{fault.line}"
        told = f"`{planted.base.url}` at {planted.base.commit[:7]}, {inside}: {message}"
        return Fault(planted.named.file, planted.named.line, 0, told, fault.hint)

    def origin(self, origin: Origin) -> Origin:
        """Where our own repository says it: the line that names the other one."""
        planted = self._planted.get(self.root_of(origin.file))
        return Origin(planted.named.file, planted.named.line) if planted else origin

    @contextmanager
    def _telling(self, path: str) -> Iterator[None]:
        """What is wrong in another repository is told at the line of our own that names it."""
        root = self.root_of(path)
        try:
            yield
        except DeclarationError as error:
            if not root:
                raise
            raise DeclarationError([self.located(replace(each, file=f"{root}/{each.file}")) for each in error.faults]) from error

    def _at(self, path: str) -> tuple[Tree | GitTree | None, str]:
        root = self.root_of(path)
        if not root:
            return self._tree, path
        planted = self._planted.get(root)
        return (planted.files if planted else None), path.removeprefix(root).lstrip("/")
