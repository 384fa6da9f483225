"""The contract of a renderer, as sentences."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from trueup.model.application import Application, ApplicationSpec, Render
from trueup.model.contracts import Inputs, RendererKind
from trueup.model.errors import DeclarationError
from trueup.testing.ground import OURS
from trueup.testing.trees import FolderTree, Overlooked


@pytest.mark.asyncio
class RendererContract:
    """What every renderer promises. A renderer joins by a class of its own with these facts.

    ``files`` are those of a repository whose application lies in the folder ``app``. ``edits`` are files with another content, each of
    which makes other manifests. ``appearing`` are files that are not there, each of which makes other manifests once it is.
    ``broken`` are files with another content, each of which has a fault in a line. ``options`` stand beside ``with``.
    """

    kind: ClassVar[RendererKind]
    files: ClassVar[Mapping[str, bytes]]
    edits: ClassVar[Mapping[str, bytes]]
    appearing: ClassVar[Mapping[str, bytes]]
    broken: ClassVar[Mapping[str, bytes]]
    options: ClassVar[Mapping[str, object]] = {}

    async def test_same_inputs_make_same_manifests(self) -> None:
        """Twice, and whatever lies elsewhere in the repository."""
        first = self._digests(FolderTree(self.files))
        assert first
        assert self._digests(FolderTree(dict(reversed(list(self.files.items()))))) == first
        assert self._digests(FolderTree({**self.files, "elsewhere/objects.yaml": b"{"})) == first

    async def test_a_render_reads_nothing_undeclared(self) -> None:
        """Every file that is read, folder that is listed and path that is looked for is among the inputs."""
        for tree in self._trees():
            looked = Overlooked(tree)
            self.kind.render(self._application(), looked)
            assert looked.undeclared(self._inputs(tree)) == []

    async def test_the_inputs_are_those_of_the_tree(self) -> None:
        """Each with the id that the tree gives it."""
        for tree in self._trees():
            inputs = self._inputs(tree)
            assert dict(inputs.files) == {path: tree.object_id(path) for path in inputs.files}
            assert dict(inputs.folders) == {path: tree.listing_id(path) for path in inputs.folders}
            assert dict(inputs.whole) == {path: tree.object_id(path) for path in inputs.whole}
            assert [path for path in inputs.absent if tree.kind(path)] == []

    async def test_a_change_of_an_input_changes_the_inputs(self) -> None:
        """Whatever makes other manifests makes other inputs: a file's content, and a path that appears or goes."""
        tree = FolderTree(self.files)
        inputs, manifests = self._inputs(tree), self._digests(tree)
        for path, content in {**self.edits, **self.appearing}.items():
            changed = tree.changed(path, content)
            assert self._digests(changed) != manifests, f"{path} was to make other manifests"
            assert self._inputs(changed) != inputs, f"{path} is no input"

    async def test_faults_have_a_file_and_a_line(self) -> None:
        """All of them, and what to do."""
        for path, content in self.broken.items():
            tree = FolderTree(self.files).changed(path, content)
            with pytest.raises(DeclarationError) as caught:
                self.kind.render(self._application(), tree)
            assert {fault.file for fault in caught.value.faults} == {path}
            assert all(fault.line and fault.message for fault in caught.value.faults)

    async def test_every_manifest_says_where_it_comes_from(self) -> None:
        """A file of the inputs, and a line in it."""
        tree = FolderTree(self.files)
        inputs = self._inputs(tree)
        for manifest in self.kind.render(self._application(), tree):
            assert manifest.origin.file in inputs.files or any(manifest.origin.file.startswith(f"{folder}/") for folder in inputs.whole)
            assert 0 < manifest.origin.line <= len(tree.read(manifest.origin.file).splitlines())

    def _trees(self) -> list[FolderTree]:
        tree = FolderTree(self.files)
        return [tree, *(tree.changed(path, content) for path, content in {**self.edits, **self.appearing}.items())]

    def _inputs(self, tree: FolderTree) -> Inputs:
        return self.kind.inputs(self._application(), tree)

    def _digests(self, tree: FolderTree) -> list[tuple[str, str]]:
        return [(str(manifest.key), manifest.digest) for manifest in self.kind.render(self._application(), tree)]

    def _application(self) -> Application:
        render = Render.model_validate({"with": self.kind.name, **self.options})
        return Application(OURS, "shop", ApplicationSpec(target="somewhere", render=render), "app/trueup.yaml", 1)
