"""Who gets a port of the host from whom: the one that has it goes first."""

from collections.abc import Iterable, Mapping

from trueup.model.manifest import Key
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.ports import conflicts
from trueup.runtimes.compose.scene import Scene


def givers(scene: Scene) -> dict[Key, tuple[Key, ...]]:
    """Each service that wants a port which another of the application has now -> those others."""
    found: dict[Key, tuple[Key, ...]] = {}
    for key in scene.manifests:
        service = scene.service(key)
        if service is not None and not service.stopped:
            others = {other: _running(there) for other, there in scene.containers.items() if other != key and other in scene.owned}
            found[key] = tuple(other for other, there in others.items() if conflicts(service.spec, there))
    return {key: others for key, others in found.items() if others}


def in_order(after: Mapping[Key, tuple[Key, ...]], key: Key, others: Iterable[Key]) -> dict[Key, tuple[Key, ...]]:
    """What comes after what, with one after these others too, as far as nobody then waits for himself."""
    ordered = dict(after)
    for other in others:
        if not _waits_for(ordered, other, key):
            ordered[key] = (*ordered[key], other)
    return ordered


def _running(containers: tuple[Container, ...]) -> list[Container]:
    return [each for each in containers if each.runs]


def _waits_for(after: Mapping[Key, tuple[Key, ...]], one: Key, other: Key) -> bool:
    """Whether one comes after the other, directly or not."""
    waiting, seen = [one], set()
    while waiting:
        key = waiting.pop()
        if key == other:
            return True
        if key not in seen:
            seen.add(key)
            waiting += after.get(key, ())
    return False
