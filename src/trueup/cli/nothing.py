"""Why there is nothing to show: all is as Git says, or Git says nothing."""

from rich.text import Text

from trueup.cli.layout import text
from trueup.engine.requests import Engine
from trueup.model.selection import Selection
from trueup.model.source import Repository


async def nothing_to_do(engine: Engine, repository: Repository) -> list[Text]:
    """For who asked for what is to be done, and nothing is."""
    if await engine.remembered(repository, Selection(everything=True)):
        return [text("nothing to do: every application is as Git says")]
    return nothing_declared(repository)


def nothing_declared(repository: Repository) -> list[Text]:
    """For who asked about applications where there are none."""
    place = f"{repository.url}, below {repository.path}" if repository.path else repository.url
    return [text(f"no application is declared in {place}: `trueup init` writes one to begin with")]
