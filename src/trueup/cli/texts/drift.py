"""Objects that differ from what was last applied -> lines, by application."""

from collections.abc import Sequence
from itertools import groupby

from rich.text import Text

from trueup.cli.changes import change_lines
from trueup.cli.layout import LOUD, QUIET, WAITING, count, indented, text
from trueup.model.memory import Drifted
from trueup.model.run import Status


def drift_lines(drifts: Sequence[tuple[Status, Drifted]]) -> list[Text]:
    """Each drifted object with its fields, as a plan would show them: what is there -> what was applied."""
    if not drifts:
        return [text("no drift: every target is as it was last applied")]
    lines: list[Text] = []
    for (application, target), group in groupby(drifts, key=lambda each: (each[0].application, each[0].target)):
        lines += [text((application, LOUD), f" on {target}"), text()]
        for _, drifted in group:
            lines += indented(_drifted(drifted), 2)
        lines.append(text())
    applications = {(status.application, status.target) for status, _ in drifts}
    total = f"{count(len(drifts), 'object')} drifted in {count(len(applications), 'application')}"
    return [*lines, text(total, (" (what is there -> what was applied)", QUIET))]


def _drifted(drifted: Drifted) -> list[Text]:
    pieces: list[str | tuple[str, str]] = [("~ ", WAITING), (str(drifted.key), LOUD)]
    if drifted.by:
        pieces.append(f"  by {drifted.by}")
    if drifted.since:
        pieces.append((f"  since {drifted.since}", QUIET))
    return [text(*pieces), *indented(change_lines(drifted.changes, made=False), 4)]
