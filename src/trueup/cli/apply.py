"""``trueup apply``: make it true, and wait until it is healthy."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from trueup.cli.held import held_plan
from trueup.cli.nothing import nothing_to_do
from trueup.cli.session import Session
from trueup.cli.shapes import run_list
from trueup.cli.texts.plan import plan_lines
from trueup.cli.texts.run import run_complaints, run_lines
from trueup.cli.texts.status import status_complaints
from trueup.cli.verb import selecting, verb
from trueup.cli.views import Progress
from trueup.engine.requests import Engine
from trueup.model.errors import Several, TrueupError, UsageError
from trueup.model.run import Run, RunState, Status, Sync
from trueup.model.selection import Order, Selection
from trueup.model.source import Repository

LARGEST_PLAN: Final = 256 * 1024**2
SILENCE: Final = 5.0
LONGEST_SILENCE: Final = 60.0
OPEN: Final = (Sync.PROGRESSING, Sync.OUT_OF_SYNC, Sync.UNKNOWN)


class PlannedApplication(msgspec.Struct):
    """As much of a plan as ``apply --plan`` needs."""

    application: str
    revision: str
    digest: str


class PlanFile(msgspec.Struct):
    """What ``plan -o json`` wrote."""

    kind: str
    items: list[PlannedApplication]


@verb("apply", outputs=("text", "json"))
@click.option("--revision", metavar="REV", default="", help="A commit that the followed branch contains; left out: its head.")
@selecting(everything=True)
@click.option(
    "--plan", "plan_file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True), help="Do exactly what `plan -o json` said."
)
@click.option("--yes", is_flag=True, help="Approve what would be held.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is healthy.")
def command(session: Session, selection: Selection, plan_file: Path | None, **options: Any) -> int:
    """Make the targets as Git says, and wait until what was applied is healthy or its time is over.

    Without --app: the applications whose desired revision or drift is open. What a policy holds waits; on a terminal the plan is shown
    and you are asked. With --plan, everything is planned again, and refused unless it is what the file says.

    Exits with 1 when one failed, is degraded or took too long, with 3 when one is held.
    """
    order = Order(revision=options["revision"], yes=options["yes"], wait=not options["no_wait"], actor=session.actor)
    if plan_file:
        selection, order = _planned(plan_file, selection, order)
        if not selection.names:
            _show(session, [])
            return 0
    return session.run(lambda engine, repository: _Applying(session, engine, repository).apply(selection, order))


class _Applying:
    """One apply: every run as it moves on, and a question for what is held."""

    def __init__(self, session: Session, engine: Engine, repository: Repository) -> None:
        self._session = session
        self._engine = engine
        self._repository = repository
        self._runs: dict[str, Run] = {}
        self._problems: list[TrueupError] = []

    async def apply(self, selection: Selection, order: Order) -> int:
        """The exit code."""
        await self._follow(selection, order)
        approved = await self._ask() if self._session.views.asks else []
        if approved:
            await self._follow(Selection(tuple(approved), everything=True), order)
        runs = sorted(self._runs.values(), key=lambda run: run.id, reverse=True)
        if not runs and not self._problems:
            self._note(await self._standing(selection))
        if runs or self._session.output == "json":
            _show(self._session, runs)
        elif not self._problems:
            self._session.views.show(await nothing_to_do(self._engine, self._repository))
        return self._tell(_last(runs))

    async def _standing(self, selection: Selection) -> Sequence[TrueupError]:
        """What is not well though nothing is left to do: a serve that was quicker has tried it already."""
        remembered = await self._engine.remembered(self._repository, selection)
        names = tuple(status.application for status in remembered if status_complaints([status]))
        if not names:
            return ()
        return status_complaints(await self._engine.statuses(self._repository, Selection(names, everything=True)))

    def _tell(self, runs: Sequence[Run]) -> int:
        complaints = [*self._problems, *run_complaints(runs)]
        self._session.views.tell_complaints(complaints)
        return worst_code(complaints)

    async def _follow(self, selection: Selection, order: Order) -> None:
        with self._session.views.progress() as progress:
            waiting = asyncio.create_task(self._tell_what_waits(selection, progress))
            try:
                async for run in self._engine.apply(self._repository, selection, order):
                    self._runs[run.id] = run
                    progress.move(run)
            except TrueupError as error:  # it comes after everything else was done, and is told with the runs
                self._note(error.errors if isinstance(error, Several) else (error,))
            finally:
                waiting.cancel()

    def _note(self, problems: Sequence[TrueupError]) -> None:
        """Problems, each once: what stood in the way of others still does after somebody was asked."""
        known = {(type(each), each.message, each.where) for each in self._problems}
        self._problems += [each for each in problems if (type(each), each.message, each.where) not in known]

    async def _tell_what_waits(self, selection: Selection, progress: Progress) -> None:
        """A target that does not answer begins no run, and one that is not healthy yet has no news: say so now and then, to who waits."""
        pause, told = SILENCE, set[Status]()
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_SILENCE)
            news = [each for each in await self._open_ones(selection) if each not in told]
            told.update(news)
            for each in news:
                progress.wait(each)

    async def _open_ones(self, selection: Selection) -> list[Status]:
        try:
            statuses = await self._engine.remembered(self._repository, selection)
        except TrueupError:  # whoever walks tells it
            return []
        return [each for each in statuses if each.sync in OPEN and each.message]

    async def _ask(self) -> list[str]:
        """Show each plan that waits for approval and ask; the applications whose plans were approved."""
        views = self._session.views
        approved = []
        for run in _last(list(self._runs.values())):
            if run.state is not RunState.HELD or not run.hold or run.hold.kind != "approval" or not run.plan:
                continue
            plans = await held_plan(self._engine, self._repository, run.application, run.revision, run.plan)
            views.tell(plan_lines(plans, everything=False))
            if views.ask(f"Apply this to {run.target}?"):
                await self._engine.approve(self._repository, run.application, run.plan, self._session.actor)
                approved.append(run.application)
        return approved


def _planned(file: Path, selection: Selection, order: Order) -> tuple[Selection, Order]:
    """The plans of a file, of those applications that were selected. Raises UsageError for a file that is none, or of several revisions."""
    if order.revision:
        raise UsageError("--plan and --revision exclude each other", hint="the plan says of which revision it is")
    hint = "write it with `trueup plan -o json`"
    try:
        with click.open_file(str(file), "rb") as stream:
            planned = msgspec.json.decode(stream.read(LARGEST_PLAN), type=PlanFile)
    except OSError as error:
        raise UsageError(f"the plan cannot be read: {error.strerror}", where=str(file), hint=hint) from error
    except msgspec.MsgspecError as error:
        raise UsageError("this is no plan", where=str(file), hint=hint) from error
    if planned.kind != "PlanList":
        raise UsageError(f"this is no PlanList but {planned.kind}", where=str(file), hint=hint)
    chosen = [item for item in planned.items if not selection.names or item.application in selection.names]
    revisions = {item.revision for item in chosen}
    if len(revisions) > 1:
        raise UsageError("the plans are of several revisions", where=str(file), hint="plan again, with --revision or one --app")
    if any(not item.digest or not item.revision for item in chosen):
        raise UsageError("the plans have no digest or no revision", where=str(file), hint="plan a commit, without --working-tree")
    names = tuple(item.application for item in chosen)
    digests = tuple((item.application, item.digest) for item in chosen)
    return (
        Selection(names, selection.labels, everything=True),
        msgspec.structs.replace(order, revision=next(iter(revisions), ""), digests=digests),
    )


def _show(session: Session, runs: Sequence[Run]) -> None:
    if session.output == "json":
        session.views.show_document(run_list(runs))
    else:
        session.views.show(run_lines(_last(runs), session.views.width))


def _last(runs: Sequence[Run]) -> list[Run]:
    """The newest run of each application at each target."""
    newest: dict[tuple[str, str], Run] = {}
    for run in sorted(runs, key=lambda run: run.id):
        newest[run.application, run.target] = run
    return list(newest.values())


def worst_code(complaints: Sequence[TrueupError]) -> int:
    """1 when something failed, else 3 when something is held, else 0."""
    codes = {complaint.exit_code for complaint in complaints}
    return 1 if 1 in codes else max(codes, default=0)
