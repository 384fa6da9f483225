"""``trueup approve``: let a plan go that waits for a person."""

from collections.abc import Sequence

import click

from trueup.cli.held import held_plan
from trueup.cli.layout import text
from trueup.cli.release import expect_one, what_next
from trueup.cli.session import Session
from trueup.cli.texts.plan import plan_lines
from trueup.cli.texts.waiting import waiting_lines
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.errors import UsageError
from trueup.model.memory import Waiting
from trueup.model.source import Repository


@verb("approve")
@argument("name", "The application.", required=False, default="")
@click.option("--repository", "whole", is_flag=True, help="What waits for the whole repository: a commit that removes many applications.")
@click.option("--digest", metavar="D", default="", help="The plan that is approved, or the beginning of its digest.")
def command(session: Session, name: str, whole: bool, digest: str) -> int:
    """Approve a plan that deletes, replaces, adopts or waits for another reason. The approval is for this very plan: if the world moves, it
    ends.

    On a terminal the plan is shown and you are asked; elsewhere --digest is needed unless only one waits. Exits with 3 when you say no.
    """
    expect_one(name, whole)

    async def walk(engine: Engine, repository: Repository) -> int:
        wanted = _wanted([hold for hold in await engine.waiting(repository, name) if hold.application == name], name, digest)
        if session.views.asks and not digest and not await _agreed(session, engine, repository, wanted):
            session.views.tell([text("nothing was approved")])
            return 3
        approved = await engine.approve(repository, name, wanted.digest, session.actor)
        session.views.tell([text("approved:"), *waiting_lines([approved]), *what_next(engine.serving(), name)])
        return 0

    return session.run(walk)


def _wanted(holds: Sequence[Waiting], name: str, digest: str) -> Waiting:
    """The one that is meant. Raises UsageError when there is none, or several."""
    open_ones = [hold for hold in holds if hold.digest.startswith(digest) and (hold.kind == "approval" or not name)]
    if len(open_ones) == 1:
        return open_ones[0]
    what = name or "the repository"
    if open_ones:
        hint = f"name one with --digest: {', '.join(hold.digest for hold in open_ones)}"
        raise UsageError(f"{len(open_ones)} plans of {what} wait for approval", hint=hint)
    if digest:
        raise UsageError(f"no plan of {what} with this digest waits for approval", hint="`trueup plan` shows what waits now")
    raise UsageError(f"nothing of {what} waits for approval", hint="`trueup status` shows what is held, and why")


async def _agreed(session: Session, engine: Engine, repository: Repository, wanted: Waiting) -> bool:
    if wanted.application:
        shown = await held_plan(engine, repository, wanted.application, wanted.revision, wanted.digest)
        session.views.tell(plan_lines(shown, everything=False) if shown else waiting_lines([wanted]))
    else:
        session.views.tell(waiting_lines([wanted]))
    return session.views.ask("Approve this?")
