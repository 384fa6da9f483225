"""The contract of a renderer, as sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from trueup.model.application import Application, ApplicationSpec, Render
from trueup.model.contracts import Inputs, RendererKind, Tree
from trueup.model.errors import DeclarationError
from trueup.model.manifest import Manifest
from trueup.testing.ground import OURS
from trueup.testing.trees import FolderTree, Overlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a renderer's author gives to the contract: a repository whose application lies in the folder ``app``, and what may happen to it.

    ``edits`` are files with another content, each of which makes other manifests. ``appearing`` are files that are not there, each of which
    makes other manifests once it is. ``broken`` are files with another content, each of which has a fault in a line. ``options`` stand
    beside ``with``.
    """

    kind: RendererKind
    files: Mapping[str, bytes]
    edits: Mapping[str, bytes]
    appearing: Mapping[str, bytes]
    broken: Mapping[str, bytes]
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def tree(self) -> FolderTree:
        """The repository."""
        return FolderTree(self.files)

    @property
    def moved(self) -> dict[str, FolderTree]:
        """The repository after each thing that may happen to it, by the path that it happens to."""
        return {path: self.tree.changed(path, content) for path, content in {**self.edits, **self.appearing}.items()}

    @property
    def application(self) -> Application:
        """The application that is rendered."""
        render = Render.model_validate({"with": self.kind.name, **self.options})
        return Application(OURS, "shop", ApplicationSpec(target="somewhere", render=render), "app/trueup.yaml", 1)

    def inputs(self, tree: Tree) -> Inputs:
        """What the renderer declares."""
        return self.kind.inputs(self.application, tree)

    def render(self, tree: Tree) -> list[Manifest]:
        """What the renderer makes."""
        return self.kind.render(self.application, tree)

    def digests(self, tree: Tree) -> list[tuple[str, str]]:
        """The same, to be compared."""
        return [(str(manifest.key), manifest.digest) for manifest in self.render(tree)]


@pytest.mark.asyncio
class RendererContract:
    """What every renderer promises. A renderer joins by a class of its own::

    class TestRunes(RendererContract):
        sample = Sample(kind=runes, ...)
    """

    sample: Sample

    async def test_same_inputs_make_same_manifests(self) -> None:
        """Twice, and whatever lies elsewhere in the repository."""
        sample = self.sample
        first = sample.digests(sample.tree)
        assert first
        assert sample.digests(FolderTree(dict(reversed(list(sample.files.items()))))) == first
        assert sample.digests(sample.tree.changed("elsewhere/objects.yaml", b"{")) == first

    async def test_a_render_reads_nothing_undeclared(self) -> None:
        """Every file that is read, folder that is listed and path that is looked for is among the inputs."""
        for tree in (self.sample.tree, *self.sample.moved.values()):
            looked = Overlooked(tree)
            self.sample.render(looked)
            assert looked.undeclared(self.sample.inputs(tree)) == []

    async def test_the_inputs_are_those_of_the_tree(self) -> None:
        """Each with the id that the tree gives it, so that nothing seems to move that does not."""
        for tree in (self.sample.tree, *self.sample.moved.values()):
            assert _touched(self.sample.inputs(tree), tree) == []

    async def test_what_makes_other_manifests_touches_an_input(self) -> None:
        """A file's content, a name in a folder, or a path that was looked for in vain: nobody else looks whether to render again."""
        for path, tree in self.sample.moved.items():
            assert self.sample.digests(tree) != self.sample.digests(self.sample.tree), f"{path} was to make other manifests"
            assert _touched(self.sample.inputs(self.sample.tree), tree), f"{path} touches no input"

    async def test_faults_have_a_file_and_a_line(self) -> None:
        """Each of them."""
        for path, content in self.sample.broken.items():
            with pytest.raises(DeclarationError) as caught:
                self.sample.render(self.sample.tree.changed(path, content))
            assert {fault.file for fault in caught.value.faults} == {path}
            assert all(fault.line and fault.message for fault in caught.value.faults)

    async def test_every_manifest_says_where_it_comes_from(self) -> None:
        """A file of the repository, and a line in it."""
        for manifest in self.sample.render(self.sample.tree):
            assert manifest.origin.file in self.sample.files
            assert 0 < manifest.origin.line <= len(self.sample.files[manifest.origin.file].splitlines())


def _touched(inputs: Inputs, tree: Tree) -> list[str]:
    """The inputs that are not in this tree as they are declared."""
    files = [path for path, identity in {**inputs.files, **inputs.whole}.items() if tree.object_id(path) != identity]
    folders = [path for path, identity in inputs.folders.items() if tree.listing_id(path) != identity]
    return [*files, *folders, *(path for path in inputs.absent if tree.kind(path))]
