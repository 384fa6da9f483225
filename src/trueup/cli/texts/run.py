"""Runs as they move on -> lines of progress, and the lines that are left at the end."""

from collections.abc import Sequence

from rich.text import Text

from trueup.cli.layout import BAD, GOOD, LOUD, QUIET, WAITING, duration, short, table, text, word
from trueup.cli.texts.plan import lifting
from trueup.model.errors import Held, Refused, TrueupError
from trueup.model.plan import Verb
from trueup.model.run import Outcome, Run, RunState, Status

SIGNS = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.REPLACE: "-/+", Verb.ADOPT: "<", Verb.DELETE: "-", Verb.UNCHANGED: "="}
TITLES = ("APPLICATION", "TARGET", "STATE", "HEALTH", "REVISION", "DONE", "TOOK", "MESSAGE")


def progress_lines(before: Run | None, run: Run) -> list[Text]:
    """What is new in a run since it was told last."""
    lines = [] if before else [_line(run, f"applying {short(run.revision)} to {run.target}")]
    told = {(outcome.key, outcome.verb): outcome for outcome in before.outcomes} if before else {}
    lines += [_outcome(run, each) for each in run.outcomes if told.get((each.key, each.verb)) != each]
    if run.state is not RunState.RUNNING and (before is None or before.state is RunState.RUNNING):
        lines.append(_line(run, word(run.state.value), *([f": {run.message}"] if run.message else [])))
    elif run.message and run.message != (before.message if before else ""):
        lines.append(_line(run, run.message))
    elif run.health.message and run.health.message != (before.health.message if before else ""):
        lines.append(_line(run, word(run.health.state.value), f": {run.health.message}"))
    return lines


def _line(run: Run, *pieces: str | tuple[str, str]) -> Text:
    return text((f"{run.application}: ", LOUD), *pieces)


def _outcome(run: Run, outcome: Outcome) -> Text:
    style = {"done": GOOD, "failed": BAD, "skipped": QUIET}.get(outcome.state, "")
    reason = f": {outcome.message}" if outcome.message else ""
    return _line(
        run,
        (f"{SIGNS[outcome.verb]} ", style),
        str(outcome.key),
        " ",
        (outcome.state, style),
        reason,
        (f"  {duration(outcome.seconds)}", QUIET),
    )


def waiting_line(status: Status) -> Text:
    """Why an application is not done yet."""
    return text((f"{status.application}: ", LOUD), word(status.sync.value), f": {status.message}")


def present_line(run: Run) -> Text:
    """What a run that goes on is doing now, for the foot of a terminal."""
    done = sum(outcome.state == "done" for outcome in run.outcomes)
    now = run.message or run.health.message or "walking"
    return text((f"{run.application}  ", LOUD), (f"{done} done  ", QUIET), (now, WAITING))


def run_lines(runs: Sequence[Run], width: int | None) -> list[Text]:
    """One line for each run that was made, in the order of names."""
    if not runs:
        return [text("nothing to do: every application is as Git says")]
    return table(TITLES, [_row(run) for run in sorted(runs, key=lambda run: (run.application, run.target))], width)


def _row(run: Run) -> list[Text]:
    took = duration((run.finished_at - run.started_at).total_seconds()) if run.finished_at else "-"
    done = str(sum(outcome.state == "done" for outcome in run.outcomes))
    cells = (run.target, word(run.state.value), word(run.health.state.value), short(run.revision), done, took, run.message)
    return [text((run.application, LOUD)), *(text(cell) for cell in cells)]


def run_complaints(runs: Sequence[Run]) -> list[TrueupError]:
    """One error for each run that did not end well."""
    return [complaint for run in runs if (complaint := _complaint(run))]


def _complaint(run: Run) -> TrueupError | None:
    where = f"application {run.application} at {short(run.revision)}"
    if run.state is RunState.HELD:
        kind, reason = (run.hold.kind, run.hold.reason) if run.hold else ("held", run.message)
        hint = lifting(run.application, kind, run.plan)
        return Held(f"{run.application} is held: {reason}", kind=kind, where=where, hint=hint)
    if run.state is RunState.SUPERSEDED:
        return Refused(
            f"{run.application} was superseded by a newer revision", where=where, hint=f"`trueup status --app {run.application}`"
        )
    if run.state in (RunState.FAILED, RunState.ROLLED_BACK):
        reason = run.message or run.health.message or "it did not become healthy in time"
        return Refused(f"{run.application} failed: {reason}", where=where, hint=_mending(run))
    return None


def _mending(run: Run) -> str:
    worst = [each.key for each in run.health.objects if each.state is run.health.state]
    if worst and not any(outcome.state == "failed" for outcome in run.outcomes):
        return f"`trueup logs {run.application} {worst[0]}` shows what it says of itself"
    return f"`trueup plan --app {run.application}` shows what is left to do"
