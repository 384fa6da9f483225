"""The order in which an application's objects are written, and the reverse, in which they go. Pure.

Waves come from annotations. Around them stand the hooks: PreSync before all waves, PostSync after them. Inside a wave everything comes
after the definitions, namespaces and cluster roles of that wave; the rest is written in ranks, by kind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias, TypeVar

from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.hooks import Options, Phase, options_of

T = TypeVar("T")
Position: TypeAlias = tuple[int, int]
"""The phase and the wave in it."""

FIRST: Final = frozenset(
    {("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition"), ("rbac.authorization.k8s.io", "ClusterRole")}
)
"""(group, kind) of what others need before they can be written, or even tried out."""

_RANKS: Final = (
    ("Namespace",),
    ("CustomResourceDefinition.apiextensions.k8s.io", "ClusterRole.rbac.authorization.k8s.io"),
    ("*Class",),
    ("ResourceQuota", "LimitRange", "NetworkPolicy.networking.k8s.io", "PodDisruptionBudget.policy"),
    ("ServiceAccount",),
    ("ClusterRoleBinding.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io"),
    ("ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim"),
    ("Service",),
    ("Pod", "ReplicationController", "DaemonSet.apps", "Deployment.apps", "ReplicaSet.apps", "StatefulSet.apps"),
    ("*",),
    (
        "APIService.apiregistration.k8s.io",
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    ),
)
_RANK_OF: Final[Mapping[str, int]] = {kind: rank for rank, kinds in enumerate(_RANKS) for kind in kinds}
_PHASES: Final = (Phase.PRE_SYNC, Phase.SYNC, Phase.POST_SYNC)
_SYNC: Final = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object stands: its wave, and what of that wave it comes after."""

    wave: int
    after: tuple[Key, ...] = ()


def places(bodies: Mapping[Key, Body]) -> dict[Key, Place]:
    """The place of each manifest. Left out is what has none in a sync: hooks of a failure or a deletion, and what is skipped.

    An ordinary object has the wave that it names. A namespace or definition that others of an earlier wave need comes with the first of
    them. A hook of several phases stands in its first.
    """
    positions = _positions(bodies, {key: options_of(body) for key, body in bodies.items()})
    waves = _numbers(positions.values())
    first: dict[int, list[Key]] = {}
    for key, position in positions.items():
        if _is_first(key):
            first.setdefault(waves[position], []).append(key)
    return {key: Place(waves[at], () if _is_first(key) else tuple(first.get(waves[at], ()))) for key, at in positions.items()}


def removals(bodies: Mapping[Key, Body], made: Iterable[int]) -> dict[Key, int]:
    """The wave in which each object goes: after all that is ``made``, in the reverse of the order in which it came; what asks for
    ``PruneLast`` goes after all others, and namespaces and definitions after what is in them."""
    start = max(made, default=-1) + 1
    options = {key: options_of(body) for key, body in bodies.items()}
    positions = _positions(bodies, options)
    turns = {key: _turn(key, options[key], positions.get(key, (_SYNC, options[key].wave))) for key in bodies}
    numbers = {turn: start + number for number, turn in enumerate(sorted(set(turns.values())))}
    return {key: numbers[turn] for key, turn in turns.items()}


def hook_waves(bodies: Mapping[Key, Body], phase: Phase, start: int) -> dict[Key, int]:
    """The waves, from ``start`` on, in which the hooks of one phase run: one for each wave that they name."""
    named = {key: options.wave for key, body in bodies.items() if phase in (options := options_of(body)).phases}
    numbers = {wave: start + number for number, wave in enumerate(sorted(set(named.values())))}
    return {key: numbers[wave] for key, wave in named.items()}


def rank(key: Key) -> int:
    """The place of a kind in the order. Objects of one rank may be written side by side."""
    kind = f"{key.kind}.{key.group}" if key.group else key.kind
    return _RANK_OF.get(kind, _RANK_OF["*Class" if key.kind.endswith("Class") else "*"])


def in_ranks(things: Iterable[T], key: Callable[[T], Key], reverse: bool = False) -> list[list[T]]:
    """Things of one wave in groups to carry out one after the other; ``reverse`` for what is deleted. The order inside a group is kept."""
    ordered = sorted(things, key=lambda thing: rank(key(thing)), reverse=reverse)
    return [list(group) for _, group in groupby(ordered, lambda thing: rank(key(thing)))]


def _positions(bodies: Mapping[Key, Body], options: Mapping[Key, Options]) -> dict[Key, Position]:
    positions = {key: position for key, asked in options.items() if (position := _position(asked)) is not None}
    needed = _needed(positions)
    for key, body in bodies.items():
        if key in positions and _is_first(key):
            positions[key] = min(positions[key], needed.get(_provided(key, body), positions[key]))
    return positions


def _position(options: Options) -> Position | None:
    if not options.is_applied:
        return None
    if not options.is_hook:
        return _SYNC, options.wave
    return next(((number, options.wave) for number, phase in enumerate(_PHASES) if phase in options.phases), None)


def _needed(positions: Mapping[Key, Position]) -> dict[str, Position]:
    """The earliest position at which a namespace (by name) or a kind (``Kind.group``) is used."""
    needed: dict[str, Position] = {}
    for key, position in positions.items():
        for what in _uses(key):
            needed[what] = min(position, needed.get(what, position))
    return needed


def _uses(key: Key) -> Iterator[str]:
    if key.namespace:
        yield f"namespace {key.namespace}"
    if key.group:
        yield f"kind {key.kind}.{key.group}"


def _provided(key: Key, body: Body) -> str:
    if key.kind == "Namespace":
        return f"namespace {key.name}"
    specification = body.get("spec")
    names = specification.get("names") if isinstance(specification, dict) else None
    kind = names.get("kind") if isinstance(names, dict) else None
    return f"kind {kind}.{specification.get('group')}" if isinstance(specification, dict) else ""


def _numbers(positions: Iterable[Position]) -> dict[Position, int]:
    """One wave for each position. Those between the hooks keep their number; the hooks are numbered outwards from there."""
    known = sorted(set(positions))
    between = [wave for phase, wave in known if phase == _SYNC] or [0]
    before = [position for position in known if position[0] < _SYNC]
    behind = [position for position in known if position[0] > _SYNC]
    return {
        **{position: position[1] for position in known if position[0] == _SYNC},
        **{position: min(between) - len(before) + number for number, position in enumerate(before)},
        **{position: max(between) + 1 + number for number, position in enumerate(behind)},
    }


def _turn(key: Key, options: Options, position: Position) -> tuple[bool, int, int, bool]:
    phase, wave = position
    return options.prune_last, -phase, -wave, _is_first(key)


def _is_first(key: Key) -> bool:
    return (key.group, key.kind) in FIRST
