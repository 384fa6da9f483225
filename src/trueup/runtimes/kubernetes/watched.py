"""What of a repository is in the cluster, kept up to date by one watch for each kind that is in use."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from trueup.model.contracts import Lost, Moved
from trueup.model.errors import Refused, Unreachable
from trueup.model.health import State
from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.watching import Broken, Happened, Kind, Listed, Resumed, Unserved, Watching
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.fields import Managed
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import OWNER, SET_ID, labels, owner_in, repository_label
from trueup.runtimes.kubernetes.parent import CONFIG_MAPS, Parent
from trueup.runtimes.kubernetes.shelf import Shelf, packed
from trueup.runtimes.kubernetes.views import Direct, resources

# A watch that breaks is back in a moment; a plan rather waits for that than to say that the cluster is not there.
_PATIENCE_SECONDS: Final = 5.0
_FIRST_LIST_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0


class Follower:
    """Keeps the shelf of one kind up to date, by one watch for each scope: a namespace, or (empty) the whole cluster."""

    def __init__(self, cluster: Cluster, resource: Resource, scopes: tuple[str, ...], judge: Callable[[Body], State]) -> None:
        self.resource = resource
        self.shelf = Shelf(resource, judge)
        self._cluster = cluster
        self._scopes = scopes
        self._waiting: dict[str, Unreachable | Refused | None] = dict.fromkeys(scopes)
        self._noted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, selector: str, told: "asyncio.Queue[Moved | Lost]") -> None:
        """Begin to watch."""
        name = f"watch {self.resource.plural}"
        self._tasks = [asyncio.create_task(self._follow(scope, selector, told), name=name) for scope in self._scopes]

    async def end(self) -> None:
        """Watch no longer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_fresh(self) -> bool:
        """Whether the shelf is up to date."""
        return not self._waiting and not self._failed

    @property
    def _failed(self) -> list[asyncio.Task[None]]:
        """What ended by a fault of ours, and not because the watch was left."""
        return [task for task in self._tasks if task.done() and not task.cancelled()]

    @property
    def is_served(self) -> bool:
        """Whether the cluster serves the kind, as far as is known."""
        return not any(isinstance(error, Unserved) for error in self._waiting.values())

    async def fresh(self) -> Shelf:
        """The shelf, once it is up to date. Raises what keeps it from being so."""
        begun = time.monotonic()
        while not self.is_fresh:
            self._noted.clear()
            for task in self._failed:
                task.result()  # what is not watched any more must not look as if it were
            error = next((each for each in self._waiting.values() if each), None)
            left = begun + (_PATIENCE_SECONDS if error else _FIRST_LIST_SECONDS) - time.monotonic()
            if left <= 0:
                raise error or Unreachable(f"the list of {self.resource.plural} does not come", where=self._cluster.server)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._noted.wait(), left)
        return self.shelf

    async def _follow(self, scope: str, selector: str, told: "asyncio.Queue[Moved | Lost]") -> None:
        known = False
        async for event in Watching(self._cluster.connection, self.resource, scope, selector).events():
            match event:
                case Broken() | Resumed():
                    self._note(scope, event)
                case Listed(items) if not known:
                    # What the first list holds did not move: it was there.
                    known = True
                    for item in items:
                        self.shelf.put(item)
                case Listed(items):
                    for moved in await self._take_all(items, scope):
                        told.put_nowait(moved)
                case Happened(Kind.DELETED, item):
                    for moved in await self._take_gone(self.shelf.key_of(item)):
                        told.put_nowait(moved)
                case Happened(_, item):
                    for moved in self._take(item):
                        told.put_nowait(moved)

    def _note(self, scope: str, event: Broken | Resumed) -> None:
        if isinstance(event, Resumed):
            self._waiting.pop(scope, None)
        else:
            self._waiting[scope] = event.error
            if not self.is_served:
                self._cluster.discovery.forget()
        self._noted.set()

    async def _take_all(self, items: list[bytes], scope: str) -> list[Moved]:
        moved = [each for item in items for each in self._take(item)]
        for key in self.shelf.without(map(self.shelf.key_of, items)):
            if not scope or key.namespace == scope:
                moved += await self._take_gone(key)
        return moved

    def _take(self, item: bytes) -> list[Moved]:
        step = self.shelf.put(item)
        live = self.shelf.moved(step) if step else None
        owner = owner_in(live.body) if live else None
        last = _last(live.managers) if live else None
        if live is None or owner is None or (last is not None and last.ours):
            return []
        return [Moved(owner, live.key, last.manager if last else "")]

    async def _take_gone(self, key: Key) -> list[Moved]:
        """A label that was taken off looks the same as a deletion: look, before it is believed."""
        known = self.shelf.get(key)
        if known is None:
            return []
        owner = owner_in(known.body)
        found = await self._found(key)
        if found is None:
            self.shelf.drop(key)
        else:
            self.shelf.put(packed(found))
        return [Moved(owner, key)] if owner else []

    async def _found(self, key: Key) -> LiveObject | None:
        """What is there under a name. A server that does not answer is asked again; one that may not be asked is believed."""
        while True:
            try:
                return await self._cluster.look(self.resource, key.namespace, key.name)
            except Refused:
                return None
            except Unreachable:
                await asyncio.sleep(_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class Places:
    """The namespaces that are watched one by one (an empty one stands for all), and the one of our own records."""

    namespaces: tuple[str, ...]
    own: str

    def of(self, resource: Resource) -> tuple[str, ...]:
        """Where a kind is watched: our records are ConfigMaps, and nothing else is looked for beside them."""
        if not resource.namespaced or "" in self.namespaces:
            return ("",)
        records = resource.group_kind == CONFIG_MAPS.group_kind
        return tuple(dict.fromkeys([*self.namespaces, *([self.own] if records else [])]))


class Watched:
    """Everything of one repository; what is another's, or nobody's, is asked for."""

    def __init__(self, cluster: Cluster, repository: str, places: Places, judge: Callable[[Body], State]) -> None:
        self._cluster = cluster
        self._direct = Direct(cluster)
        self._selector = f"{OWNER}={repository_label(repository)}"
        self._places = places
        self._judge = judge
        self._followers: dict[tuple[str, str], Follower] = {}
        self._told: asyncio.Queue[Moved | Lost] = asyncio.Queue()

    async def parents(self) -> list[Parent]:
        """The parent of every set of this repository. Raises Unreachable or Refused."""
        shelf = await self._follower(CONFIG_MAPS).fresh()
        # A member is in a set and need not be unpacked; a parent is in none.
        read = [Parent.read(live) for live in shelf.of_set("") if live.key.namespace == self._places.own and SET_ID in labels(live.body)]
        return [parent for parent in read if parent is not None]

    async def begin(self) -> frozenset[str]:
        """Watch every kind that a parent names; those that the cluster no longer knows. Raises Unreachable or Refused."""
        kinds = frozenset(kind for parent in await self.parents() for kind in parent.kinds)
        known = await resources(self._cluster.discovery, kinds)
        await self.follow(known.values())
        return kinds - known.keys()

    async def moves(self) -> AsyncIterator[Moved | Lost]:
        """What moves, from now on."""
        while True:
            yield await self._told.get()

    async def members(self, parent: Parent) -> dict[Key, LiveObject]:
        """Everything that carries the label of its set, also of kinds that the parent no longer names. Raises Unreachable or Refused."""
        await self.follow((await resources(self._cluster.discovery, parent.kinds)).values())
        # A kind that may not be watched, or went, is the trouble of the applications that name it, and of no other.
        shelves = [follower.shelf for follower in self._followers.values() if follower.is_fresh]
        return {live.key: live for shelf in shelves for live in shelf.of_set(parent.marks.id)}

    async def current(self, resource: Resource, key: Key) -> LiveObject | None:
        """One object: as it is known, else asked for."""
        follower = self._following(resource)
        known = (await follower.fresh()).get(key) if follower else None
        return known or await self._direct.current(resource, key)

    async def ours(self, resource: Resource, key: Key) -> LiveObject | None:
        """One object that carries our label."""
        return (await self._follower(resource).fresh()).get(key)

    async def follow(self, kinds: Iterable[Resource]) -> None:
        """Begin to watch these kinds, all at once, and wait until they are known."""
        for follower in [await self._served(resource) for resource in kinds]:
            await follower.fresh()

    def wrote(self, resource: Resource, live: LiveObject) -> None:
        """What we wrote ourselves is known at once."""
        if follower := self._following(resource):
            follower.shelf.put(packed(live), live)

    def went(self, resource: Resource, key: Key) -> None:
        """What we deleted ourselves is gone at once."""
        if follower := self._following(resource):
            follower.shelf.drop(key)

    async def close(self) -> None:
        """End all watches."""
        for follower in self._followers.values():
            await follower.end()

    async def _served(self, resource: Resource) -> Follower:
        """Who follows a kind that the cluster knows: one that went and came back is followed anew."""
        follower = self._follower(resource)
        if follower.is_served:
            return follower
        del self._followers[resource.group, resource.kind]
        await follower.end()
        return self._follower(resource)

    def _following(self, resource: Resource) -> Follower | None:
        """Who follows this kind, in this very version."""
        follower = self._followers.get((resource.group, resource.kind))
        return follower if follower and follower.resource.version == resource.version else None

    def _follower(self, resource: Resource) -> Follower:
        name = (resource.group, resource.kind)
        if name not in self._followers:
            follower = self._followers[name] = Follower(self._cluster, resource, self._places.of(resource), self._judge)
            follower.start(self._selector, self._told)
        return self._followers[name]


def _last(managers: Iterable[Managed]) -> Managed | None:
    """Who wrote last, as far as it can be told: times are whole seconds."""
    return max(managers, key=lambda each: (each.time, not each.ours), default=None)
