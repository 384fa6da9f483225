"""``trueup why``: which commit, file and line set an object or one field of it."""

import click

from trueup.cli.session import Session
from trueup.cli.shapes import why_document
from trueup.cli.texts.why import why_lines
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.source import Repository


@verb("why", outputs=("text", "json"))
@argument("name", "The application.")
@argument("key", "The object: Kind/name, or the whole key where that is ambiguous.")
@argument("field", "Its field: spec.containers[name=web].image, or a JSON pointer.", required=False, default="")
@click.option(
    "--depth", metavar="N", type=click.IntRange(1), default=200, show_default=True, help="How many commits are looked at, at most."
)
def command(session: Session, name: str, key: str, field: str, depth: int) -> int:
    """Why an object, or one FIELD of it, is as it is: the commit, author, file and line that set it, the run that applied it, and who
    changed it since.
    """

    async def walk(engine: Engine, repository: Repository) -> int:
        with session.views.counting("commits looked at") as counting:
            why = await engine.why(repository, name, key, field, depth, counting.move)
        if session.output == "json":
            session.views.show_document(why_document(why))
        else:
            session.views.show(why_lines(why))
        return 0

    return session.run(walk)
