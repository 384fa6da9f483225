"""Who gets a port of the host, an address or a name from whom: the one that has it goes first, and those that exchange go together."""

from collections.abc import Iterable, Mapping

from trueup.model.manifest import Key
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.ports import conflicts
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import Service

Givers = Mapping[Key, tuple[Key, ...]]
"""Each service that wants what others of the application have now, and only one can have -> those others."""


def givers(scene: Scene) -> Givers:
    """Who has what somebody else of the application is to have."""
    found: dict[Key, tuple[Key, ...]] = {}
    owned = set(scene.owned)
    running = {key: _running(there) for key, there in scene.containers.items() if key in owned}
    for key in scene.manifests:
        service = scene.service(key)
        if service is not None and not service.stopped:
            others = {other: there for other, there in running.items() if other != key}
            wanted = _wanted(scene, service)
            found[key] = tuple(
                other
                for other, there in others.items()
                if conflicts(service.spec, there) or any(not wanted.isdisjoint(_had(container)) for container in there)
            )
    return {key: others for key, others in found.items() if others}


def rings(giving: Givers, moving: Iterable[Key]) -> list[frozenset[Key]]:
    """Those among the moving that give to each other, directly or around: none of them can go first."""
    among = set(moving)
    moved = {key: tuple(other for other in others if other in among) for key, others in giving.items() if key in among}
    reached = {key: _reached(moved, key) for key in moved}
    found = {frozenset(other for other in others if key in reached.get(other, ())) for key, others in reached.items() if key in others}
    return sorted(found, key=sorted)


def in_time(waves: Mapping[Key, int], giving: Givers) -> dict[Key, int]:
    """The waves in which all go, so that nobody lets go of a port in a later wave than the one in which another gets it."""
    before: dict[Key, int] = {}
    early = dict(waves)
    while early != before:
        before = dict(early)
        for key, others in giving.items():
            early |= {other: min(early[other], early[key]) for other in others if other in early and key in early}
    return early


def in_order(after: Mapping[Key, tuple[Key, ...]], key: Key, others: Iterable[Key]) -> dict[Key, tuple[Key, ...]]:
    """What comes after what, with one after these others too, as far as nobody then waits for himself."""
    ordered = dict(after)
    for other in others:
        if not _waits_for(ordered, other, key):
            ordered[key] = (*ordered[key], other)
    return ordered


def at_once(after: Mapping[Key, tuple[Key, ...]], ring: frozenset[Key]) -> dict[Key, tuple[Key, ...]]:
    """What comes after what, with nobody of a ring after another one of it."""
    return {
        key: tuple(each for each in others if not (key in ring and any(_waits_for(after, each, other) for other in ring)))
        for key, others in after.items()
    }


def _wanted(scene: Scene, service: Service) -> set[tuple[str, str]]:
    """The names of a service's containers, and the addresses that it asks for, each with the name of its network."""
    names = scene.names("Network", service.project)
    asked = [(names.get(key, key), told or {}) for key, told in (service.spec.get("networks") or {}).items()]
    addresses = {(name, str(told[field])) for name, told in asked for field in ("ipv4_address", "ipv6_address") if told.get(field)}
    return addresses | {("", name) for name in service.names.values()}


def _had(container: Container) -> set[tuple[str, str]]:
    fields = ("IPAddress", "GlobalIPv6Address")
    addresses = {(name, str(told[field])) for name, told in container.networks.items() for field in fields if told.get(field)}
    return addresses | {("", container.name)}


def _running(containers: tuple[Container, ...]) -> list[Container]:
    return [each for each in containers if each.runs]


def _reached(giving: Givers, key: Key) -> set[Key]:
    waiting, seen = [*giving.get(key, ())], set()
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += giving.get(each, ())
    return seen


def _waits_for(after: Mapping[Key, tuple[Key, ...]], one: Key, other: Key) -> bool:
    """Whether one comes after the other, directly or not, or is it."""
    return one == other or other in _reached(after, one)
