"""The tree that a renderer is given: its declared inputs and nothing else."""

import posixpath
from collections.abc import Iterable

from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault


class DeclaredTree:
    """A tree that holds the declared inputs and nothing else: a file that is read without being declared is not there."""

    def __init__(self, tree: Tree, inputs: Inputs, largest: int) -> None:
        self.tree = tree
        self.largest = largest
        self.files = inputs.files
        self.folders = inputs.folders
        self.whole = tuple(inputs.whole)

    def _below_whole(self, path: str) -> bool:
        return any(not folder or path == folder or path.startswith(folder + "/") for folder in self.whole)

    def _is_file(self, path: str) -> bool:
        return path in self.files or self._below_whole(path)

    def _is_folder(self, path: str) -> bool:
        return path in self.folders or self._below_whole(path)

    def kind(self, path: str) -> str | None:
        """As ``Tree.kind``; a folder on the way to a declared file is there too."""
        if self._is_file(path) or self._is_folder(path) or any(file.startswith(path + "/") for file in self.files):
            return self.tree.kind(path)
        parent = posixpath.dirname(path)
        # What a declared listing shows is there as a name, though its content is not.
        return self.tree.kind(path) if self._is_folder(parent) else None

    def object_id(self, path: str) -> str | None:
        """As ``Tree.object_id``, of declared inputs."""
        return self.tree.object_id(path) if self._is_file(path) or self._is_folder(path) else None

    def mode(self, path: str) -> int:
        """As ``Tree.mode``, of declared files."""
        return self.tree.mode(path) if self._is_file(path) else 0

    def size(self, path: str) -> int:
        """As ``Tree.size``, of declared files."""
        return self.tree.size(path) if self._is_file(path) else 0

    def names(self, path: str) -> list[str]:
        """As ``Tree.names``, of declared listings."""
        return self.tree.names(path) if self._is_folder(path) else []

    def listing_id(self, path: str) -> str | None:
        """As ``Tree.listing_id``, of declared listings."""
        return self.tree.listing_id(path) if self._is_folder(path) else None

    def read(self, path: str, limit: int | None = None) -> bytes:
        """As ``Tree.read``, of declared files, and of none that is larger than the operator allows."""
        if not self._is_file(path):
            raise DeclarationError(
                [Fault(path, 0, 0, f"`{path}` is not a declared input of this render", "the renderer must declare what it reads")]
            )
        return self.tree.read(path, self.largest if limit is None else min(limit, self.largest))

    def places(self, path: str) -> tuple[str, ...]:
        """As ``Tree.places``."""
        return self.tree.places(path)

    def walk(self, path: str) -> Iterable[str]:
        """All declared files below a folder."""
        if self._below_whole(path):
            return self.tree.walk(path)
        return sorted(file for file in self.files if not path or file.startswith(path + "/"))
