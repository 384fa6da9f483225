"""The plan that somebody is asked about -> that plan as it is now."""

from contextlib import suppress

from trueup.engine.requests import Engine
from trueup.model.errors import TrueupError
from trueup.model.plan import Plan
from trueup.model.selection import Selection
from trueup.model.source import Repository


async def held_plan(engine: Engine, repository: Repository, application: str, revision: str, digest: str) -> list[Plan]:
    """The plan of this digest; nothing when the world moved on.

    Where the application stands elsewhere too, a target there that does not answer keeps nobody from deciding on this one.
    """
    found: list[Plan] = []
    with suppress(TrueupError):
        async for each in engine.plan(repository, Selection((application,), everything=True), revision):
            found += [each] if each.digest == digest else []
    return found
