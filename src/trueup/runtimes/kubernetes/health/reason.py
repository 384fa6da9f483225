"""What belongs to a workload (Pods, ReplicaSets, Events) -> why it is not healthy, in one line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from trueup.model.health import State
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.health.pods import ended_container, pod
from trueup.runtimes.kubernetes.health.seen import Seen, line, moment


@dataclass(frozen=True, slots=True)
class Ended:
    """A container that ended badly and left no message. Its log may say why."""

    namespace: str
    pod: str
    container: str


def ended_in(children: Iterable[Body], now: datetime) -> Ended | None:
    """The container in which the reason lies, when the reason is that it ended."""
    pods = (Seen(child, now) for child in children if child.get("kind") == "Pod")
    first = next((each for each in pods if pod(each).state is State.DEGRADED), None)
    container = ended_container(first) if first else ""
    return Ended(first.text("metadata", "namespace"), _name(first), container) if first and container else None


def reason_of(children: Iterable[Body], now: datetime) -> str:
    """The best reason that the children give: a Pod that fails, what keeps Pods from being made, the last warning, a Pod that is not ready.
    Empty when they give none."""
    seen = [Seen(child, now) for child in children]
    pods = [(each, pod(each)) for each in seen if each.kind == "Pod"]
    failing = [f"Pod {_name(each)}: {health.message}" for each, health in pods if health.state is State.DEGRADED]
    waiting = [f"Pod {_name(each)}: {health.message}" for each, health in pods if health.state is State.PROGRESSING and health.message]
    return line(next(iter([*failing, *_failures(seen), *_warnings(seen), *waiting]), ""))


def _failures(children: list[Seen]) -> Iterator[str]:
    for each in children:
        if each.kind == "ReplicaSet.apps" and (failure := each.condition("ReplicaFailure")).true:
            yield failure.words


def _warnings(children: list[Seen]) -> list[str]:
    """The newest first."""
    events = [each for each in children if each.kind in ("Event", "Event.events.k8s.io") and each.text("type") == "Warning"]
    events.sort(key=_time, reverse=True)
    return [": ".join(part for part in (each.text("reason"), each.text("message") or each.text("note")) if part) for each in events]


def _time(event: Seen) -> float:
    times = [moment(event.at(*path)) for path in (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",))]
    at = next((time for time in times if time), None)
    return at.timestamp() if at else 0.0


def _name(seen: Seen) -> str:
    return seen.text("metadata", "name")
