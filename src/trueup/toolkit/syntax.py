"""What the YAML parser says about a broken text, in words that help: its error becomes a Fault with a place and a hint."""

import re
from typing import Final

from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from trueup.model.errors import Fault

DEEPEST: Final = 100
"""Mappings and lists inside each other; the deepest known CustomResourceDefinitions have about forty."""
MOST_ALIASED: Final = 100_000
"""Nodes that the aliases of one file may expand to; one counts once more for every 64 characters."""

# What whoever reads a YAML file says of it: the message, and the hint.
TOO_DEEP: Final = ("the nesting is too deep", "put fewer mappings and lists inside each other")
TOO_MUCH: Final = ("the aliases expand to too much", f"at most {MOST_ALIASED} values may come from the aliases of a file")
NO_ANCHOR: Final = ("the alias has no anchor above it", "quote a value that begins with `*`, or name an anchor of this document")
INSIDE_ITSELF: Final = ("the alias stands inside of what it names", "write the value out")
NO_MAPPING: Final = ("`<<` takes a mapping or a list of mappings", "name an anchored mapping, such as `<<: *defaults`")
NO_FIT: Final = ("the value does not fit its tag", "remove the tag, or write a value of that kind")

_CONFLICT: Final = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
_TEMPLATE_HINT: Final = "it looks like a template: render it with the tool that it belongs to, or quote the value"
_CONTEXTS: Final = ("while scanning a simple key", "while scanning a quoted scalar")
"""Here the parser notices the fault late; it began where the context began."""

_HINTS: Final = (
    ("tab character", "indent with spaces; YAML does not allow tabs there"),
    ("mapping values are not allowed", "quote a value that contains `: `, or check the indentation of this line and the one above"),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
    ("unexpected end of stream", "close the quote that is opened here"),
    ("cannot start any token", "quote a value that begins with `@`, a backtick or `%`"),
    ("expected alphabetic or numeric character", "quote a value that begins with `*` or `&`"),
    ("expected ',' or ']'", "close the list with `]`, and separate its items by commas"),
    ("expected ',' or '}'", "close the mapping with `}`, and separate its entries by commas"),
    ("expected '-' indicator", "put this line at the same indentation as the items of the list, or further out"),
    ("expected key", "check the indentation of this line, and quotes inside the value above"),
    ("expected <document start>", "put `---` between documents, or check the indentation of this line"),
    ("block sequence entries are not allowed", "begin the list on a line of its own"),
    ("escape c", "in double quotes write `\\\\` for a backslash, or use single quotes"),
    ("undefined tag handle", "remove the tag; only YAML's own tags such as `!!str` are known"),
    ("control characters", "remove it, or write it as an escape such as `\\0` in double quotes"),
)
_OTHERWISE: Final = "check this line and the one above it; a value with special characters needs quotes"


def syntax_fault(error: YAMLError, text: str, file: str) -> Fault:
    """The fault that the parser met. No value of the text is in it: the text may hold secrets."""
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return Fault(file, line, 1, "a merge conflict is not resolved", "remove the conflict's markers and choose one side")
    if isinstance(error, ReaderError):
        line, column = _place_of_byte(text, error.position)
        return Fault(file, line, column, "the YAML has a character that is not allowed", _hint("control characters", text, line))
    if not isinstance(error, MarkedYAMLError) or not error.problem_mark:
        return Fault(file, 0, 0, "the YAML cannot be read")
    problem, mark = error.problem or "", error.problem_mark
    if error.context_mark and error.context in _CONTEXTS and "escape" not in problem:
        mark = error.context_mark
    if _character(text, mark.line, mark.column) == "\t":
        problem = "found a tab character that violates indentation"
    place = (file, mark.line + 1, mark.column + 1)
    if "maximum nesting" in problem:
        return Fault(*place, *TOO_DEEP)
    return Fault(*place, f"the YAML is broken: {problem}", _hint(problem, text, mark.line + 1))


def template_hint(text: str, line: int) -> str:
    """What to say of a line that the parser understood otherwise than its author: empty when it holds no ``{{``."""
    return _TEMPLATE_HINT if "{{" in _line(text, line) else ""


def _hint(problem: str, text: str, line: int) -> str:
    known = next((hint for words, hint in _HINTS if words in problem), _OTHERWISE)
    return template_hint(text, line) or template_hint(text, line - 1) or known


def _line(text: str, line: int) -> str:
    lines = text.splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _character(text: str, line: int, column: int) -> str:
    return _line(text, line + 1)[column : column + 1]


def _place_of_byte(text: str, position: int) -> tuple[int, int]:
    before = text.encode()[:position].decode(errors="ignore")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
