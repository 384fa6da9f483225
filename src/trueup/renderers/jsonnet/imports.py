"""A Jsonnet file -> every file that it imports, and every place where an import is looked for in vain.

Imports in Jsonnet are literal strings, so that what a file may read can be told without running it.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.source import resolve_path

_TOKEN: Final = re.compile(
    r"""
      (?P<skipped> \#[^\n]* | //[^\n]* | /\*.*?\*/ | \|\|\|-?[ \t]*\n.*?\n[ \t]*\|\|\| )
    | (?P<import> \bimport(?:str|bin)?\b )
    | (?P<string> @"(?:""|[^"])*" | @'(?:''|[^'])*' | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
    | (?P<other> \S )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Imports:
    """What was found. ``faults`` stand here and are not raised: the render tells them."""

    tree: Tree
    libraries: Sequence[str]
    files: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    _read: set[str] = field(default_factory=set)

    def inputs(self, folder: str) -> Inputs:
        """All of it with the listing of the application's folder."""
        listing = self.tree.listing_id(folder)
        absent = frozenset(self.absent if listing else {*self.absent, folder})
        return Inputs(files=self.files, folders={folder: listing} if listing else {}, absent=absent)

    def follow(self, start: str) -> None:
        """Take in a file and, from there, what it imports."""
        waiting = [(start, True)]
        while waiting:
            path, is_code = waiting.pop()
            self.files[path] = self.tree.object_id(path) or ""
            if is_code and path not in self._read:
                self._read.add(path)
                waiting.extend(self._imported(path))

    def _imported(self, path: str) -> Iterator[tuple[str, bool]]:
        text = self.tree.read(path).decode(errors="replace")
        for how, name, line in _written(text):
            found = self._resolved(name, path, line)
            if found:
                yield found, how == "import"

    def _resolved(self, name: str, by: str, line: int) -> str | None:
        """As Jsonnet looks for it: beside the file, then in the libraries, in their order."""
        if name.startswith("/"):
            self.faults.append(Fault(by, line, 0, f"`{name}` is an absolute path", "write it relative to this file, or to a library"))
            return None
        for folder in (posixpath.dirname(by), *self.libraries):
            try:
                path = resolve_path(folder, name, by, line)
                if self.tree.kind(path) == "file":
                    return path
            except DeclarationError as error:
                self.faults.extend(error.faults)
                return None
            self.absent.add(path)
        self.faults.append(Fault(by, line, 0, f"`{name}` does not exist", "add it, vendor its library (`jb install`), or correct the path"))
        return None


def _written(text: str) -> Iterator[tuple[str, str, int]]:
    """The keyword, the name and the line of each import."""
    pending = ""
    for token in _TOKEN.finditer(text):
        if token["skipped"]:
            continue
        if pending and token["string"]:
            yield pending, _unquoted(token["string"]), text.count("\n", 0, token.start()) + 1
        pending = token["import"] or ""


def _unquoted(string: str) -> str:
    if string.startswith("@"):
        return string[2:-1].replace(string[1] * 2, string[1])
    return re.sub(r"\\(.)", r"\1", string[1:-1])
