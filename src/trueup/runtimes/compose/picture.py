"""What is at an engine, as of now: asked for once, and kept up to date by its events for as long as somebody hears them."""

import asyncio
import hmac
import io
import os
import tarfile
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.runtimes.compose import record
from trueup.runtimes.compose.carrier import OF_PROJECT, Carrier
from trueup.runtimes.compose.container import is_of_a_project
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.holding import Held, held_in, identity_of
from trueup.runtimes.compose.images import Images, Shelf
from trueup.runtimes.compose.labels import PROJECT, project_of
from trueup.runtimes.compose.record import Record
from trueup.runtimes.compose.stock import Stock, used_by
from trueup.toolkit.together import together

CONTAINERS: Final = "containers"
NETWORKS: Final = "networks"
VOLUMES: Final = "volumes"
IMAGES: Final = "images"
MOVING: Final = frozenset({CONTAINERS, NETWORKS, VOLUMES})
"""What a hand moves at any moment; images are looked at once for a batch."""
_ALL: Final = MOVING | {IMAGES}


@dataclass(frozen=True, slots=True)
class Shot:
    """The lists of an engine at one moment. ``summaries`` are containers as a list gives them; networks and volumes are by name."""

    summaries: tuple[Body, ...] = ()
    networks: Mapping[str, Body] = field(default_factory=dict)
    volumes: Mapping[str, Body] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=lambda: Shelf([]))

    def named(self, name: str) -> Body | None:
        """The container of this name."""
        return next((each for each in self.summaries if f"/{name}" in each["Names"]), None)

    @property
    def labelled(self) -> list[tuple[str, Mapping[str, str]]]:
        """Containers, networks and volumes, each with its labels."""
        containers = [(str(each["Id"]), each["Labels"] or {}) for each in self.summaries]
        listed = [*self.networks.items(), *self.volumes.items()]
        return [*containers, *((identity_of(name, body), body.get("Labels") or {}) for name, body in listed)]

    @property
    def projects(self) -> frozenset[str]:
        """The projects that have a record."""
        # One that an engine made together with its carrier has no label at all.
        named = {project_of(name) for name, each in self.volumes.items() if not each.get("Labels")}
        labelled = {str((each.get("Labels") or {}).get(OF_PROJECT, "")) for each in self.volumes.values()}
        return frozenset((named | labelled) - {""})


class Picture:
    """Everything that was asked for, and what of it is no longer sure."""

    def __init__(self, engine: Engine, images: Images) -> None:
        self.engine = engine
        self.images = images
        self.kept = False
        """Whether events keep it up to date; else everything is asked for each time."""
        self._shot = Shot()
        self._stale: set[str] = set(_ALL)
        self._inspected: dict[str, Body] = {}
        self._records: dict[str, Record] = {}
        self._loading: dict[str, object] = {}
        self._links: dict[str, frozenset[str]] = {}
        self._carriers: dict[str, Carrier] = {}
        self._looking = asyncio.Lock()
        self._contents: dict[tuple[str, str], bytes] = {}
        self._pepper = os.urandom(32)
        self._held: tuple[Shot, Held] | None = None

    def carrier(self, project: str) -> Carrier:
        """The way into a project's record volume."""
        return self._carriers.setdefault(project, Carrier(self.engine, project, self.images.keep))

    async def look(self, kinds: frozenset[str] = _ALL) -> Shot:
        """The lists, as they are now; those of other kinds as they were known. Raises Unreachable."""
        async with self._looking:
            stale = kinds & self._stale if self.kept else kinds
            if stale:
                self._stale -= stale
                try:
                    self._shot = await self._asked(stale)
                except BaseException:
                    self._stale |= stale
                    raise
            return self._shot

    async def inspect(self, identities: Iterable[str]) -> dict[str, Body]:
        """These containers in full; those that are gone meanwhile are left out."""
        asked = list(identities)
        missing = [each for each in asked if not self.kept or not self._inspected.get(each)]
        found = dict(zip(missing, await together(self._inspection(each) for each in missing), strict=True))
        known = {each: found.get(each) or (self._inspected.get(each) if self.kept else None) for each in asked}
        return {identity: body for identity, body in known.items() if body}

    async def holds(self, container: str, target: str, value: bytes) -> bool:
        """Whether a file of a container has this very content."""
        wanted = hmac.digest(self._pepper, value, "sha256")
        if self.kept and self._contents.get((container, target)) == wanted:
            return True
        self._contents[container, target] = b""
        found = await self._content(container, target)
        self._contents[container, target] = hmac.digest(self._pepper, found, "sha256") if found is not None else b""
        return hmac.compare_digest(self._contents[container, target], wanted)

    async def record(self, project: str, shot: Shot) -> Record:
        """What is remembered of a project."""
        return await self._record(project) if project in shot.projects else Record()

    async def written(self, project: str) -> Record | None:
        """The same as it is written now; None when there is nothing."""
        found = await self._record(project)
        return None if found == Record() else found

    async def links(self, project: str, shot: Shot) -> frozenset[str]:
        """The mounts of a project that lead to a version of their files."""
        if project not in shot.projects:
            return frozenset()
        if not self.kept or project not in self._links:
            self._links[project] = frozenset(await Delivery(self.carrier(project)).links())
        return self._links[project]

    async def records(self, shot: Shot) -> dict[str, Record]:
        """What is remembered of every project."""
        projects = sorted(shot.projects)
        return dict(zip(projects, await together(self.record(each, shot) for each in projects), strict=True))

    async def remember(self, project: str, kept: Record) -> None:
        """Write a project's record; it goes with the volume when there is nothing to be remembered."""
        if kept == Record():
            self.doubt(VOLUMES)
            self.forget_record(project)
            await self._clear(project)
            await self.carrier(project).remove()
            return
        if project not in self._shot.projects:
            self.doubt(VOLUMES)
        self.forget_record(project)
        await record.save(self.carrier(project), kept)
        # Whoever looked meanwhile may have seen the one before.
        self._loading.pop(project, None)
        self._records[project] = kept

    async def _clear(self, project: str) -> None:
        """With a project go the images that were brought for it."""
        if self.images.keep is not None:
            containers = await self._containers()
            with suppress(Refused):
                await Stock(self.carrier(project)).clear(used_by(containers))

    def held(self) -> Held:
        """What is whose, as far as it is known."""
        if self._held is None or self._held[0] is not self._shot:
            self._held = (self._shot, held_in(self._shot.labelled, self._records))
        return self._held[1]

    def doubt(self, *kinds: str, containers: Iterable[str] = ()) -> None:
        """These lists, or containers, are not as they were."""
        self._stale.update(kinds)
        if VOLUMES in kinds:
            self._links.clear()
        for identity in containers:
            self._stale.add(CONTAINERS)
            self._inspected.pop(identity, None)
            for place in [place for place in self._contents if place[0] == identity]:
                del self._contents[place]

    def forget_record(self, project: str) -> None:
        """A record, and what else is in its volume, is not as it was."""
        self._records.pop(project, None)
        self._loading.pop(project, None)
        self._links.pop(project, None)

    def keep(self, kept: bool) -> None:
        """From now on events keep it up to date, or no longer do."""
        self.kept = kept
        self._stale = set(_ALL)
        self._inspected.clear()
        self._contents.clear()
        self._links.clear()
        self._records.clear()
        self._loading.clear()

    async def _record(self, project: str) -> Record:
        if self.kept and project in self._records:
            return self._records[project]
        # As with containers: what is written meanwhile must not be overwritten by an older answer.
        mark = self._loading[project] = object()
        loaded = await record.load(self.carrier(project))
        if self._loading.get(project) is mark:
            self._records[project] = loaded
        return loaded

    async def _inspection(self, identity: str) -> Body | None:
        # What an event says of it meanwhile must not be overwritten by an older answer.
        mark: Body = {}
        self._inspected[identity] = mark
        try:
            body: Body = await self.engine.get(f"/containers/{identity}/json")
        except Absent:
            body = {}
        if self._inspected.get(identity) is mark:
            self._inspected.pop(identity)
            if body:
                self._inspected[identity] = body
        return body or None

    async def _content(self, container: str, target: str) -> bytes | None:
        try:
            archive = await self.engine.get_archive(container, target)
        except Absent:
            return None
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            member = opened.next()
            file = opened.extractfile(member) if member and member.isfile() else None
            return file.read() if file else None

    async def _asked(self, kinds: frozenset[str]) -> Shot:
        old = self._shot
        asked: list[Awaitable[Any]] = [
            self._containers() if CONTAINERS in kinds else _same(old.summaries),
            self._networks() if NETWORKS in kinds else _same(old.networks),
            self._volumes() if VOLUMES in kinds else _same(old.volumes),
            self.images.listed() if IMAGES in kinds else _same(old.shelf),
        ]
        containers, networks, volumes, shelf = await together(asked)
        gone = self._inspected.keys() - {str(each["Id"]) for each in containers}
        for identity in gone:
            self._inspected.pop(identity)
        return Shot(containers, networks, volumes, shelf)

    async def _containers(self) -> tuple[Body, ...]:
        return tuple(await self.engine.get("/containers/json", all=True))

    async def _networks(self) -> dict[str, Body]:
        return {str(each["Name"]): each for each in await self.engine.get("/networks")}

    async def _volumes(self) -> dict[str, Body]:
        return {str(each["Name"]): each for each in (await self.engine.get("/volumes"))["Volumes"] or ()}


def of_project(shot: Shot, projects: Iterable[str]) -> list[Body]:
    """The containers that are parts of these projects."""
    wanted = set(projects)
    return [each for each in shot.summaries if is_of_a_project(each["Labels"] or {}) and each["Labels"][PROJECT] in wanted]


async def _same(value: Any) -> Any:
    return value
