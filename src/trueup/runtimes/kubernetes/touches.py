"""Who changed an object since we wrote it: the managers of its fields, when they did it, and which fields."""

from collections.abc import Iterator

from trueup.model.contracts import Touch
from trueup.model.plan import Change
from trueup.runtimes.kubernetes.concealing import concealed, shown
from trueup.runtimes.kubernetes.fields import Managed, values
from trueup.runtimes.kubernetes.live import LiveObject

# What these write is the cluster at work, not a change that anybody made.
_CLUSTER = ("kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager")


def touches_of(live: LiveObject) -> tuple[Touch, ...]:
    """Every other hand than ours, the latest one last. Secrets do not show."""
    body = concealed(live.body)
    found = sorted(_others(live), key=lambda each: each.time)
    return tuple(Touch(each.manager, each.time, _changes(each, body)) for each in found)


def _changes(manager: Managed, body: dict[str, object]) -> tuple[Change, ...]:
    return tuple(Change(path, None, shown(value)) for path, value in values(manager.fields_v1, body).items())


def _others(live: LiveObject) -> Iterator[Managed]:
    return (each for each in live.managers if not each.ours and each.subresource != "status" and each.manager not in _CLUSTER)
