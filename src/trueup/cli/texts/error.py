"""Errors -> what, where and what next, in the look that every error has."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from trueup.cli.layout import BAD, QUIET, count, text
from trueup.model.errors import DeclarationError, Fault, TrueupError

MOST_FAULTS: Final = 50


def error_lines(error: TrueupError) -> list[Text]:
    """One error; a DeclarationError with all its faults."""
    if isinstance(error, DeclarationError):
        return fault_lines(error.faults)
    return _block(error.message, error.where, error.hint)


def fault_lines(faults: Sequence[Fault]) -> list[Text]:
    """Each fault with its place, an empty line between them; the first fifty."""
    lines: list[Text] = []
    for fault in faults[:MOST_FAULTS]:
        place = f"{fault.place}:{fault.column}" if fault.line and fault.column else fault.place
        lines += [text()] if lines else []
        lines += _block(fault.message, place, fault.hint)
    rest = len(faults) - MOST_FAULTS
    return [*lines, text(), text(f"and {count(rest, 'more fault')}")] if rest > 0 else lines


def complaint_lines(complaints: Sequence[TrueupError]) -> list[Text]:
    """Several errors, an empty line between them; the first fifty."""
    lines: list[Text] = []
    for complaint in complaints[:MOST_FAULTS]:
        lines += [text()] if lines else []
        lines += error_lines(complaint)
    rest = len(complaints) - MOST_FAULTS
    return [*lines, text(), text(f"and {rest} more")] if rest > 0 else lines


def _block(message: str, where: str, hint: str) -> list[Text]:
    first, *more = message.split("\n")
    lines = [text(("error: ", BAD), first), *(text(line) for line in more)]
    if where:
        lines.append(text((f"  --> {where}", QUIET)))
    return [*lines, text(), text(("hint: ", QUIET), hint)] if hint else lines
