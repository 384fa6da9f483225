"""``trueup plan``: what would change; nothing is changed."""

from collections.abc import Sequence

import click

from trueup.cli.markdown import plan_markdown
from trueup.cli.nothing import nothing_to_do
from trueup.cli.session import Session
from trueup.cli.shapes import plan_list
from trueup.cli.texts.plan import plan_lines
from trueup.cli.verb import selecting, verb
from trueup.engine.requests import Engine
from trueup.model.errors import TrueupError, UsageError
from trueup.model.plan import Plan
from trueup.model.selection import Selection
from trueup.model.source import Repository

CHANGES = 2


@verb("plan", outputs=("text", "json", "markdown"))
@click.option("--revision", metavar="REV", default="", help="A commit; left out: the head of the followed branch.")
@selecting(everything=True)
@click.option("--working-tree", is_flag=True, help="The files as they lie on disk instead of a commit.")
def command(session: Session, selection: Selection, revision: str, working_tree: bool) -> int:
    """Say, for every object and field, what would change at the target, and why. Nothing is changed.

    Without --app: the applications whose desired revision or drift is open. Exits with 2 when there are changes, held or not, and with 1
    when some could not be planned; the others are shown all the same.
    """
    if revision and working_tree:
        raise UsageError("--revision and --working-tree exclude each other", hint="leave one of them out")

    async def walk(engine: Engine, repository: Repository) -> int:
        tree = await session.working_tree() if working_tree else None
        plans: list[Plan] = []
        problem: TrueupError | None = None
        try:
            async for each in engine.plan(repository, selection, revision, tree):
                plans.append(each)  # noqa: PERF401 - what could be planned is told also when something stood in the way of others
        except TrueupError as error:
            problem = error
        if not plans and problem is None and session.output == "text":
            session.views.show(await nothing_to_do(engine, repository))
        elif plans or problem is None:
            _show(session, plans, selection.everything)
        if problem is not None:
            raise problem
        return CHANGES if any(not plan.empty for plan in plans) else 0

    return session.run(walk)


def _show(session: Session, plans: Sequence[Plan], everything: bool) -> None:
    if session.output == "json":
        session.views.show_document(plan_list(plans, everything))
    elif session.output == "markdown":
        session.views.show_raw(plan_markdown(plans, everything))
    else:
        session.views.show(plan_lines(plans, everything))
