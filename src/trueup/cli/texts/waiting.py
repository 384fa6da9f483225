"""Holds -> lines."""

from collections.abc import Sequence

from rich.text import Text

from trueup.cli.layout import LOUD, QUIET, WAITING, short, text
from trueup.model.memory import Waiting


def waiting_lines(holds: Sequence[Waiting]) -> list[Text]:
    """One line for each hold: what waits, why, and what an approval would be for."""
    return [_line(hold) for hold in holds]


def _line(hold: Waiting) -> Text:
    pieces: list[str | tuple[str, str]] = [(hold.application or "the repository", LOUD)]
    if hold.target:
        pieces.append(f" on {hold.target}")
    pieces += [": ", (hold.kind, WAITING)]
    if hold.reason:
        pieces.append(f", {hold.reason}")
    details = [f"revision {short(hold.revision)}"] if hold.revision else []
    details += [f"digest {hold.digest}"] if hold.digest else []
    details += [f"by {hold.actor}"] if hold.actor else []
    if details:
        pieces.append((f"  ({', '.join(details)})", QUIET))
    return text(*pieces)
