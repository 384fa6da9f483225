"""``trueup status``: how every application stands."""

import asyncio
from collections.abc import Sequence
from typing import Final

import click

from trueup.cli.apply import worst_code
from trueup.cli.nothing import nothing_declared
from trueup.cli.session import Session
from trueup.cli.shapes import status_list
from trueup.cli.texts.status import status_complaints, status_lines
from trueup.cli.verb import selecting, verb
from trueup.engine.requests import Engine
from trueup.model.errors import UsageError
from trueup.model.run import Status
from trueup.model.selection import Selection
from trueup.model.source import Repository

PAUSE: Final = 2.0


@verb("status", outputs=("text", "json"))
@selecting(everything=False)
@click.option("--watch", is_flag=True, help="Look again and again, until interrupted.")
def command(session: Session, selection: Selection, watch: bool) -> int:
    """How every application stands to Git, how well it does, and what is wrong.

    Exits with 1 when one failed or is degraded, with 3 when one is held.
    """
    if watch and session.output == "json":
        raise UsageError("--watch shows no JSON", hint="`-o json` is one document: leave --watch out and ask again")

    async def walk(engine: Engine, repository: Repository) -> int:
        if watch:
            await _watch(session, engine, repository, selection)
        statuses = await engine.statuses(repository, selection)
        if not statuses and session.output == "text":
            session.views.show(nothing_declared(repository))
            return 0
        return _show(session, statuses)

    return session.run(walk)


async def _watch(session: Session, engine: Engine, repository: Repository, selection: Selection) -> None:
    with session.views.screen() as screen:
        while True:
            screen.show(status_lines(await engine.statuses(repository, selection), session.views.width))
            await asyncio.sleep(PAUSE)


def _show(session: Session, statuses: Sequence[Status]) -> int:
    if session.output == "json":
        session.views.show_document(status_list(statuses))
    else:
        session.views.show(status_lines(statuses, session.views.width))
    complaints = status_complaints(statuses)
    session.views.tell_complaints(complaints)
    return worst_code(complaints)
