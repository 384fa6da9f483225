"""Words become lines: what is not to be trusted made visible, columns aligned, words coloured by what they mean.

A line is a ``rich.text.Text``; nothing is ever read as markup.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from trueup.model.secret import MASK

GOOD: Final = "green"
WAITING: Final = "yellow"
BAD: Final = "red"
QUIET: Final = "dim"
LOUD: Final = "bold"

_MEANINGS: Final = {
    **dict.fromkeys(("healthy", "synced", "succeeded", "done"), GOOD),
    **dict.fromkeys(("suspended", "progressing", "outOfSync", "held", "running", "superseded", "rolledBack"), WAITING),
    **dict.fromkeys(("missing", "degraded", "failed"), BAD),
    **dict.fromkeys(("unknown", "skipped"), QUIET),
}

# What moves the cursor, changes the terminal, breaks the line or turns the direction of writing; and lone surrogates, which nothing can
# write.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN: Final = re.compile(r"[A-Za-z/_.~][^\s\"'{}\[\],]*")
_LONGEST: Final = 500


def visible(text: str) -> str:
    """The text in one line, with everything escaped that would act on the terminal instead of being seen."""
    return _INVISIBLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}")


def text(*pieces: str | tuple[str, str]) -> Text:
    """A line of pieces, each a string or a string and its style; all of them made visible."""
    line = Text(no_wrap=False)
    for piece in pieces:
        words, style = piece if isinstance(piece, tuple) else (piece, "")
        line.append(visible(words), style or None)
    return line


def word(meaning: str) -> tuple[str, str]:
    """A word of health, sync or state with its colour."""
    return meaning, _MEANINGS.get(meaning, "")


def value(thing: Any) -> str:
    """A value of a manifest in one line: plain words without quotes, everything else as JSON, and cut when it is long."""
    if thing is None:
        return "(unset)"
    if thing == MASK or (isinstance(thing, str) and _PLAIN.fullmatch(thing) and thing not in ("true", "false", "null")):
        written = thing
    else:
        written = json.dumps(thing, ensure_ascii=False)
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}.. ({len(written) - _LONGEST} more characters)"


def json_text(document: object) -> str:
    """A document as JSON that is safe to look at: what would act on a terminal is written as an escape, which JSON reads as the same."""
    written = json.dumps(document, indent=2, ensure_ascii=False)
    return _INVISIBLE.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], written)


def short(commit: str) -> str:
    """A commit's first seven digits; a dash when there is none."""
    return commit[:7] or "-"


def moment(at: datetime | None) -> str:
    """A time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else "-"


def duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``3m20s``, ``2h05m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 object``, ``2 objects``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def table(titles: Sequence[str], rows: Sequence[Sequence[Text]], width: int | None) -> list[Text]:
    """Aligned columns, two spaces apart. With a width, what does not fit goes to a line of its own below; nothing is cut."""
    return [line for lines in blocks(titles, rows, width) for line in lines]


def blocks(titles: Sequence[str], rows: Sequence[Sequence[Text]], width: int | None) -> list[list[Text]]:
    """The same, as the lines of each row; the titles are the first."""
    cells = [[text((title, QUIET)) for title in titles], *rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    fitting = _fitting([*widths[:-1], len(titles[-1])], width)
    return [_lines(row, widths, fitting, width) for row in cells]


def _fitting(widths: Sequence[int], width: int | None) -> int:
    """How many columns have room beside each other, at least one."""
    ends = [sum(widths[:number]) + 2 * (number - 1) for number in range(1, len(widths) + 1)]
    return max(1, sum(width is None or end <= width for end in ends))


def _lines(row: Sequence[Text], widths: Sequence[int], fitting: int, width: int | None) -> list[Text]:
    line = _aligned(row[:fitting], widths)
    if width and fitting == len(row) > 1 and line.cell_len > width:
        fitting -= 1
        line = _aligned(row[:fitting], widths)
    rest = _aligned(row[fitting:], widths[fitting:])
    return [line, Text("  ").append_text(rest)] if rest.cell_len else [line]


def _aligned(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, wanted in zip(row, widths, strict=False):
        line.append_text(cell)
        line.append(" " * (wanted - cell.cell_len + 2))
    line.rstrip()
    return line


def indented(lines: Sequence[Text], by: int) -> list[Text]:
    """The same lines, moved to the right."""
    return [Text(" " * by).append_text(line) for line in lines]
