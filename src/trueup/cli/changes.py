"""Field changes -> lines: ``path: before -> after``, and a small diff where the values are texts of several lines."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

from rich.text import Text

from trueup.cli.layout import BAD, GOOD, QUIET, count, text, value
from trueup.model.plan import Change
from trueup.model.wire import plain
from trueup.toolkit.emitter import dump

MOST_LINES: Final = 40
"""Lines of one diff that are shown."""
MOST_COMPARED: Final = 2_000
"""Lines of a text up to which it is compared; the comparison takes the square of it."""
LONGEST_IN_LINE: Final = 100
"""Characters of a mapping or list up to which it is shown in the line."""


def change_lines(changes: Iterable[Change], made: bool) -> list[Text]:
    """One line for each field, or a diff below it. ``made``: the object is new, so what was before is not said."""
    return [line for change in changes for line in _change(change, made)]


def _change(change: Change, made: bool) -> list[Text]:
    before, after = plain(change.before), plain(change.after)
    if _is_long(before) or _is_long(after):
        return [text(f"{change.path or 'object'}:"), *_difference(_as_text(before), _as_text(after))]
    if made and before is None:
        return [text(f"{change.path}: ", value(after))] if change.path else [text(value(after))]
    return [
        text(
            f"{change.path}: ", (value(before), QUIET if before is None else BAD), " -> ", (value(after), QUIET if after is None else GOOD)
        )
    ]


def _is_long(thing: Any) -> bool:
    return "\n" in thing if isinstance(thing, str) else isinstance(thing, dict | list) and len(value(thing)) > LONGEST_IN_LINE


def _as_text(thing: Any) -> list[str]:
    if thing is None:
        return []
    return thing.splitlines() if isinstance(thing, str) else dump(thing).splitlines()


def _difference(before: list[str], after: list[str]) -> list[Text]:
    if max(len(before), len(after)) > MOST_COMPARED:
        return [text(f"  a text of {count(len(before), 'line')} -> a text of {count(len(after), 'line')}")]
    if before == after:
        return [text("  the last line's end differs")]
    lines = list(difflib.unified_diff(before, after, n=2, lineterm=""))[2 if before and after else 3 :]
    shown = [_difference_line(line) for line in lines[:MOST_LINES]]
    rest = len(lines) - len(shown)
    return [*shown, text((f"  and {count(rest, 'more line', 'more lines')}", QUIET))] if rest > 0 else shown


def _difference_line(line: str) -> Text:
    style = {"+": GOOD, "-": BAD, "@": QUIET}.get(line[:1], "")
    return text("  ", (line, style))
