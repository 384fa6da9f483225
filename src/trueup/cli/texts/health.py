"""The health of objects -> a table, and one error when some are degraded."""

from collections.abc import Sequence

from rich.text import Text

from trueup.cli.layout import LOUD, count, table, text, word
from trueup.model.errors import Refused, TrueupError
from trueup.model.health import ObjectHealth, State

TITLES = ("OBJECT", "HEALTH", "MESSAGE")


def health_lines(objects: Sequence[ObjectHealth], width: int | None) -> list[Text]:
    """One line for each object."""
    if not objects:
        return [text("no objects")]
    rows = [[text((str(each.key), LOUD)), text(word(each.state.value)), text(each.message)] for each in objects]
    return table(TITLES, rows, width)


def health_complaints(objects: Sequence[ObjectHealth]) -> list[TrueupError]:
    """One error for all that are degraded."""
    degraded = [each for each in objects if each.state is State.DEGRADED]
    if not degraded:
        return []
    first = degraded[0]
    others = f" (and {count(len(degraded) - 1, 'more object')})" if len(degraded) > 1 else ""
    return [Refused(f"{first.key} is degraded{f': {first.message}' if first.message else ''}{others}")]
