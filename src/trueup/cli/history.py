"""``trueup history``: what was done, newest first."""

import click

from trueup.cli.layout import text
from trueup.cli.session import Session
from trueup.cli.shapes import run_list
from trueup.cli.texts.history import history_lines
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.source import Repository


@verb("history", outputs=("text", "json"))
@argument("name", "The application; left out: all.", required=False, default="")
@click.option("--limit", metavar="N", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many runs.")
@click.option("--before", metavar="RUN", default="", help="Only runs before this one: the next page.")
def command(session: Session, name: str, limit: int, before: str) -> int:
    """The runs of an application, or of all: at which commit, why, by whom, how they ended and what was done."""

    async def walk(engine: Engine, repository: Repository) -> int:
        runs = await engine.history(repository, name, before, limit)
        following = runs[-1].id if len(runs) == limit else ""
        if session.output == "json":
            session.views.show_document(run_list(runs, following))
        else:
            session.views.show(history_lines(runs, following, session.views.width) if runs else [text(_nothing(name))])
        return 0

    return session.run(walk)


def _nothing(name: str) -> str:
    return f"no runs of {name} are remembered" if name else "no runs are remembered"
