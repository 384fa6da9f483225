"""What is desired against what is there, object by object."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from trueup.model.application import Removal
from trueup.model.contracts import Desired
from trueup.model.errors import DeclarationError, Refused
from trueup.model.manifest import Key
from trueup.model.plan import Action, Change, Effect, Verb
from trueup.runtimes.compose.comparing import look_at_service, seen_of
from trueup.runtimes.compose.content import pieces_of
from trueup.runtimes.compose.heirs import Givers, at_once, givers, in_order, in_time, rings
from trueup.runtimes.compose.look import Look
from trueup.runtimes.compose.relations import carried_along
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.things import look_at_thing
from trueup.runtimes.compose.things import seen_of as seen_of_thing
from trueup.runtimes.compose.wanted import ports_of
from trueup.toolkit.waves import removal_waves

_STAYS = "leaves Git, stays"

After = Mapping[Key, tuple[Key, ...]]
"""What each object comes after inside its wave."""


@dataclass(frozen=True)
class Planner:
    """Makes the actions of one application."""

    scene: Scene

    @cached_property
    def looks(self) -> dict[Key, Look]:
        """Everything that is desired."""
        return {key: look_at(self.scene, key) for key in self.scene.manifests}

    def actions(self) -> list[Action]:
        """Every object that is desired or ours. Raises Refused with every refusal."""
        refuse(self.scene, self.looks)
        kept = self._carried_along({key: self._action(look) for key, look in self.looks.items()})
        moving = {key for key, action in kept.items() if action.verb is not Verb.UNCHANGED}
        gone = {action.key: action for action in self._leaving()}
        giving = {key: others for key, others in givers(self.scene).items() if key in moving}
        # What has a port that another one gets goes in that one's wave, and first.
        leaving = {key: action.wave for key, action in gone.items() if action.verb is Verb.DELETE}
        waves = in_time({**leaving, **{key: kept[key].wave for key in moving}}, giving)
        after = self._in_order({key: self._after(key, waves) for key in kept}, giving, waves)
        return [
            *(_placed(action, waves.get(key, action.wave), after[key]) for key, action in kept.items()),
            *(_placed(action, waves.get(key, action.wave), action.after) for key, action in gone.items()),
        ]

    def _in_order(self, after: After, giving: Givers, waves: Mapping[Key, int]) -> After:
        """What comes after what, with who gets a port after who has it; those that exchange ports go at once."""
        circles = rings(giving, self.looks.keys() & waves.keys())
        for ring in circles:
            after = at_once(after, ring)
        for key, others in giving.items():
            mine = next((ring for ring in circles if key in ring), frozenset())
            after = in_order(after, key, [other for other in others if waves.get(other) == waves[key] and other not in mine])
        return after

    def _carried_along(self, actions: dict[Key, Action]) -> dict[Key, Action]:
        """The same with what the update of one service does to others."""
        before: dict[Key, Action] = {}
        while actions != before:
            before = actions
            effects = {key: Effect.RECREATE if action.verb is Verb.CREATE else action.effect for key, action in actions.items()}
            actions = {key: self._with_others(action, effects) for key, action in actions.items()}
        return actions

    def _with_others(self, action: Action, effects: Mapping[Key, Effect]) -> Action:
        service = self.scene.service(action.key)
        effect, reason = carried_along(service, effects) if service and self.looks[action.key].seen else (Effect.NONE, "")
        if effect in (Effect.NONE, action.effect) or action.effect is Effect.RECREATE:
            return action
        verb = Verb.UPDATE if action.verb is Verb.UNCHANGED else action.verb
        told = "; ".join(part for part in (action.reason, reason) if part)
        return msgspec.structs.replace(action, verb=verb, effect=effect, reason=told)

    def _action(self, look: Look) -> Action:
        manifest = self.scene.manifests[look.key]
        foreign = bool(look.seen) and not look.mine
        return Action(
            verb=_verb(look, foreign),
            key=look.key,
            wave=manifest.wave,
            effect=look.effect if not look.same else Effect.NONE,
            reason="; ".join(part for part in (self.scene.owner.reason_to_adopt(look.owner) if foreign else "", look.reason) if part),
            # What another repository's object says of itself is not for those who read this one.
            changes=() if look.owner and look.owner.repository != self.scene.owner.repository else look.changes,
            origin=manifest.origin,
            seen=look.seen,
            desired=manifest.digest,
            owner=self.scene.owner.name_of(look.owner) if foreign and look.owner else "",
            foreign=foreign,
        )

    def _after(self, key: Key, waves: Mapping[Key, int]) -> tuple[Key, ...]:
        """The networks, volumes and services of the same wave that a service comes after. ``waves``: of those that move."""
        service = self.scene.service(key)
        if service is None or key not in waves:
            return ()
        near = [*used_by(service), *(Key("Service", name, "", service.project) for name in depends_on(service))]
        return tuple(each for each in near if each in self.looks and waves.get(each) == waves[key])

    def _leaving(self) -> Iterator[Action]:
        leaving = [key for key in self.scene.owned if key not in self.scene.manifests]
        made = {key: self._wave_of(key) for key in leaving}
        waves = removal_waves((manifest.wave for manifest in self.scene.manifests.values()), made.values())
        services = tuple(key for key in leaving if key.kind == "Service")
        for key in sorted(leaving, key=lambda key: (key.kind != "Service", key)):
            users = tuple(each for each in services if made[each] == made[key]) if key.kind != "Service" else ()
            yield self._removal(key, waves[made[key]], users)

    def _removal(self, key: Key, wave: int, users: tuple[Key, ...]) -> Action:
        if keeps(self.scene.desired, key):
            change = Change("metadata.owner", self.scene.owner.application, None)
            return Action(verb=Verb.UPDATE, key=key, wave=wave, reason=_STAYS, changes=(change,), seen=seen_at(self.scene, key))
        reason = "the application is no longer declared here" if self.scene.desired.removed else "no longer in Git"
        return Action(verb=Verb.DELETE, key=key, wave=wave, after=users, reason=reason, seen=seen_at(self.scene, key))

    def _wave_of(self, key: Key) -> int:
        if key.kind == "Service":
            return next((each.marks.wave for each in self.scene.containers[key] if each.marks.owner == self.scene.owner), 0)
        return self.scene.things[key].marks.wave


def look_at(scene: Scene, key: Key) -> Look:
    """An object that is desired."""
    return look_at_service(scene, key) if key.kind == "Service" else look_at_thing(scene, key)


def seen_at(scene: Scene, key: Key) -> str:
    """What is seen of an object that is no longer desired."""
    return seen_of(scene, key, scene.containers.get(key, ())) if key.kind == "Service" else seen_of_thing(scene.things.get(key))


def keeps(desired: Desired, key: Key) -> bool:
    """Whether an object that leaves Git stays, without our mark: what is in a volume is lost only when Git says so."""
    policy = desired.application.policy
    if not policy.prune or (desired.removed and policy.removal is Removal.KEEP):
        return True
    return key.kind == "Volume" and desired.application.spec.render.options.get("volumes") != "delete"


def refuse(scene: Scene, looks: Mapping[Key, Look]) -> None:
    """Raises Refused with everything that stands in the way: nothing is stopped for what cannot be."""
    told = [(key, words) for key, look in looks.items() for words in _refusals(scene, key, look)]
    if not told:
        return
    message = "; ".join(f"{key} ({_place(scene, key)}): {words}" for key, words in told)
    where = _place(scene, told[0][0]) if len({key for key, _ in told}) == 1 else f"application {scene.desired.application.name}"
    raise Refused(message, key=str(told[0][0]), where=where, hint="nothing was changed")


def used_by(service: Service) -> list[Key]:
    """The networks and volumes of its project that a service uses."""
    volumes = [str(entry["source"]) for entry in service.spec.get("volumes") or () if entry.get("type") == "volume" and entry.get("source")]
    networks = [Key("Network", name, "", service.project) for name in service.spec.get("networks") or ()]
    return [*networks, *(Key("Volume", name, "", service.project) for name in volumes)]


def depends_on(service: Service) -> list[str]:
    """The services that come before it: those it waits for, and those whose namespaces or volumes it shares."""
    return list(dict.fromkeys([*(service.spec.get("depends_on") or {}), *service.lenders]))


def _refusals(scene: Scene, key: Key, look: Look) -> Iterable[str]:
    if look.refusal:
        yield look.refusal
    service = scene.service(key)
    if service is None or look.same:
        return
    yield from _taken(scene, service)
    for used in used_by(service):
        if used not in scene.manifests:
            yield f"the {used.kind.lower()} {used.name} is declared nowhere"
    try:
        pieces_of(service.name, service.spec, scene.desired.tree)
    except DeclarationError as error:
        yield from (fault.message for fault in error.faults)


def _taken(scene: Scene, service: Service) -> Iterator[str]:
    """Which of the ports that a service publishes somebody else has: a container that runs, or another service of this very plan."""
    if service.stopped:
        return
    ours = {container.id for found in scene.containers.values() for container in found}
    others = [each for each in scene.shot.summaries if each["Id"] not in ours]
    siblings = [each for key in scene.manifests if key != service.key and (each := scene.service(key)) and not each.stopped]
    for target, address, published in ports_of(service.spec):
        protocol = target.rpartition("/")[2]
        for other in others if published else ():
            if any(_clash((protocol, address, published), _port_in(port)) for port in other.get("Ports") or ()):
                yield f"port {published}/{protocol} is published by the container {other['Names'][0].lstrip('/')}"
        for sibling in siblings if published else ():
            theirs = [(target.rpartition("/")[2], address, port) for target, address, port in ports_of(sibling.spec)]
            if any(_clash((protocol, address, published), port) for port in theirs):
                yield f"port {published}/{protocol} is published by the service {sibling.name} too"


def _port_in(port: Mapping[str, object]) -> tuple[str, str, str]:
    return str(port.get("Type", "tcp")), str(port.get("IP") or ""), str(port.get("PublicPort") or "")


def _clash(mine: tuple[str, str, str], theirs: tuple[str, str, str]) -> bool:
    everywhere = ("", "0.0.0.0", "::")
    overlapping = mine[1] == theirs[1] or mine[1] in everywhere or theirs[1] in everywhere
    return mine[0] == theirs[0] and overlapping and mine[2] == theirs[2]


def _verb(look: Look, foreign: bool) -> Verb:
    if not look.seen and not look.same:
        return Verb.CREATE
    if foreign:
        return Verb.ADOPT
    if look.same:
        return Verb.UNCHANGED
    return Verb.REPLACE if look.replaced else Verb.UPDATE


def _placed(action: Action, wave: int, after: tuple[Key, ...]) -> Action:
    return msgspec.structs.replace(action, wave=wave, after=after)


def _place(scene: Scene, key: Key) -> str:
    origin = scene.manifests[key].origin
    return f"{origin.file}:{origin.line}" if origin.line else origin.file
