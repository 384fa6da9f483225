"""Runs -> a table, newest first, with what a run says of itself below it."""

from collections.abc import Sequence

from rich.text import Text

from trueup.cli.layout import LOUD, QUIET, blocks, duration, moment, short, text, word
from trueup.model.run import Run, RunState

TITLES = ("RUN", "APPLICATION", "STATE", "HEALTH", "REVISION", "TRIGGER", "STARTED", "TOOK", "BY", "SUBJECT")


def history_lines(runs: Sequence[Run], following: str, width: int | None) -> list[Text]:
    """One line for each run. ``following`` is the id to go on from; empty when there are no more."""
    head, *rows = blocks(TITLES, [_row(run) for run in runs], width)
    lines = [*head]
    for run, row in zip(runs, rows, strict=True):
        lines += row
        if run.message and run.state is not RunState.SUCCEEDED:
            lines.append(text("  ", (run.message, QUIET)))
    return [*lines, text((f"more: --before {following}", QUIET))] if following else lines


def _row(run: Run) -> list[Text]:
    took = duration((run.finished_at - run.started_at).total_seconds()) if run.finished_at else "-"
    cells = (
        word(run.state.value),
        word(run.health.state.value),
        short(run.revision) + ("" if run.revision_exact else "?"),
        run.trigger.value,
        moment(run.started_at),
        took,
        run.author if run.actor in ("", "trueup") else run.actor,
        run.subject,
    )
    return [text(run.id), text((run.application, LOUD)), *(text(cell) for cell in cells)]
