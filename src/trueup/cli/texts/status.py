"""How applications stand -> a table, and for each one that needs somebody what is wrong and what to do."""

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from trueup.cli.layout import LOUD, short, table, text, word
from trueup.model.errors import Held, Refused, TrueupError
from trueup.model.health import State
from trueup.model.run import Status, Sync

_WAITS = "`trueup plan` shows what waits, and how to let it go"
TITLES = ("APPLICATION", "TARGET", "SYNC", "HEALTH", "REVISION", "MESSAGE")


def status_lines(statuses: Sequence[Status], width: int | None) -> list[Text]:
    """One line for each application."""
    if not statuses:
        return [text("no applications")]
    return table(TITLES, [_row(status) for status in statuses], width)


def _row(status: Status) -> list[Text]:
    revision = short(status.revision)
    if status.desired_revision and status.desired_revision != status.revision:
        revision += f" -> {short(status.desired_revision)}"
    cells = (status.target, word(status.sync.value), word(status.health.value), revision, status.message)
    return [text((status.application, LOUD)), *(text(cell) for cell in cells)]


def status_complaints(statuses: Sequence[Status]) -> list[TrueupError]:
    """One error for each application that is held, failed or degraded; one for all that are held for the same reason."""
    alike = Counter(status.message for status in statuses if status.sync is Sync.HELD)
    common = {message: count for message, count in alike.items() if message and count > 1}
    each = [_complaint(status) for status in statuses if not (status.sync is Sync.HELD and status.message in common)]
    return [
        *(Held(f"{count} applications are held: {message}", kind="held", hint=_WAITS) for message, count in common.items()),
        *(complaint for complaint in each if complaint),
    ]


def _failed(status: Status) -> str:
    shown = f"`trueup plan --app {status.application}` shows what stands in the way"
    return f"{shown}, `trueup history {status.application}` what was tried" if status.last_run else shown


def _complaint(status: Status) -> TrueupError | None:
    name = status.application
    reason = f": {status.message}" if status.message else ""
    if status.sync is Sync.FAILED:
        return Refused(f"{name} failed{reason}", hint=_failed(status))
    if status.health is State.DEGRADED:
        held = " and held" if status.sync is Sync.HELD else ""
        return Refused(f"{name} is degraded{held}{reason}", hint=f"`trueup logs {name}` shows what it says of itself")
    if status.sync is Sync.HELD:
        paused = status.message.startswith("paused")
        shown = f"`trueup release {name}` lets it go on" if paused else f"`trueup plan --app {name}` shows what waits, and how to let it go"
        return Held(f"{name} is held{reason}", kind="held", hint=shown)
    return None
