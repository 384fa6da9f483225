"""Everything that a plan of one application looks at: what Git wants, what is at the engine, and whose it is."""

import asyncio
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from trueup.model.contracts import Desired, Owner, Tree
from trueup.model.errors import Refused
from trueup.model.manifest import Body, Key, Manifest
from trueup.model.plan import Change
from trueup.model.secret import Secret
from trueup.runtimes.compose.building import Build, build_of
from trueup.runtimes.compose.container import Container, is_of_a_project
from trueup.runtimes.compose.content import mounts_of
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.edits import edits_of
from trueup.runtimes.compose.exposure import Exposure
from trueup.runtimes.compose.grants import Grants, beyond
from trueup.runtimes.compose.holding import identity_of, key_in
from trueup.runtimes.compose.images import Image
from trueup.runtimes.compose.labels import OWNER, Marks, OfCompose, marks_in
from trueup.runtimes.compose.look import Thing
from trueup.runtimes.compose.picture import MOVING, Picture, Shot
from trueup.runtimes.compose.record import Record
from trueup.runtimes.compose.service import Service, is_external
from trueup.runtimes.compose.strangers import Strangers
from trueup.toolkit.together import together


@dataclass(frozen=True)
class Scene:
    """One application at one engine, at one moment.

    ``containers`` are those of every service that is desired or ours, or that stand in the way by their name; ``networks`` and ``volumes``
    are the same by key.
    """

    desired: Desired
    owner: Owner
    shot: Shot
    records: Mapping[str, Record]
    manifests: Mapping[Key, Manifest]
    containers: Mapping[Key, tuple[Container, ...]] = field(default_factory=dict)
    things: Mapping[Key, Thing] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    builds: Mapping[Key, Build] = field(default_factory=dict)
    secret: Callable[[str], Secret] | None = None
    exposed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The containers in which a secret is not what it should be, and where."""
    links: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Project -> the mounts that lead to a version of their files."""
    unlike: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """The containers of others, and what in them is not as it would be in ours."""
    edits: Mapping[tuple[Key, str], str] = field(default_factory=dict)
    """Service and target of a mount -> which of its files changed."""

    @property
    def projects(self) -> frozenset[str]:
        """The projects that it is in, or was."""
        ours = (key.namespace for key in self.owned)
        remembered = (project for project, record in self.records.items() if record.standing(self.owner))
        return frozenset([*(key.namespace for key in self.manifests), *ours, *remembered])

    @property
    def owned(self) -> list[Key]:
        """What is ours at the engine."""
        services = [key for key, found in self.containers.items() if self.owner_of(key, [each.marks.owner for each in found]) == self.owner]
        things = [key for key, thing in self.things.items() if self.owner_of(key, [thing.marks.owner]) == self.owner]
        return sorted([*services, *things])

    def owner_of(self, key: Key, owners: Iterable[Owner | None]) -> Owner | None:
        """Whose an object is, by what its parts say. Where nobody's parts took the place of ours (somebody said `docker compose up`), it
        still is ours."""
        named = [each for each in owners if each is not None]
        if self.owner in named:
            return self.owner
        return named[0] if named else self.owner if key in self.remembered else None

    @cached_property
    def remembered(self) -> frozenset[Key]:
        """What was ours when it was last applied, unless Git only uses it."""
        standings = [standing for record in self.records.values() if (standing := record.standing(self.owner))]
        external = {key for key, manifest in self.manifests.items() if manifest.key.kind != "Service" and is_external(manifest)}
        return frozenset(key for standing in standings for key in standing.keys) - external

    def service(self, key: Key) -> Service | None:
        """A service as Git wants it."""
        manifest = self.manifests.get(key)
        build = self.builds.get(key)
        return Service.of(manifest, build.tag if build else "") if manifest and key.kind == "Service" else None

    def names(self, kind: str, project: str) -> dict[str, str]:
        """The networks or volumes of a project: their key in the Compose file -> their name at the engine."""
        return {key.name: name_of(manifest) for key, manifest in self.manifests.items() if key.kind == kind and key.namespace == project}

    def attached(self, project: str) -> dict[str, str]:
        """The networks of a project the other way around: name -> key."""
        return {name: key for key, name in self.names("Network", project).items()}

    def of_compose(self, manifest: Manifest) -> OfCompose:
        """Compose's labels for what a manifest makes."""
        file = f"/{manifest.origin.file}"
        return OfCompose(manifest.key.namespace, posixpath.dirname(file), file)


@dataclass(frozen=True, slots=True)
class Stage:
    """Sets scenes."""

    picture: Picture
    secret: Callable[[str], Secret]
    grants: Grants | None = None

    async def scene(self, desired: Desired) -> Scene:
        """An application as it is now. Raises Unreachable, Refused."""
        _refuse_beyond(self.grants, desired.manifests)
        shot = await self.picture.look()
        return await self.at(desired, shot, await self.picture.records(shot))

    async def glimpse(self, desired: Desired) -> Scene:
        """The same without images, secrets and comparisons: who does well is asked often. Raises Unreachable, Refused."""
        shot = await self.picture.look(MOVING)
        records = await self.picture.records(shot)
        owner, manifests = Owner(desired.application.repository, desired.application.name), by_key(desired)
        bodies = await self.picture.inspect(_relevant(shot, owner, records, manifests, None))
        return Scene(
            desired, owner, shot, records, manifests, _grouped(bodies.values(), records, manifests), dict(_things(shot, records, manifests))
        )

    async def again(self, scene: Scene, key: Key, records: Mapping[str, Record]) -> Scene:
        """One object of it once more, as it is at this very moment, and the services of its project beside it."""
        self.picture.doubt(*MOVING, containers=[each.id for each in scene.containers.get(key, ())])
        return await self.at(scene.desired, await self.picture.look(MOVING), records, frozenset([key, *_related(scene, key)]))

    async def at(self, desired: Desired, shot: Shot, records: Mapping[str, Record], only: frozenset[Key] | None = None) -> Scene:
        """An application as a shot has it, or only these services of it."""
        owner = Owner(desired.application.repository, desired.application.name)
        manifests = by_key(desired)
        bodies = await self.picture.inspect(_relevant(shot, owner, records, manifests, only))
        containers = _grouped(bodies.values(), records, manifests)
        things = dict(_things(shot, records, manifests))
        asked = [manifest for key, manifest in manifests.items() if key.kind == "Service" and (only is None or key in only)]
        builds = await asyncio.to_thread(_builds, asked, desired.tree)
        images = await self._images([Service.of(each, builds[each.key].tag if each.key in builds else "") for each in asked], shot)
        checked = [(Service.of(each).spec, containers.get(each.key, ())) for each in asked]
        exposed = await Exposure(self.picture, desired.tree, self.secret).of(checked)
        scene = Scene(desired, owner, shot, records, manifests, containers, things, images, builds, self.secret, exposed)
        edits = await self._edits(scene, asked) if only is None else {}
        return replace(scene, unlike=await self._unlike(scene, asked), links=await self._links(scene, asked), edits=edits)

    async def _edits(self, scene: Scene, asked: Iterable[Manifest]) -> dict[tuple[Key, str], str]:
        """What a person is told of mounts that change."""
        told: dict[tuple[Key, str], str] = {}
        for manifest in asked:
            service, found = scene.service(manifest.key), scene.containers.get(manifest.key, ())
            if service is not None and mounts_of(service.name, service.spec):
                edits = await edits_of(Delivery(self.picture.carrier(service.project)), service, found, scene.desired.tree)
                told |= {(manifest.key, target): text for target, text in edits.items()}
        return told

    async def _links(self, scene: Scene, asked: Iterable[Manifest]) -> dict[str, frozenset[str]]:
        mounting = (each for each in asked if each.key in scene.containers and mounts_of(each.key.name, each.body.get("spec") or {}))
        return {
            project: await self.picture.links(project, scene.shot) for project in dict.fromkeys(each.key.namespace for each in mounting)
        }

    async def _unlike(self, scene: Scene, asked: Iterable[Manifest]) -> dict[str, tuple[Change, ...]]:
        """What differs at containers that somebody else made."""
        told: dict[str, tuple[Change, ...]] = {}
        for manifest in asked:
            service, found = scene.service(manifest.key), scene.containers.get(manifest.key, ())
            if service is not None and any(each.marks.spec is None for each in found):
                networks, volumes = (scene.names(kind, service.project) for kind in ("Network", "Volume"))
                told |= await Strangers(self.picture, scene.desired.tree, networks, volumes).of([(service, found)])
        return told

    async def containers(self, key: Key) -> tuple[Container, ...]:
        """The containers of one service, whether Git wants it or not."""
        shot = await self.picture.look()
        record = await self.picture.record(key.namespace, shot)
        entry = record.entry(key)
        remembered = entry.ids if entry else ()
        asked = [each for each in shot.summaries if each["Id"] in remembered or _is_of(each["Labels"] or {}, key)]
        bodies = await self.picture.inspect(str(each["Id"]) for each in asked)
        return _grouped(bodies.values(), {key.namespace: record}, {}).get(key, ())

    async def _images(self, services: Iterable[Service], shot: Shot) -> dict[str, Image]:
        # What is built for a service comes from no registry.
        wanted = {each.image: "never" if each.built else str(each.spec.get("pull_policy") or "") for each in services}
        resolved = await together(self.picture.images.resolve(image, policy, shot.shelf) for image, policy in wanted.items())
        return dict(zip(wanted, resolved, strict=True))


def _builds(manifests: Iterable[Manifest], tree: Tree) -> dict[Key, Build]:
    """What is built for services. Raises DeclarationError."""
    asked = ((each.key, (each.body.get("spec") or {}).get("build")) for each in manifests)
    return {key: build_of(key.namespace, key.name, told, tree) for key, told in asked if told}


def _refuse_beyond(grants: Grants | None, manifests: Iterable[Manifest]) -> None:
    """Raises Refused when there is something that the operator does not allow: no longer, for a render is checked too."""
    told = [(manifest, objection) for manifest in manifests for objection in beyond(grants, manifest.body)]
    if told:
        first, objection = told[0]
        message = "; ".join(f"{manifest.key}: {each.message}" for manifest, each in told)
        raise Refused(message, key=str(first.key), where=f"{first.origin.file}:{first.origin.line}", hint=objection.hint)


def by_key(desired: Desired) -> dict[Key, Manifest]:
    """The manifests by key. Raises Refused when two are the same object."""
    found: dict[Key, Manifest] = {}
    for manifest in desired.manifests:
        if manifest.key in found:
            message = f"{manifest.key} is declared twice ({manifest.origin.file}:{manifest.origin.line})"
            raise Refused(message, key=str(manifest.key), where=f"application {desired.application.name}", hint="keep one of them")
        found[manifest.key] = manifest
    return found


def name_of(manifest: Manifest) -> str:
    """The name at the engine of a network or volume."""
    return str((manifest.body.get("spec") or {}).get("name") or f"{manifest.key.namespace}_{manifest.key.name}")


def _is_of(labels: Mapping[str, str], key: Key) -> bool:
    return is_of_a_project(labels) and key_in(labels) == key


def _related(scene: Scene, key: Key) -> list[Key]:
    """The services whose containers a service's own have to do with."""
    service = scene.service(key)
    return [Key("Service", name, "", key.namespace) for name in (*service.lenders, *service.restarted_with)] if service else []


def _relevant(
    shot: Shot, owner: Owner, records: Mapping[str, Record], manifests: Mapping[Key, Manifest], only: frozenset[Key] | None
) -> list[str]:
    """The containers to be looked at: those of the services, ours by label or record, and whoever has a name that is wanted."""
    standings = [standing for record in records.values() if (standing := record.standing(owner))]
    known = {*manifests, *(key for standing in standings for key in standing.keys)} if only is None else only
    services = {key for key in known if key.kind == "Service"}
    names = {f"/{name}" for key in services & manifests.keys() for name in Service.of(manifests[key]).names.values()}
    entries = [entry for record in records.values() for entry in record.entries if only is None or entry.key in only]
    remembered = {identity for entry in entries for identity in entry.ids}
    label = f"{owner.application} of {owner.repository}" if only is None else None
    return [
        str(each["Id"])
        for each in shot.summaries
        if (is_of_a_project(each["Labels"] or {}) and (key_in(each["Labels"]) in services or each["Labels"].get(OWNER, "") == label))
        or each["Id"] in remembered
        or not names.isdisjoint(each["Names"])
    ]


def _grouped(bodies: Iterable[Body], records: Mapping[str, Record], manifests: Mapping[Key, Manifest]) -> dict[Key, tuple[Container, ...]]:
    """The containers by service."""
    by_identity = {identity: entry.key for record in records.values() for entry in record.entries for identity in entry.ids}
    by_name = {name: key for key in manifests if key.kind == "Service" for name in Service.of(manifests[key]).names.values()}
    found: dict[Key, list[Container]] = {}
    for body in bodies:
        labels = body["Config"].get("Labels") or {}
        labelled = key_in(labels) if is_of_a_project(labels) else None
        key = by_identity.get(str(body["Id"])) or labelled or by_name.get(str(body["Name"]).lstrip("/"))
        if key is not None:
            record = records.get(key.namespace, Record())
            found.setdefault(key, []).append(Container(body, record.marks(key, str(body["Id"]), marks_in(labels))))
    return {key: tuple(sorted(each, key=lambda container: (container.number, container.id))) for key, each in found.items()}


def _things(shot: Shot, records: Mapping[str, Record], manifests: Mapping[Key, Manifest]) -> Iterator[tuple[Key, Thing]]:
    """Networks and volumes that somebody's labels name, and then those that have the names that are desired: these win."""
    wanted = {(manifest.key.kind, name_of(manifest)): manifest.key for manifest in manifests.values() if manifest.key.kind != "Service"}
    listed = [
        (kind, name, body) for kind, bodies in (("Network", shot.networks), ("Volume", shot.volumes)) for name, body in bodies.items()
    ]
    labelled = [(key_in(body.get("Labels") or {}), kind, name, body) for kind, name, body in listed if (kind, name) not in wanted]
    named = [(wanted[kind, name], kind, name, body) for kind, name, body in listed if (kind, name) in wanted]
    for key, kind, name, body in [*labelled, *named]:
        if key is not None and key.kind == kind:
            identity = identity_of(name, body)
            record = records.get(key.namespace, Record())
            external = key in manifests and is_external(manifests[key])
            yield key, Thing(identity, body, Marks() if external else record.marks(key, identity, marks_in(body.get("Labels") or {})))
