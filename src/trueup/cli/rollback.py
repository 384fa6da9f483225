"""``trueup rollback``: back to a good revision, with a commit in Git."""

from typing import Any

import click

from trueup.cli.session import Session
from trueup.cli.texts.rollback import rollback_lines
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.selection import Rollback
from trueup.model.source import Repository


@verb("rollback")
@argument("name", "The application.")
@click.option("--to", metavar="REV", default="", help="The revision to go back to; left out: the last one that was healthy.")
@click.option("--reason", metavar="TEXT", default="", help="Why; it stands in the commit's message.")
@click.option("--with-others", is_flag=True, help="Also when files of other applications change with it.")
@click.option("--pull-request", is_flag=True, help="Ask for a review instead of pushing to the branch.")
def command(session: Session, name: str, **options: Any) -> int:
    """Make one commit on top of the branch in which every file of the application is as it was at the good revision, push it, and hold the
    bad revision back so that no poll brings it in again.

    Exits with 3 where the commit is left to you: the bad revision is held, the good one is what runs.
    """
    request = Rollback(application=name, actor=session.actor, **options)

    async def walk(engine: Engine, repository: Repository) -> int:
        done = await engine.rollback(repository, request)
        session.views.show(rollback_lines(done))
        return 3 if done.bad and not done.commit else 0

    return session.run(walk)
