"""``trueup logs``: what an object says of itself."""

import click

from trueup.cli.session import Session
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.source import Repository


@verb("logs")
@argument("name", "The application.")
@argument("key", "The object: Kind/name.", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on until interrupted.")
def command(session: Session, name: str, key: str, follow: bool) -> int:
    """The log lines of an object, oldest first. KEY may be left out when only one object of the application keeps a log."""

    async def walk(engine: Engine, repository: Repository) -> int:
        async for line in engine.logs(repository, name, key, follow):
            session.views.show_log_line(line)
        return 0

    return session.run(walk)
