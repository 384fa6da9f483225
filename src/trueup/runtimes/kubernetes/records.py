"""The parents of all sets at a target: read, written, remembered."""

from typing import Any

from trueup.model.contracts import Owner
from trueup.model.errors import Refused
from trueup.runtimes.kubernetes.client.request import Answer, Reason
from trueup.runtimes.kubernetes.cluster import Cluster, Lock
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import OWNER, SET_ID, Marks
from trueup.runtimes.kubernetes.parent import CONFIG_MAPS, NAMESPACES, Parent
from trueup.runtimes.kubernetes.refusals import lacks_namespace
from trueup.runtimes.kubernetes.views import View


class Records:
    """Reads and writes parents, and remembers what was read or written last."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._known: dict[Owner, Parent | None] = {}

    async def find(self, marks: Marks, view: View) -> Parent | None:
        """The parent of an application as it is now. Raises Unreachable, and Refused when another tool keeps it."""
        live = await view.ours(CONFIG_MAPS, marks.parent_key)
        found = Parent.read(live) if live else None
        self._known[marks.owner] = found
        return found

    async def known(self, marks: Marks, view: View) -> Parent | None:
        """The same, asked only once."""
        return self._known[marks.owner] if marks.owner in self._known else await self.find(marks, view)

    async def all(self) -> list[Parent]:
        """Every parent at this target."""
        listed = self._cluster.list(CONFIG_MAPS, self._namespace, f"{SET_ID},{OWNER}")
        read = [Parent.read(LiveObject(body)) async for body in listed]
        return [parent for parent in read if parent is not None]

    async def write(self, parent: Parent, view: View) -> None:
        """Make it so; nothing is asked when it is so already. Raises Refused when it may not be written."""
        owner = parent.marks.owner
        known = self._known.pop(owner, None)
        if known != parent:
            answer = await self._written(parent, new=known is None)
            if answer.refusal:
                raise self._cluster.refused(f"the record of {owner} cannot be written to {parent.marks.own_namespace}", answer)
            view.wrote(CONFIG_MAPS, LiveObject(answer.object))
        self._known[owner] = parent

    async def erase(self, marks: Marks, view: View) -> None:
        """Take the record away."""
        live = await view.current(CONFIG_MAPS, marks.parent_key)
        if live is not None:
            answer = await self._cluster.delete(CONFIG_MAPS, live)
            if answer.refusal and not answer.says(Reason.NOT_FOUND):
                raise self._cluster.refused(f"the record of {marks.owner} cannot be deleted", answer)
            view.went(CONFIG_MAPS, marks.parent_key)
        self._known[marks.owner] = None

    async def _written(self, parent: Parent, new: bool) -> Answer:
        answer = await self._try(parent, new)
        if lacks_namespace(answer):
            await self._make_namespace(parent.marks.own_namespace)
            answer = await self._try(parent, new)
        if new and answer.says(Reason.CONFLICT):
            # It is there all the same: ours since a moment, without our label, or another tool's.
            live = await self._cluster.look(CONFIG_MAPS, parent.marks.own_namespace, parent.marks.parent)
            if live is not None and Parent.read(live) is None:
                message = f"the ConfigMap {live.key} is in the way of the record of {parent.marks.owner}"
                raise Refused(message, key=str(live.key), hint="delete it, or name another `namespace` in the target")
            return await self._try(parent, new=False)
        return answer

    async def _try(self, parent: Parent, new: bool) -> Answer:
        if new:
            return await self._cluster.write(CONFIG_MAPS, parent.body, Lock())
        return await self._cluster.apply(CONFIG_MAPS, parent.body)

    async def _make_namespace(self, name: str) -> None:
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        answer = await self._cluster.apply(NAMESPACES, body)
        if answer.refusal:
            raise self._cluster.refused(f"the namespace {name} for our own records cannot be made", answer)
