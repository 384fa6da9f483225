"""The files that a project is made of: everything that is read or looked for is remembered, as the renderer must declare it."""

import posixpath

from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError
from trueup.renderers.compose.located import Faults, Place, Within
from trueup.toolkit.documents import LARGEST


class Files:
    """Looks into a tree."""

    def __init__(self, tree: Tree, faults: Faults) -> None:
        self._tree = tree
        self._faults = faults
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._absent: set[str] = set()

    @property
    def inputs(self) -> Inputs:
        """All that was looked at."""
        return Inputs(files=self._files, folders=self._folders, absent=frozenset(self._absent))

    def kind(self, path: str) -> str | None:
        """``file``, ``folder`` or None. Raises DeclarationError for a link that leaves the tree."""
        path = str(path)  # what is told to others is plain text
        kind = self._tree.kind(path)
        if kind == "file":
            self._files[path] = self._tree.object_id(path) or ""
        elif kind == "folder":
            self._folders[path] = self._tree.listing_id(path) or ""
        else:
            self._absent.add(path)
        return kind

    def read(self, path: str, named: Place) -> bytes | None:
        """A file's content; None, and a fault where it is named, when it cannot be had."""
        if path == ".." or path.startswith("../"):
            self._faults.add(named, f"`{path}` leaves the repository", "name a path inside the repository")
            return None
        try:
            if self.kind(path) == "file":
                return self._tree.read(path, LARGEST)
            self._faults.add(named, f"there is no file `{path}`", "add it, or correct the path")
        except DeclarationError as error:
            for fault in error.faults:
                self._faults.add(named, f"`{path}` cannot be read: {fault.message}", fault.hint)
        return None

    def is_file(self, path: str) -> bool:
        """Whether a file is there. What leaves the tree is not."""
        return self._is(path, "file")

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there. What leaves the tree is not."""
        return self._is(path, "folder")

    def _is(self, path: str, kind: str) -> bool:
        try:
            return self.kind(path) == kind
        except DeclarationError:
            return False


def inside(folder: str, path: str) -> Within:
    """A relative path as one from the repository's root; the folder's own path is one already."""
    joined = posixpath.normpath(posixpath.join(folder, path))
    return Within("" if joined == "." else joined)
