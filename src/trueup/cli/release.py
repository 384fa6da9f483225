"""``trueup release``: let go of what is held."""

import click
from rich.text import Text

from trueup.cli.layout import text
from trueup.cli.session import Session
from trueup.cli.texts.waiting import waiting_lines
from trueup.cli.verb import argument, verb
from trueup.engine.requests import Engine
from trueup.model.errors import UsageError
from trueup.model.source import Repository


@verb("release")
@argument("name", "The application.", required=False, default="")
@click.option("--repository", "whole", is_flag=True, help="What holds the whole repository: a rewritten branch, an unsigned commit.")
def command(session: Session, name: str, whole: bool) -> int:
    """Let go of an application that is paused or whose revision is held back as bad, or of a whole repository; and of what an application
    has left at a target that Git no longer names and that does not answer.

    A plan that waits for approval is let go with `trueup approve`.
    """
    expect_one(name, whole)

    async def walk(engine: Engine, repository: Repository) -> int:
        released = await engine.release(repository, name, session.actor)
        what = name or "the repository"
        if released:
            session.views.tell([text("released:"), *waiting_lines(released), *what_next(engine.serving(), name)])
        else:
            session.views.tell([text(f"nothing holds {what}")])
        return 0

    return session.run(walk)


def expect_one(name: str, whole: bool) -> None:
    """Raises UsageError unless exactly one of an application and the whole repository is named."""
    if bool(name) == whole:
        raise UsageError("name either an application or --repository", hint="`trueup status` lists the applications")


def what_next(served: bool, name: str) -> list[Text]:
    """Who goes on now: a serve does by itself, else somebody has to."""
    return [] if served else [text(f"next: trueup apply{f' --app {name}' if name else ''}")]
