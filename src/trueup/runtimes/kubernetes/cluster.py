"""What is asked of a cluster, in our words: look, try, write, delete, list."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.discovery import Discovery, Resource
from trueup.runtimes.kubernetes.client.request import APPLY, JSON_PATCH, Answer, Request
from trueup.runtimes.kubernetes.fields import MANAGER
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import metadata

PAGE: Final = "500"
_EXPIRED: Final = 410
_NOT_FOUND: Final = 404
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
# No object that is there has it: the first write to a cluster is later. An apply that says it makes an object, or conflicts.
_NEVER: Final = "1"


@dataclass(frozen=True, slots=True)
class Lock:
    """Which state of an object may be written to: its identity, and the version that was looked at. Neither: only one that is not there."""

    uid: str = ""
    resource_version: str = ""

    @classmethod
    def of(cls, live: LiveObject | None) -> "Lock":
        """The lock of an object as it was seen."""
        return cls(live.uid, live.resource_version) if live else cls()


class Page(msgspec.Struct, frozen=True):
    """One page of a list."""

    class Metadata(msgspec.Struct, frozen=True, rename="camel"):
        """Where the next one begins, and of which moment the list is."""

        resource_version: str = ""
        next_page: str = msgspec.field(name="continue", default="")

    metadata: Metadata = Metadata()
    items: tuple[msgspec.Raw, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, spoken to in somebody's name (empty: our own)."""

    connection: Connection
    discovery: Discovery
    actor: str = ""

    @property
    def server(self) -> str:
        """The API server's address."""
        return self.connection.access.server

    @property
    def namespace(self) -> str:
        """Where objects are that name no namespace."""
        return self.connection.access.namespace

    def acting(self, actor: str) -> "Cluster":
        """The same in somebody's name."""
        return replace(self, actor=actor)

    async def look(self, resource: Resource, namespace: str, name: str) -> LiveObject | None:
        """An object as it is; None when it is not there, nor is its kind. Raises Refused when we may not look."""
        answer = await self.ask(Request("GET", resource.path(namespace, name)))
        if answer.status == _NOT_FOUND:
            return None
        if answer.refusal:
            raise self.refused(f"{resource.group_kind}/{name} may not be looked at", answer)
        return LiveObject(answer.object)

    async def try_out(self, resource: Resource, body: Body) -> Answer:
        """What an apply would make of an object; nothing is changed."""
        return await self.ask(self._apply(resource, body).within(dryRun="All"))

    async def write(self, resource: Resource, body: Body, lock: Lock) -> Answer:
        """Apply an object, if it still is what was looked at; a conflict says that it is not."""
        held = {"resourceVersion": lock.resource_version or _NEVER, **({"uid": lock.uid} if lock.uid else {})}
        return await self.ask(self._apply(resource, {**body, "metadata": {**metadata(body), **held}}))

    async def apply(self, resource: Resource, body: Body) -> Answer:
        """Apply an object that nobody else writes, whatever it is."""
        return await self.ask(self._apply(resource, body))

    async def try_edit(self, resource: Resource, live: LiveObject, operations: Sequence[dict[str, Any]]) -> Answer:
        """What an edit would make of an object; nothing is changed."""
        return await self.ask(self._edit(resource, live, operations).within(dryRun="All"))

    async def edit(self, resource: Resource, live: LiveObject, operations: Sequence[dict[str, Any]]) -> Answer:
        """Change single fields of an object (a JSON patch), if it still is what was looked at."""
        return await self.ask(self._edit(resource, live, operations))

    def _edit(self, resource: Resource, live: LiveObject, operations: Sequence[dict[str, Any]]) -> Request:
        path = resource.path(live.key.namespace, live.key.name)
        lock = [
            {"op": "test", "path": "/metadata/uid", "value": live.uid},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version},
        ]
        return Request("PATCH", path, {"fieldManager": MANAGER}, [*lock, *operations], content_type=JSON_PATCH)

    async def delete(self, resource: Resource, live: LiveObject) -> Answer:
        """Delete an object, if it still is what was looked at; what it made goes in the background."""
        conditions = {"uid": live.uid, "resourceVersion": live.resource_version}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": conditions}
        return await self.ask(Request("DELETE", resource.path(live.key.namespace, live.key.name), body=options))

    async def list(self, resource: Resource, namespace: str, selector: str, accept: str = "") -> AsyncIterator[Body]:
        """All objects with these labels, in one namespace or (empty) in all. None when the kind is gone. Raises Refused.

        Where the server no longer knows the moment of which the first pages were, it begins anew; nothing is given twice.
        """
        request = Request("GET", resource.path(namespace), {"labelSelector": selector, "limit": PAGE})
        request = replace(request, accept=accept) if accept else request
        place, given = "", set[str]()
        while True:
            answer = await self.ask(request.within(**{"continue": place}) if place else request)
            if answer.status == _NOT_FOUND:
                return
            if place and answer.status == _EXPIRED:
                place = ""
                continue
            if answer.refusal:
                raise self.refused(f"{resource.plural} may not be listed", answer)
            page = answer.read(Page)
            for item in page.items or ():
                body: Body = msgspec.json.decode(item)
                if metadata(body)["uid"] in given:
                    continue
                given.add(metadata(body)["uid"])
                yield {**body, "apiVersion": resource.api_version, "kind": resource.kind}
            place = page.metadata.next_page
            if not place:
                return

    async def version(self) -> str:
        """The version of Kubernetes, such as ``v1.31.2``. Raises Refused."""
        answer = await self.ask(Request("GET", "/version"))
        if answer.refusal:
            raise self.refused("the version may not be asked for", answer)
        return str(answer.object.get("gitVersion") or "")

    async def ask(self, request: Request) -> Answer:
        """Ask in our name. Raises Unreachable."""
        return await self.connection.ask(replace(request, actor=self.actor) if self.actor else request)

    def refused(self, what: str, answer: Answer) -> Refused:
        """The server's no as an error."""
        words = answer.refusal.message if answer.refusal else ""
        who = f" to {self.actor}" if self.actor else ""
        return Refused(f"{what}: {words}", where=self.server, hint=f"grant it{who} by a role of the cluster")

    def _apply(self, resource: Resource, body: Body) -> Request:
        named = metadata(body)
        path = resource.path(str(named.get("namespace") or ""), str(named["name"]))
        # What Git says wins over other managers; from whom it is taken is told in the plan. A field that the kind does not have is refused.
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        return Request("PATCH", path, query, body, content_type=APPLY)
