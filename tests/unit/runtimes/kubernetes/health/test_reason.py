"""Why a workload is not healthy, from what belongs to it."""

from datetime import UTC, datetime
from typing import Any

from trueup.runtimes.kubernetes.health import Ended, ended_in, reason_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def pod(name: str, waiting: str, phase: str = "Pending") -> dict[str, Any]:
    status = {"phase": phase, "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": waiting}}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "status": status}


def crashed(**terminated: Any) -> dict[str, Any]:
    status = {"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": terminated}}
    return {**pod("web-2", ""), "metadata": {"name": "web-2", "namespace": "shop"}, "status": {"containerStatuses": [status]}}


def event(reason: str, at: str, kind: str = "Warning", **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Event", "type": kind, "reason": reason, "message": "m", "lastTimestamp": at, **more}


REFUSED = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web-1"},
    "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}]},
}
WAITING = pod("web-0", "ErrImagePull")
WARNING = event("BackOff", "2026-11-28T11:59:00Z")


def test_a_pod_that_fails_is_the_best_reason() -> None:
    children = [WARNING, WAITING, REFUSED, pod("web-1", "ImagePullBackOff")]
    assert reason_of(children, NOW) == "Pod web-1: container web: ImagePullBackOff"


def test_what_keeps_pods_from_being_made_comes_next() -> None:
    assert reason_of([WARNING, WAITING, REFUSED], NOW) == "FailedCreate: quota"


def test_then_the_last_warning() -> None:
    older, normal = event("Older", "2026-11-28T11:00:00Z"), event("Pulled", "2026-11-28T12:00:00Z", "Normal")
    assert reason_of([older, WARNING, normal, WAITING], NOW) == "BackOff: m"


def test_an_event_of_the_new_api_counts_by_its_own_times() -> None:
    new = event("Newest", "", lastTimestamp=None, eventTime="2026-11-28T11:30:00Z", series={"lastObservedTime": "2026-11-28T11:59:30Z"})
    new = {**new, "apiVersion": "events.k8s.io/v1", "message": None, "note": "n"}
    assert reason_of([WARNING, new], NOW) == "Newest: n"


def test_then_a_pod_that_is_not_ready() -> None:
    assert reason_of([WAITING], NOW) == "Pod web-0: container web: ErrImagePull"


def test_what_is_well_is_no_reason() -> None:
    well = {"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    fine = {**REFUSED, "status": {"conditions": [{"type": "ReplicaFailure", "status": "False"}]}}
    assert reason_of([well, fine, {"kind": "Service", "apiVersion": "v1"}], NOW) == ""
    assert reason_of([], NOW) == ""


def test_the_log_of_a_container_that_ended_badly_may_say_more() -> None:
    assert ended_in([WAITING, crashed(exitCode=3, reason="Error")], NOW) == Ended("shop", "web-2", "web")
    assert reason_of([crashed(exitCode=3)], NOW) == "Pod web-2: container web: CrashLoopBackOff after it ended with exit code 3"


def test_who_left_a_message_needs_no_log_and_who_never_ran_has_none() -> None:
    assert ended_in([crashed(exitCode=3, message="no database")], NOW) is None
    assert ended_in([pod("web-1", "ImagePullBackOff"), WAITING, WARNING], NOW) is None
