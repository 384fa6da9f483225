"""A version that gave way to the one before: it is not tried again by itself, for each try stops what runs."""

from datetime import UTC, datetime

from trueup.model.contracts import Desired
from trueup.model.manifest import digest_of
from trueup.model.wire import time_text
from trueup.runtimes.compose.look import Deed, Look, ServiceLook
from trueup.runtimes.compose.record import Record, Setback
from trueup.runtimes.compose.updating import GaveWay

_FELT = (Deed.RECREATE, Deed.RESTART)


def refuse_again(record: Record, desired: Desired, look: Look) -> None:
    """Raises GaveWay for what was tried at this very revision, unless a person asks anew, or nothing runs that would be stopped."""
    setback = record.setback(look.key)
    if setback is None or not isinstance(look, ServiceLook) or not _stops_something(look):
        return
    asked_anew = desired.by_hand and setback.run != desired.run
    if asked_anew or (setback.version, setback.revision) != (_version_of(desired, look), desired.revision):
        return
    raise GaveWay(f"{setback.message} (tried at {setback.at}, and again only for a new commit or with `trueup apply`)", key=str(look.key))


def setback_of(desired: Desired, look: Look, message: str) -> Setback:
    """What is remembered of a version that gave way just now."""
    now = time_text(datetime.now(UTC))
    return Setback(look.key, _version_of(desired, look), desired.revision, desired.run, message, now)


def _stops_something(look: ServiceLook) -> bool:
    return any(step.deed in _FELT and step.container is not None and step.container.runs for step in look.steps)


def _version_of(desired: Desired, look: Look) -> str:
    """Names what was tried: what Git says, and the image as it was then."""
    manifest = next(each for each in desired.manifests if each.key == look.key)
    image = look.image.identity if isinstance(look, ServiceLook) and look.image else ""
    return digest_of([manifest.digest, image])
