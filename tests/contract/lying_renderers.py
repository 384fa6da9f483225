"""Renderers that lie, each in just one way, beside an honest one that they are made of."""

import itertools
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from trueup.model.application import Application, Declared
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Key, Manifest, Origin

_COUNTER = itertools.count()


class NoOptions(Declared):
    """This renderer has none."""


class Lines:
    """A manifest for each line of every ``*.lines`` file; ``prefix``, when it is there, holds what begins each name."""

    name = "lines"
    version = "1"
    Options: type[BaseModel] = NoOptions

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        return False

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        folder, prefix = application.folder, f"{application.folder}/prefix"
        found = [path for path in (*self._files(folder, tree), prefix) if tree.kind(path)]
        absent = frozenset() if tree.kind(prefix) else frozenset([prefix])
        return Inputs({path: tree.object_id(path) or "" for path in found}, {folder: tree.listing_id(folder) or ""}, absent)

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        prefix = f"{application.folder}/prefix"
        start = tree.read(prefix).decode() if tree.kind(prefix) else ""
        return [manifest for path in self._files(application.folder, tree) for manifest in self._manifests(path, tree, start)]

    def _files(self, folder: str, tree: Tree) -> list[str]:
        return [f"{folder}/{name}" for name in tree.names(folder) if name.endswith(".lines")]

    def _manifests(self, path: str, tree: Tree, start: str) -> Iterator[Manifest]:
        for number, line in enumerate(tree.read(path).decode().splitlines(), 1):
            if not line:
                raise DeclarationError([Fault(path, number, 0, "the line is empty", "write a name")])
            body = {"apiVersion": "v1", "kind": "Line", "metadata": {"name": start + line}}
            yield Manifest(Key.of(body), body, Origin(path, number))


class NeverTheSame(Lines):
    def _manifests(self, path: str, tree: Tree, start: str) -> Iterator[Manifest]:
        yield from super()._manifests(path, tree, f"{start}{next(_COUNTER)}")


class ReadsElsewhere(Lines):
    """Takes the whole repository along, and says nothing of it."""

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        return [manifest for path in tree.walk("") if path.endswith((".lines", ".yaml")) for manifest in self._manifests(path, tree, "")]


class OverlooksAbsence(Lines):
    """Looks for a file in vain and does not declare it; the folder's listing is not declared either, so nothing would tell."""

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        return Inputs(super().inputs(application, tree).files)


class DeclaresNames(Lines):
    """Declares that it reads a file, whatever is in it."""

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        inputs = super().inputs(application, tree)
        return Inputs(dict.fromkeys(inputs.files, "some file"), inputs.folders, inputs.absent)


class DeclaresOnlyFolders(Lines):
    """Declares which files there are, and not that it reads them."""

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        return Inputs(folders=super().inputs(application, tree).folders)


class ForgetsLines(Lines):
    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        try:
            return super().render(application, tree)
        except DeclarationError as error:
            raise DeclarationError([Fault(fault.file, 0, 0, fault.message) for fault in error.faults]) from error


class SkipsWhatIsBroken(Lines):
    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        try:
            return super().render(application, tree)
        except DeclarationError:
            return []


class ForgetsOrigins(Lines):
    def _manifests(self, path: str, tree: Tree, start: str) -> Iterator[Manifest]:
        for manifest in super()._manifests(path, tree, start):
            yield Manifest(manifest.key, manifest.body, Origin())
