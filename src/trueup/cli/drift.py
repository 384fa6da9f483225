"""``trueup drift``: what differs from what was last applied, though Git did not change."""

from trueup.cli.plan import CHANGES
from trueup.cli.session import Session
from trueup.cli.shapes import drift_list
from trueup.cli.texts.drift import drift_lines
from trueup.cli.verb import selecting, verb
from trueup.engine.requests import Engine
from trueup.model.errors import TrueupError
from trueup.model.memory import Drifted
from trueup.model.run import Status
from trueup.model.selection import Selection
from trueup.model.source import Repository


@verb("drift", outputs=("text", "json"))
@selecting(everything=False)
def command(session: Session, selection: Selection) -> int:
    """Objects that somebody or something changed at the target, field by field. Exits with 2 when there are any."""

    async def walk(engine: Engine, repository: Repository) -> int:
        drifts: list[tuple[Status, Drifted]] = []
        problem: TrueupError | None = None
        try:
            async for each in engine.drift(repository, selection):
                drifts.append(each)  # noqa: PERF401 - what was found is told also when something could not be looked up
        except TrueupError as error:
            problem = error
        if session.output == "json":
            session.views.show_document(drift_list(drifts))
        elif drifts or problem is None:
            session.views.show(drift_lines(drifts))
        if problem is not None:
            raise problem
        return CHANGES if drifts else 0

    return session.run(walk)
