"""What runs Pods: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob."""

from typing import Final

from trueup.model.health import Health, State
from trueup.runtimes.kubernetes.health.seen import Seen, line

NO_DEADLINE: Final = 2**31 - 1
"""A Deployment with this deadline, or none, gets no Progressing condition."""

_HEALTHY: Final = Health(State.HEALTHY)


def deployment(seen: Seen) -> Health:
    """Every replica is there, updated, available and ready, and none is too many."""
    if seen.at("spec", "paused") is True:
        return Health(State.SUSPENDED, "it is paused")
    progress = seen.condition("Progressing")
    if progress.reason == "ProgressDeadlineExceeded":
        return Health(State.DEGRADED, _with("it made no progress within its deadline", progress.message))
    wanted, there = seen.number("spec", "replicas", default=1), seen.number("status", "replicas")
    updated, available = seen.number("status", "updatedReplicas"), seen.number("status", "availableReplicas")
    ready = seen.number("status", "readyReplicas")
    lacking = (
        _fewer(there, wanted, "are there")
        or _fewer(updated, wanted, "are updated")
        or _ending(there - wanted)
        or _fewer(available, updated, "are available")
        or _fewer(ready, wanted, "are ready")
        or _unsettled(seen)
    )
    return _progressing(seen, lacking) if lacking else _HEALTHY


def stateful_set(seen: Seen) -> Health:
    """Every replica is there and ready, and all (with a partition: those above it) are of the newest revision."""
    if seen.text("spec", "updateStrategy", "type") == "OnDelete":
        return _HEALTHY
    wanted, there = seen.number("spec", "replicas", default=1), seen.number("status", "replicas")
    lacking = (
        _fewer(there, wanted, "are there")
        or _fewer(seen.number("status", "readyReplicas"), wanted, "are ready")
        or _ending(there - wanted)
        or _unrolled(seen, wanted)
    )
    return _progressing(seen, lacking) if lacking else _HEALTHY


def daemon_set(seen: Seen) -> Health:
    """Every node that should have a Pod has one that is updated, available and ready."""
    if not seen.number("metadata", "generation") or not seen.number("status", "observedGeneration"):
        return Health(State.PROGRESSING, "it is not observed yet")
    wanted = seen.number("status", "desiredNumberScheduled", default=-1)
    if wanted < 0:
        return Health(State.PROGRESSING, "the number of its nodes is not known yet")
    lacking = (
        _fewer(seen.number("status", "currentNumberScheduled"), wanted, "are scheduled")
        or _fewer(seen.number("status", "updatedNumberScheduled"), wanted, "are updated")
        or _fewer(seen.number("status", "numberAvailable"), wanted, "are available")
        or _fewer(seen.number("status", "numberReady"), wanted, "are ready")
    )
    return _progressing(seen, lacking) if lacking else _HEALTHY


def replica_set(seen: Seen) -> Health:
    """Every replica is there, available and ready, and none is too many."""
    wanted = seen.number("spec", "replicas", default=1)
    lacking = (
        ("Pods cannot be made" if seen.condition("ReplicaFailure").true else "")
        or _fewer(seen.number("status", "fullyLabeledReplicas"), wanted, "are labelled")
        or _fewer(seen.number("status", "availableReplicas"), wanted, "are available")
        or _fewer(seen.number("status", "readyReplicas"), wanted, "are ready")
        or _ending(seen.number("status", "replicas") - wanted)
    )
    return _progressing(seen, lacking) if lacking else _HEALTHY


def job(seen: Seen) -> Health:
    """Healthy once it is complete."""
    if seen.condition("Complete").true:
        return _HEALTHY
    if (failed := seen.condition("Failed")).true:
        return Health(State.DEGRADED, _with("it failed", failed.words))
    if seen.condition("Suspended").true or seen.at("spec", "suspend") is True:
        return Health(State.SUSPENDED, "it is suspended")
    if not seen.text("status", "startTime"):
        return Health(State.PROGRESSING, "it has not started")
    counts = [(name, seen.number("status", name)) for name in ("active", "succeeded", "failed")]
    return Health(State.PROGRESSING, _with("it runs", ", ".join(f"{count} {name}" for name, count in counts if count)))


def cron_job(seen: Seen) -> Health:
    """Always healthy: what its Jobs come to is theirs to tell."""
    return Health(State.HEALTHY, "its schedule is suspended") if seen.at("spec", "suspend") is True else _HEALTHY


def _fewer(have: int, wanted: int, are: str) -> str:
    return f"{have} of {wanted} replicas {are}" if have < wanted else ""


def _ending(extra: int) -> str:
    return f"{extra} old {'replica has' if extra == 1 else 'replicas have'} yet to end" if extra > 0 else ""


def _unsettled(seen: Seen) -> str:
    """The counts are right, but the controller does not say so yet."""
    progress, deadline = seen.condition("Progressing"), seen.number("spec", "progressDeadlineSeconds", default=NO_DEADLINE)
    if deadline != NO_DEADLINE and not (progress.true and progress.reason == "NewReplicaSetAvailable"):
        return "its new ReplicaSet is not available yet"
    return "" if seen.condition("Available").true else "it is not available yet"


def _unrolled(seen: Seen, wanted: int) -> str:
    partition = seen.at("spec", "updateStrategy", "rollingUpdate", "partition")
    updated = seen.number("status", "updatedReplicas")
    if isinstance(partition, int) and not isinstance(partition, bool):
        return _fewer(updated, wanted - partition, "above the partition are updated")
    if short := _fewer(seen.number("status", "currentReplicas"), wanted, "are current"):
        return short
    newest = seen.text("status", "updateRevision")
    return f"its Pods are not yet of revision {newest}" if seen.text("status", "currentRevision") != newest else ""


def _progressing(seen: Seen, lacking: str) -> Health:
    failure = seen.condition("ReplicaFailure")
    return Health(State.PROGRESSING, _with(lacking, failure.message if failure.true else ""))


def _with(words: str, more: str) -> str:
    return line(f"{words}: {more}" if more else words)
