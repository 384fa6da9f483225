"""A service as Git wants it against its containers: what is done to each of them, and which fields say so."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from trueup.model.contracts import Owner
from trueup.model.manifest import Body, Key, digest_of
from trueup.model.plan import Change, Effect
from trueup.model.secret import MASK
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.content import RECREATE, RESTART, mount_id
from trueup.runtimes.compose.delivery import LIVE
from trueup.runtimes.compose.fields import changes_between, ignored_fields, kept
from trueup.runtimes.compose.images import Image
from trueup.runtimes.compose.labels import PROJECT
from trueup.runtimes.compose.limits import CHANGEABLE
from trueup.runtimes.compose.look import EFFECTS, Deed, ServiceLook, Step, version_of
from trueup.runtimes.compose.references import reference_of
from trueup.runtimes.compose.relations import AFTER, out_of_step
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import EXTENSION, Service

REPLICAS: Final = "spec.deploy.replicas"
_EXTENSION: Final = f"spec.{EXTENSION}"
_STATE: Final = f"{_EXTENSION}.state"
_IMAGE: Final = "spec.image"
_OF_DEPLOY: Final = ("spec.deploy.resources.limits.", "spec.deploy.resources.reservations.memory")
_LIMITS: Final = ("spec.restart", *(f"spec.{field}" for field in CHANGEABLE.values()), *_OF_DEPLOY)
_VERSION: Final = ".version"
_OBJECT_ID: Final = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33,57}")
_ORDER: Final = list(Deed)


def look_at_service(scene: Scene, key: Key) -> ServiceLook:
    """A service that is desired."""
    there = scene.containers.get(key, ())
    service = _wanted(scene, key, there)
    image = scene.images.get(service.image)
    owner = scene.owner_of(key, [each.marks.owner for each in there]) if there else None
    mine = owner == scene.owner
    steps = tuple(_steps(scene, service, image, there, mine))
    changes = _told(service, there, steps)
    return ServiceLook(
        key=key,
        seen=seen_of(scene, key, there),
        same=(mine or not (there or steps)) and all(_is_left(step, scene.owner) for step in steps),
        owner=owner,
        mine=mine,
        changes=changes,
        effect=_effect(steps),
        reason="; ".join(part for part in (_reason(service, image, there, steps, mine), _gave_way(scene, key)) if part),
        ids=tuple(each.id for each in there),
        version=version_of(tuple(each.id for each in there), there[0].marks) if there else "",
        refusal=_in_the_way(service, there),
        service=service,
        image=image,
        steps=steps,
    )


def seen_of(scene: Scene, key: Key, there: Sequence[Container]) -> str:
    """A digest of what is compared of a service's containers, with their identity and owner; empty when there are none."""
    attached = scene.attached(key.namespace)
    parts = [
        [
            each.id,
            each.name,
            str(each.marks.owner or ""),
            _content_of(scene, each, attached),
            _state_of(each),
            scene.exposed.get(each.id, ()),
        ]
        for each in there
    ]
    return digest_of(parts) if parts else ""


def _is_left(step: Step, owner: Owner) -> bool:
    return step.deed is Deed.LEAVE and step.container is not None and step.container.marks.owner == owner


def _content_of(scene: Scene, container: Container, attached: Mapping[str, str]) -> object:
    if container.marks.spec is not None:
        return container.live_spec(attached)
    return [[change.path, change.before] for change in scene.unlike.get(container.id, ())]


def _state_of(container: Container) -> tuple[bool, bool]:
    return container.was_stopped, container.runs or container.completed


def _wanted(scene: Scene, key: Key, there: Sequence[Container]) -> Service:
    """The service with what is left alone as it is."""
    service = scene.service(key)
    assert service is not None
    ignored = ignored_fields(key, scene.desired.application.spec.ignore)
    if ignored is None or not there:
        return service
    return replace(service, spec=kept(service.spec, there[0].live_spec(scene.attached(key.namespace)), ignored))


def _in_the_way(service: Service, there: Sequence[Container]) -> str:
    """Whoever has a name that is wanted, and is another service's; or nobody's, where the service has containers of its own."""
    has_own = any(each.marks.owner is not None for each in there)
    others = [
        each for each in there if each.marks.owner is None and (each.service, each.labels.get(PROJECT)) != (service.name, service.project)
    ]
    taken = [each for each in others if each.service or has_own]
    whose = f"a container of another service ({taken[0].service})" if taken and taken[0].service else "a container of somebody else"
    return f"the name {taken[0].name} belongs to {whose}" if taken else ""


def _steps(scene: Scene, service: Service, image: Image | None, there: Sequence[Container], mine: bool) -> Iterator[Step]:
    by_number, more = _numbered(service, there, scene.owner if mine else None)
    for number, name in service.names.items():
        container = by_number.get(number)
        if container is None:
            yield Step(number, name, None, Deed.CREATE)
            continue
        changes = tuple(_changes(scene, service, image, Step(number, name, container, Deed.LEAVE)))
        yield Step(number, name, container, _deed(service, container, changes), changes)
    for container in more:
        yield Step(container.number, container.name, container, Deed.REMOVE)


def _numbered(service: Service, there: Sequence[Container], owner: Owner | None) -> tuple[dict[int, Container], list[Container]]:
    """Which container is which of the service, and those that are too many. Ours come first, then those that run."""
    by_number: dict[int, Container] = {}
    more: list[Container] = []
    for container in sorted(there, key=lambda each: (each.marks.owner != owner, each.status == "created", not each.runs, each.id)):
        number = container.number or next((number for number, name in service.names.items() if name == container.name), 0)
        if number in service.names and number not in by_number:
            by_number[number] = container
        else:
            more.append(container)
    return by_number, more


def _changes(scene: Scene, service: Service, image: Image | None, step: Step) -> Iterator[Change]:
    container = step.container
    assert container is not None
    if container.marks.spec is None:
        yield from scene.unlike.get(container.id, (Change("spec", "made by somebody else", None),))
    else:
        declared = changes_between(container.live_spec(scene.attached(service.project)), service.applied)
        yield from (_shown(scene, service, change) for change in declared if not change.path.startswith(_EXTENSION))
    if image is not None and _is_another(image, service, container):
        yield Change(_IMAGE, f"{service.image} ({container.image[:19]})", image.shown)
    for target in scene.exposed.get(container.id, ()):
        yield Change(f"spec.secrets[target={target}]", MASK, MASK)
    yield from out_of_step(scene, service, container)
    yield from _gone(scene.links.get(service.project, frozenset()), service, container)
    if container.name != step.name:
        yield Change("spec.container_name", container.name, step.name)
    now, then = _state(container, service.stopped), "stopped" if service.stopped else "running"
    if now != then:
        yield Change(_STATE, now, then)


def _shown(scene: Scene, service: Service, change: Change) -> Change:
    """A change as a person would tell it: the version of a mount by the names of the files, and not by a whole object id."""
    if not change.path.endswith(_VERSION):
        return change
    entry = _mount(service, change.path)
    edit = scene.edits.get((service.key, str(entry["target"])), "") if entry else ""
    before, after = (_OBJECT_ID.sub(r"\1", str(each)) if each else each for each in (change.before, change.after))
    return Change(change.path, before, f"{after} ({edit})" if edit else after)


def _gone(links: Collection[str], service: Service, container: Container) -> Iterator[Change]:
    """What a container mounts from the record volume and somebody took away: it would not start again."""
    for field in ("volumes", "configs"):
        for entry in service.spec.get(field) or ():
            mount = mount_id(service.name, str(entry["target"]))
            if mount not in links and _goes_through_our_link(container, mount):
                yield Change(f"spec.{field}[target={entry['target']}]", "its files are gone", str(entry.get("content", "text")))


def _is_another(image: Image, service: Service, container: Container) -> bool:
    """Whether the name of its image stands for another one now. What cannot be found out does not count against what runs."""
    if not image.identity and (image.trouble or service.built):
        return False
    return image.identity != container.image and _tagged(container) in ("", image.reference.tagged)


def _tagged(container: Container) -> str:
    """The reference that the container's image was asked for under, as far as it was written by us."""
    return reference_of(str((container.marks.spec or {}).get("image") or "")).tagged if container.marks.spec else ""


def _state(container: Container, stopped: bool) -> str:
    if stopped:
        return "running" if container.runs else "stopped"
    if container.was_declared_stopped and not container.runs:
        return "stopped"
    if not container.was_stopped:
        return "running"
    code = container.state.get("ExitCode")
    return f"{container.status} ({code})" if code else container.status


def _deed(service: Service, container: Container, changes: Sequence[Change]) -> Deed:
    """The least that makes a container as it is to be."""
    if not changes:
        return Deed.LEAVE
    declared = {change.path for change in changes_between(container.marks.spec or {}, service.applied)}
    fields = [change for change in changes if change.path not in (_STATE, _IMAGE)]
    deeds = [_of_field(service, container, change, change.path in declared) for change in fields]
    if any(change.path == _IMAGE for change in changes) or (fields and container.marks.spec is None):
        return Deed.RECREATE
    if any(change.path == _STATE for change in changes):
        deeds.append(Deed.STOP if service.stopped else Deed.START)
    worst = max(deeds, key=_ORDER.index)
    # What does not run is not restarted or told anything.
    return Deed.ADJUST if service.stopped and worst in (Deed.RESTART, Deed.SIGNAL) else worst


def _of_field(service: Service, container: Container, change: Change, is_declared: bool) -> Deed:
    """What one field asks for. The engine sets limits while a container runs, but takes none away."""
    if change.path.startswith(f"{AFTER}."):
        return Deed.RESTART
    if change.path.startswith(_LIMITS):
        kept = change.after is not None or change.path.startswith(("spec.restart", "spec.pids_limit"))
        return Deed.ADJUST if kept else Deed.RECREATE
    if is_declared:
        return _of_content(service, container, change.path)
    return Deed.ADJUST if change.path.startswith("spec.networks") else Deed.RECREATE


def _of_content(service: Service, container: Container, path: str) -> Deed:
    """What a declared field asks for: the version of a mount what is declared for it, anything else a new container."""
    entry = _mount(service, path) if path.endswith((_VERSION, ".text")) else None
    # One that was taken over as it ran mounts a folder of its user's, which is no longer looked at.
    if entry is None or not _goes_through_our_link(container, mount_id(service.name, str(entry["target"]))):
        return Deed.RECREATE
    change: Any = (entry.get("x-trueup") or {}).get("change", service.extension.get("change", RESTART))
    if isinstance(change, Mapping):
        return Deed.SIGNAL
    return Deed.RECREATE if change == RECREATE else Deed.RESTART


def _goes_through_our_link(container: Container, mount: str) -> bool:
    asked = [str(each.get("Source")) for each in container.host_config.get("Mounts") or ()]
    return any(source.endswith(f"/{LIVE}/{mount}") for source in asked)


def _mount(service: Service, path: str) -> Body | None:
    """The entry that a path is about."""
    entries = [(field, entry) for field in ("volumes", "configs") for entry in service.spec.get(field) or ()]
    named = (((f"spec.{field}[target={entry['target']}]", f'spec.{field}[target="{entry["target"]}"]'), entry) for field, entry in entries)
    return next((entry for names, entry in named if path.rpartition(".")[0] in names), None)


def _told(service: Service, there: Sequence[Container], steps: Sequence[Step]) -> tuple[Change, ...]:
    """All that differs, each field once."""
    if not there:
        return tuple(changes_between({}, service.applied))
    found = {change.path: change for step in steps for change in step.changes}
    before = len(there)
    if before != service.replicas:
        found[REPLICAS] = Change(REPLICAS, before, service.replicas)
    elif any(step.deed is Deed.REMOVE for step in steps):
        found[REPLICAS] = Change(REPLICAS, f"{before}, not all of them its own", service.replicas)
    return tuple(found.values())


def _effect(steps: Iterable[Step]) -> Effect:
    deeds = sorted((step.deed for step in steps), key=_ORDER.index)
    return EFFECTS.get(deeds[-1], Effect.NONE) if deeds and deeds[-1] not in (Deed.CREATE, Deed.REMOVE) else _lesser(deeds)


def _lesser(deeds: Sequence[Deed]) -> Effect:
    told = [EFFECTS[deed] for deed in deeds if deed in EFFECTS]
    return told[-1] if told else Effect.NONE


def _gave_way(scene: Scene, key: Key) -> str:
    """That it was tried at this very revision, and with what end."""
    record = scene.records.get(key.namespace)
    setback = record.setback(key) if record else None
    return f"tried at {setback.at}: {setback.message}" if setback and setback.revision == scene.desired.revision else ""


def _reason(service: Service, image: Image | None, there: Sequence[Container], steps: Sequence[Step], mine: bool) -> str:
    parts = ["" if there else "it is not there"]
    if mine and there and not any(each.marks.owner for each in there):
        parts.append("somebody made it anew")
    made = any(step.deed in (Deed.CREATE, Deed.RECREATE) for step in steps)
    if image is not None and made:
        parts.append(f"{service.image} has to be built" if service.built and not image.identity else "")
        parts.append(f"{service.image} has to be pulled" if image.pull else "")
        parts.append(image.trouble if not service.built else "")
    if there and any(change.path == _IMAGE and "(" in str(change.before) for step in steps for change in step.changes):
        parts.append("its image is another one now")
    return "; ".join(part for part in parts if part)
