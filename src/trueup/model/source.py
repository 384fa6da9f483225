"""Where desired state comes from: repositories, and one commit of them."""

import hashlib
import posixpath
from datetime import datetime

import msgspec

from trueup.model.errors import DeclarationError, Fault


class Repository(msgspec.Struct, frozen=True):
    """A Git remote, the branch or tag that is followed (empty: the remote's HEAD), and the path in it (empty: all of it).

    ``url`` is without credentials and absolute (``trueup.toolkit.git.identity``).
    """

    url: str
    branch: str = ""
    path: str = ""

    @property
    def identity(self) -> str:
        """``URL#BRANCH[:PATH]``; what ownership at a target and every row in the store name."""
        return f"{self.url}#{self.branch or 'HEAD'}" + (f":{self.path}" if self.path else "")

    @property
    def short(self) -> str:
        """Ten hexadecimal digits of the identity, for names of files and labels."""
        return hashlib.sha256(self.identity.encode()).hexdigest()[:10]


class Revision(msgspec.Struct, frozen=True, rename="camel"):
    """One commit of a repository: full hash, author's name and address, the author's date, and the first line of the message."""

    commit: str
    author: str
    date: datetime
    subject: str


def resolve_path(folder: str, path: str, file: str, line: int) -> str:
    """A path that a file names, relative to ``folder`` or from the root with a leading ``/``, as a path from the repository's root.

    ``file`` and ``line`` say who names it. Raises DeclarationError when it leaves the tree.
    """
    joined = posixpath.normpath(path.lstrip("/") if path.startswith("/") else posixpath.join(folder, path))
    if joined == ".." or joined.startswith("../"):
        raise DeclarationError([Fault(file, line, 0, f"`{path}` leaves the repository", "name a path inside the repository")])
    return "" if joined == "." else joined
