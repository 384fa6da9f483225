"""Pods, and what their containers say of why."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from trueup.model.health import Health, State
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.health.seen import Seen, line, moment, number_of, text_of

SCHEDULING: Final = timedelta(seconds=15)
"""How long a Pod may be without a node before that is a fault."""

HOPELESS: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Why a container waits for what never comes; so does whatever backs off."""


def pod(seen: Seen) -> Health:
    """Healthy when it is ready, or ended well."""
    phase = seen.text("status", "phase")
    if phase == "Succeeded":
        return Health(State.HEALTHY)
    if phase == "Failed":
        return Health(State.DEGRADED, line(f"it failed: {_failure(seen)}"))
    if phase == "Running" and seen.condition("Ready").true:
        return Health(State.HEALTHY)
    if stuck := next((words for words in map(_stuck, _containers(seen)) if words), ""):
        return Health(State.DEGRADED, line(stuck))
    if phase == "Unknown":
        return Health(State.UNKNOWN, "its node does not answer")
    if phase == "Pending":
        return _pending(seen)
    return Health(State.PROGRESSING, line(_unready(seen)) if phase == "Running" else "its node has not seen it yet")


def ended_container(seen: Seen) -> str:
    """The container that ended badly and left no message, so that only its log can say why; empty when there is none."""
    for container in _containers(seen):
        ends = [_state(container, place, "terminated") for place in ("state", "lastState")]
        end = next((each for each in ends if _ended(each)), {})
        if end and not text_of(end.get("message")).strip():
            return text_of(container.get("name"))
    return ""


def _pending(seen: Seen) -> Health:
    scheduled = seen.condition("PodScheduled")
    if scheduled.false and scheduled.reason == "Unschedulable":
        since = scheduled.since or moment(seen.at("metadata", "creationTimestamp"))
        late = since is None or seen.now - since > SCHEDULING
        return Health(State.DEGRADED if late else State.PROGRESSING, line(f"no node fits: {scheduled.message}".rstrip(": ")))
    waits = next((words for words in map(_waiting, _containers(seen)) if words), "")
    return Health(State.PROGRESSING, line(waits or "it starts"))


def _containers(seen: Seen) -> Iterator[Body]:
    yield from seen.items("status", "initContainerStatuses")
    yield from seen.items("status", "containerStatuses")


def _stuck(container: Body) -> str:
    """Why a container will not run by itself; empty when it may."""
    waiting = _state(container, "state", "waiting")
    reason = text_of(waiting.get("reason"))
    if not reason.endswith("BackOff") and reason not in HOPELESS:
        return ""
    ended = _ended(_state(container, "lastState", "terminated"))
    restarts = number_of(container.get("restartCount"))
    if ended:
        often = f", restarted {'once' if restarts == 1 else f'{restarts} times'}" if restarts else ""
        return f"container {_name(container)}: {reason} after it {ended}{often}"
    return _waiting(container)


def _waiting(container: Body) -> str:
    waiting = _state(container, "state", "waiting")
    reason, message = text_of(waiting.get("reason")), text_of(waiting.get("message"))
    # What every container goes through on its way is no reason.
    if reason in ("", "ContainerCreating", "PodInitializing"):
        return ""
    return f"container {_name(container)}: {reason}{f': {message}' if message else ''}"


def _unready(seen: Seen) -> str:
    for container in _containers(seen):
        if words := _waiting(container):
            return words
        if ended := _ended(_state(container, "state", "terminated")):
            return f"container {_name(container)} {ended}"
    words = seen.condition("Ready").message
    return f"not ready: {words}" if words else "not ready"


def _failure(seen: Seen) -> str:
    if words := ": ".join(each for each in (seen.text("status", "reason"), seen.text("status", "message")) if each):
        return words
    for container in _containers(seen):
        if ended := _ended(_state(container, "state", "terminated")):
            return f"container {_name(container)} {ended}"
    return "nothing says why"


def _ended(terminated: Body) -> str:
    """How a container ended, when it did not end well."""
    code = number_of(terminated.get("exitCode"))
    reason, message = text_of(terminated.get("reason")), text_of(terminated.get("message"))
    if not code and reason in ("", "Completed"):
        return ""
    # `Error` is what every exit code but 0 is called.
    named = f" ({reason})" if reason not in ("", "Error") else ""
    return f"ended with exit code {code}{named}{f': {message.strip()}' if message.strip() else ''}"


def _state(container: Body, *path: str) -> Body:
    value: object = container
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _name(container: Body) -> str:
    return text_of(container.get("name")) or "?"
