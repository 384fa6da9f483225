"""The built-in kinds and how each is judged."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from trueup.model.health import Health, State
from trueup.runtimes.kubernetes.health import workloads
from trueup.runtimes.kubernetes.health.pods import pod
from trueup.runtimes.kubernetes.health.seen import Condition, Seen, line, objects, text_of

_HEALTHY: Final = Health(State.HEALTHY)

METRICS: Final = timedelta(minutes=5)
"""How long an autoscaler may be without metrics before that is a fault: Pods that have just started have none."""

_WITHOUT_METRICS: Final = frozenset(
    {
        ("ScalingActive", "FailedComputeMetricsReplicas"),
        ("ScalingActive", "FailedGetExternalMetric"),
        ("ScalingActive", "FailedGetObjectMetric"),
        ("ScalingActive", "FailedGetPodsMetric"),
        ("ScalingActive", "FailedGetResourceMetric"),
    }
)
_NOT_SCALING: Final = _WITHOUT_METRICS | {
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "InvalidSelector"),
}


def service(seen: Seen) -> Health:
    """A load balancer has its address; every other Service is healthy as it is."""
    if seen.text("spec", "type") != "LoadBalancer":
        return _HEALTHY
    if not seen.text("spec", "clusterIP"):
        return Health(State.PROGRESSING, "it has no cluster IP yet")
    return _addressed(seen, "its load balancer has no address yet")


def ingress(seen: Seen) -> Health:
    """It has an address."""
    return _addressed(seen, "it has no address yet")


def volume_claim(seen: Seen) -> Health:
    """It is bound."""
    phase = seen.text("status", "phase")
    if phase == "Bound":
        return _HEALTHY
    if phase == "Lost":
        return Health(State.DEGRADED, "it lost its volume")
    if phase in ("", "Pending"):
        return Health(State.PROGRESSING, "it is not bound yet")
    return Health(State.UNKNOWN, f"its phase is {line(phase)}")


def autoscaler(seen: Seen) -> Health:
    """It is able to scale, and knows its metrics."""
    conditions = seen.conditions or _annotated_conditions(seen)
    for kind, condition in conditions.items():
        if (kind, condition.reason) in _NOT_SCALING:
            young = condition.since is not None and seen.now - condition.since <= METRICS
            waits = young and (kind, condition.reason) in _WITHOUT_METRICS
            return Health(State.PROGRESSING if waits else State.DEGRADED, condition.words)
    if any(kind in ("AbleToScale", "ScalingLimited") and condition.true for kind, condition in conditions.items()):
        return _HEALTHY
    return Health(State.PROGRESSING, "it has not scaled yet")


def api_service(seen: Seen) -> Health:
    """The API server reaches what serves it."""
    available = seen.condition("Available")
    if available.true:
        return _HEALTHY
    return Health(State.PROGRESSING, available.words or "it is not available yet")


def definition(seen: Seen) -> Health:
    """A CustomResourceDefinition whose kind can be used."""
    names, established = seen.condition("NamesAccepted"), seen.condition("Established")
    if names.false:
        return Health(State.DEGRADED, names.words or "its names are taken")
    if established.false and established.reason != "Installing":
        return Health(State.DEGRADED, established.words or "it is not established")
    return _HEALTHY if established.true else Health(State.PROGRESSING, "it is not established yet")


def always(seen: Seen) -> Health:
    """Healthy as soon as it is there."""
    return _HEALTHY


KINDS: Final[Mapping[str, Callable[[Seen], Health]]] = {
    "ConfigMap": always,
    "PersistentVolumeClaim": volume_claim,
    "Pod": pod,
    "Secret": always,
    "Service": service,
    "APIService.apiregistration.k8s.io": api_service,
    "CronJob.batch": workloads.cron_job,
    "CustomResourceDefinition.apiextensions.k8s.io": definition,
    "DaemonSet.apps": workloads.daemon_set,
    "DaemonSet.extensions": workloads.daemon_set,
    "Deployment.apps": workloads.deployment,
    "Deployment.extensions": workloads.deployment,
    "HorizontalPodAutoscaler.autoscaling": autoscaler,
    "Ingress.extensions": ingress,
    "Ingress.networking.k8s.io": ingress,
    "Job.batch": workloads.job,
    "PodDisruptionBudget.policy": always,
    "ReplicaSet.apps": workloads.replica_set,
    "ReplicaSet.extensions": workloads.replica_set,
    "StatefulSet.apps": workloads.stateful_set,
}
"""``Kind.group`` -> its rule."""


def _addressed(seen: Seen, otherwise: str) -> Health:
    addresses = seen.items("status", "loadBalancer", "ingress")
    return _HEALTHY if addresses else Health(State.PROGRESSING, otherwise)


def _annotated_conditions(seen: Seen) -> dict[str, Condition]:
    """Before version 2 the conditions of an autoscaler stood in an annotation."""
    try:
        entries = json.loads(seen.text("metadata", "annotations", "autoscaling.alpha.kubernetes.io/conditions") or "[]")
    except (ValueError, RecursionError):
        return {}
    return {
        text_of(each.get("type")): Condition(text_of(each.get("status")), text_of(each.get("reason")), text_of(each.get("message")))
        for each in objects(entries)
    }
