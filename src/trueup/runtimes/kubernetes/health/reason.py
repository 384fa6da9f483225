"""What belongs to a workload (Pods, ReplicaSets, Events) -> why it is not healthy, in one line."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from trueup.model.health import State
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.health.pods import pod
from trueup.runtimes.kubernetes.health.seen import Seen, line, moment


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
