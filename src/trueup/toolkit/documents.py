"""YAML and JSON text becomes documents of plain data, with the line and column that every value came from.

YAML means here what kubectl means by it (see ``scalars``), and JSON is YAML. The text may come from strangers: its size, its nesting and
what its aliases expand to are bounded, and whatever is wrong is told with its place.
"""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

from trueup.model.errors import DeclarationError, Fault
from trueup.toolkit.composer import compose
from trueup.toolkit.places import Spot, spots_in

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes that lead to a value: ``("spec", "containers", 0, "image")``."""

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a file, unless the caller says otherwise."""

_ESCAPE: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)")


@dataclass(frozen=True)
class Document:
    """One document: plain data (dict, list, str, int, float, bool, None) and where it came from. ``line`` is its content's first."""

    body: object
    line: int
    # Measured on a Deployment of twelve lines: the body takes 1,900 bytes, the spots of all values 3,600, the text 300. Spots are asked for
    # rarely, so a document keeps its text, and is read once more (45 us) when somebody asks.
    source: str = field(default="", repr=False, compare=False)
    first: int = field(default=1, repr=False, compare=False)

    @cached_property
    def root(self) -> Spot:
        """Where the content begins, and below it where every value is."""
        return spots_in(self.source, self.first)

    def spot_of(self, path: Path) -> Spot:
        """Where a value is; when it is not there, the spot of the longest part of its path that is."""
        return self.root.to(path)

    def line_of(self, path: Path) -> int:
        """The line of a value, or of the longest part of its path that is there."""
        return self.spot_of(path).line


def read(text: bytes, file: str, limit: int = LARGEST) -> list[Document]:
    """The documents of a YAML or JSON file; empty ones are left out.

    ``limit`` is the largest size in bytes. Raises DeclarationError with every fault that was found.
    """
    decoded = _decode(text, file, limit)
    try:
        return _documents(decoded, file)
    except DeclarationError:
        single = _without_pairs(decoded)
        if single == decoded:
            raise
        return _documents(single, file)


def _documents(text: str, file: str) -> list[Document]:
    parts = compose(text, file)
    if not parts:
        return []
    ends = [*(part.start for part in parts[1:]), len(text)]
    return [
        Document(part.body, part.line, text[part.start : end], part.first)
        for part, end in zip(parts, ends, strict=True)
        if part.body is not None
    ]


def _decode(text: bytes, file: str, limit: int) -> str:
    if len(text) > limit:
        hint = f"the largest that is read has {limit} bytes; split it, or keep large data outside of manifests"
        raise DeclarationError([Fault(file, 0, 0, f"the file is too large: {len(text)} bytes", hint)])
    try:
        return text.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        fault = Fault(file, line, column, "the file is not UTF-8", "save it as UTF-8, or put binary data into base64")
        raise DeclarationError([fault]) from error


def _without_pairs(text: str) -> str:
    """JSON writes what is beyond U+FFFF as two escapes, which YAML refuses: put one escape of YAML's in their place."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _ESCAPE.sub(_single, text)


def _single(escape: re.Match[str]) -> str:
    high, low = escape.groups()
    return f"\\U{0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF):08x}" if high else escape[0]
