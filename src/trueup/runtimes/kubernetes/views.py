"""What of an application is in the cluster: asked when it is wanted."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from trueup.model.manifest import Key
from trueup.runtimes.kubernetes.client.discovery import Discovery, Resource
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import PART_OF
from trueup.runtimes.kubernetes.parent import Parent

# A list of one namespace costs the server less than one of all, and needs less rights; many lists cost more than one.
_FEW_NAMESPACES: Final = 5


class View(Protocol):
    """Where the live objects of an application are looked up."""

    async def members(self, parent: Parent) -> dict[Key, LiveObject]:
        """Everything that carries the label of its set. Raises Unreachable."""

    async def current(self, resource: Resource, key: Key) -> LiveObject | None:
        """One object, whoever it belongs to, as fresh as a look before a write must be; None when it is not there."""

    async def ours(self, resource: Resource, key: Key) -> LiveObject | None:
        """One object if it carries our label; whether another one is there may stay open."""

    async def follow(self, kinds: Iterable[Resource]) -> None:
        """Objects of these kinds are about to be ours. Raises Unreachable or Refused."""

    def wrote(self, resource: Resource, live: LiveObject) -> None:
        """An object is like this by now: we wrote it."""

    def went(self, resource: Resource, key: Key) -> None:
        """An object is gone: we deleted it."""


class Direct:
    """Asks the cluster each time: for commands that end soon."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def members(self, parent: Parent) -> dict[Key, LiveObject]:
        """One list for each kind that the parent names, or for each namespace where these are few."""
        found: dict[Key, LiveObject] = {}
        for resource in (await resources(self._cluster.discovery, parent.kinds)).values():
            for namespace in scopes(resource, parent):
                async for body in self._cluster.list(resource, namespace, f"{PART_OF}={parent.marks.id}"):
                    live = LiveObject(body)
                    found[live.key] = live
        return found

    async def current(self, resource: Resource, key: Key) -> LiveObject | None:
        """One request."""
        return await self._cluster.look(resource, key.namespace, key.name)

    async def ours(self, resource: Resource, key: Key) -> LiveObject | None:
        """The same."""
        return await self.current(resource, key)

    async def follow(self, kinds: Iterable[Resource]) -> None:
        """Nothing is followed."""

    def wrote(self, resource: Resource, live: LiveObject) -> None:
        """Nothing is kept."""

    def went(self, resource: Resource, key: Key) -> None:
        """Nothing is kept."""


async def resources(discovery: Discovery, kinds: frozenset[str]) -> Mapping[str, Resource]:
    """The kinds that the cluster (still) knows, of those that a parent names; each in the version that the server prefers."""
    found = {}
    for group_kind in sorted(kinds):
        kind, _, group = group_kind.partition(".")
        resource = await discovery.find(group, kind)
        if resource is not None:
            found[group_kind] = resource
    return found


def scopes(resource: Resource, parent: Parent) -> tuple[str, ...]:
    """The namespaces that are listed one by one; an empty one stands for all of them."""
    if not resource.namespaced or len(parent.namespaces) > _FEW_NAMESPACES:
        return ("",)
    return tuple(sorted(parent.namespaces)) or ("",)
