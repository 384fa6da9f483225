"""``trueup hold``: keep an application as it is."""

import click

from trueup.cli.layout import text
from trueup.cli.session import Session
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.source import Repository


@verb("hold")
@argument("name", "The application.")
@click.option("--reason", metavar="TEXT", default="", help="Why; whoever asks for the status reads it.")
def command(session: Session, name: str, reason: str) -> int:
    """Keep an application as it is: nothing is applied to it and no drift is healed until `trueup release NAME`."""

    async def walk(engine: Engine, repository: Repository) -> int:
        await engine.pause(repository, name, reason, session.actor)
        session.views.tell([text(f"{name} is held until `trueup release {name}`")])
        return 0

    return session.run(walk)
