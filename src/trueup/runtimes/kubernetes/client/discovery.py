"""Which kinds a cluster knows, and where the objects of a kind are. Asked once, and again when an unknown kind shows up."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from trueup.model.errors import Refused
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.request import Request

_AGGREGATED = ",".join(
    [
        *(f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")),
        "application/json",
    ]
)
# A kind that is not there is not asked for again and again while a person mends a manifest.
_CALM_SECONDS = 1.0


class Resource(msgspec.Struct, frozen=True):
    """A kind in one version: where its objects are, and what can be done with them."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        """As a manifest writes it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> str:
        """``Kind.group``, as an ApplySet writes it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of an object, or without a name of all in a namespace, or without both of all there are."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{within}/{self.plural}" + (f"/{quote(name, safe=':')}" if name else "")


class Discovery:
    """The kinds of one cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._versions: Mapping[tuple[str, str], tuple[Resource, ...]] = {}
        self._asked = float("-inf")
        self._turn = asyncio.Lock()

    async def find(self, group: str, kind: str, version: str = "") -> Resource | None:
        """A kind, in the version that is named or else in the one that the server prefers; None when the cluster does not know it."""
        return self._known(group, kind, version) or await self._look_again(group, kind, version)

    def forget(self) -> None:
        """The kinds may have changed: ask again, however short ago the last time was."""
        self._versions = {}
        self._asked = float("-inf")

    async def api_versions(self) -> tuple[str, ...]:
        """Every group and version that is served now, and every kind in it (``apps/v1``, ``apps/v1/Deployment``), sorted."""
        async with self._turn:
            await self._ask()
        found = [each for versions in self._versions.values() for each in versions]
        return tuple(sorted({name for each in found for name in (each.api_version, f"{each.api_version}/{each.kind}")}))

    def _known(self, group: str, kind: str, version: str) -> Resource | None:
        found = self._versions.get((group, kind), ())
        return next((each for each in found if version in ("", each.version)), None)

    async def _look_again(self, group: str, kind: str, version: str) -> Resource | None:
        async with self._turn:
            known = self._known(group, kind, version)
            if known is not None or time.monotonic() - self._asked < _CALM_SECONDS:
                return known
            await self._ask()
            return self._known(group, kind, version)

    async def _ask(self) -> None:
        versions: dict[tuple[str, str], list[Resource]] = {}
        for root in ("/api", "/apis"):
            for resource in await self._resources(root):
                versions.setdefault((resource.group, resource.kind), []).append(resource)
        self._versions = {name: tuple(each) for name, each in versions.items()}
        self._asked = time.monotonic()

    async def _resources(self, root: str) -> list[Resource]:
        content = await self._get(root)
        if content.get("kind") == "APIGroupDiscoveryList":
            return list(_aggregated(content))
        return [resource for path, group in _listed(root, content) for resource in _plain(await self._get(path), group)]

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self._connection.ask(Request("GET", path, accept=_AGGREGATED))
        if answer.refusal:
            if answer.refusal.code == 404 or answer.status == 404:
                return {}
            raise Refused(f"the API server does not tell its kinds: {answer.refusal.message}", where=self._connection.access.server)
        return answer.object


def _aggregated(content: Mapping[str, Any]) -> Iterator[Resource]:
    for group in content.get("items") or ():
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions") or ():
            for each in version.get("resources") or ():
                kind = each.get("responseKind", {})
                # The kind of a subresource's parent may be another group's; what is applied is always the resource itself.
                namespaced = each.get("scope") == "Namespaced"
                yield Resource(
                    name, version["version"], kind.get("kind", ""), each["resource"], namespaced, frozenset(each.get("verbs") or ())
                )


def _listed(root: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The paths of all group versions, the preferred one of each group first, for servers that do not aggregate."""
    if root == "/api":
        yield from ((f"/api/{version}", "") for version in content.get("versions") or ())
        return
    for group in content.get("groups") or ():
        preferred = group.get("preferredVersion", {}).get("groupVersion")
        others = [each["groupVersion"] for each in group.get("versions") or () if each["groupVersion"] != preferred]
        yield from ((f"/apis/{version}", group["name"]) for version in [*([preferred] if preferred else []), *others])


def _plain(content: Mapping[str, Any], group: str) -> Iterator[Resource]:
    version = str(content.get("groupVersion", "")).rpartition("/")[2]
    for each in content.get("resources") or ():
        if "/" not in each["name"]:
            yield Resource(group, version, each["kind"], each["name"], bool(each["namespaced"]), frozenset(each.get("verbs") or ()))
