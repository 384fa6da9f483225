"""Plan, apply and health of one cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import TypeVar

from trueup.model import wire
from trueup.model.application import Policy, Target
from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner
from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, plan_of
from trueup.model.run import Outcome
from trueup.runtimes.kubernetes.cluster import METADATA_ONLY, Cluster
from trueup.runtimes.kubernetes.concealing import concealed
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.logs import logs
from trueup.runtimes.kubernetes.marks import OWNER, PART_OF, Marks, owner_in
from trueup.runtimes.kubernetes.parent import Parent, Parents, group_kind
from trueup.runtimes.kubernetes.planning import FIRST, actions_of, refuse
from trueup.runtimes.kubernetes.target import Specification
from trueup.runtimes.kubernetes.touches import touches_of
from trueup.runtimes.kubernetes.trial import UNLOOKED, Trial, Trials
from trueup.runtimes.kubernetes.views import Direct, View, resources
from trueup.runtimes.kubernetes.wanted import Wanted, completed, distinct
from trueup.runtimes.kubernetes.writing import Writer

T = TypeVar("T")


class KubernetesRuntime:
    """One cluster, for the applications of one repository."""

    def __init__(self, target: Target, specification: Specification, cluster: Cluster) -> None:
        self._target = target
        self._specification = specification
        self._cluster = cluster
        self._parents = Parents(cluster, specification.namespace)
        self._view: View = Direct(cluster)

    # ------------------------------------------------------------------ what is ours

    async def owned(self) -> list[Owned]:
        """What carries our mark: one list of parents, and one of names and labels for each kind that they hold."""
        parents = await self._parents.all()
        keys: dict[Owner, list[Key]] = {parent.marks.owner: [] for parent in parents}
        ids = {parent.marks.owner: parent.marks for parent in parents}
        kinds = frozenset(kind for parent in parents for kind in parent.kinds)
        for resource in (await resources(self._cluster.discovery, kinds)).values():
            async for body in self._cluster.list(resource, "", f"{OWNER},{PART_OF}", METADATA_ONLY):
                owner = owner_in(body)
                if owner in ids and ids[owner].holds(body):
                    keys[owner].append(LiveObject(body).key)
        return [Owned(parent.marks.owner, parent.revision, tuple(keys[parent.marks.owner]), parent.policy) for parent in parents]

    # ------------------------------------------------------------------ plan

    async def plan(self, desired: Desired) -> Plan:
        """The server's own dry run, compared with what is live."""
        marks, application = self._marks(desired), desired.application
        wanted = await self._wanted(desired, marks)
        parent = await self._parents.find(marks)
        members = await self._view.members(parent) if parent else {}
        trials = await self._trials(desired, list(wanted.values()), members)
        refuse(trials, application.name)
        leaving = [live for key, live in members.items() if key not in wanted and marks.holds(live.body)]
        actions = actions_of(desired, trials, leaving, marks)
        return plan_of(application.name, self._target.name, application.repository, desired.revision, actions)

    async def _wanted(self, desired: Desired, marks: Marks) -> dict[Key, Wanted]:
        found = []
        for manifest in desired.manifests:
            group, _, version = str(manifest.body["apiVersion"]).rpartition("/")
            resource = await self._cluster.discovery.find(group, str(manifest.body["kind"]), version)
            key, body = completed(manifest, resource, self._cluster.namespace)
            found.append(Wanted(key, body, manifest, resource, marks, desired.application.spec.ignore))
        return distinct(desired, found)

    async def _trials(self, desired: Desired, wanted: Sequence[Wanted], members: Mapping[Key, LiveObject]) -> list[Trial]:
        """Namespaces and new kinds first: what they make cannot be tried out before it is there."""
        cluster = self._acting(desired)
        first = [each for each in wanted if (each.key.group, each.key.kind) in FIRST]
        early = Trials(cluster, desired.revision)
        tried = await _together(early.of(each, members.get(each.key, UNLOOKED)) for each in first)
        coming = frozenset(name for trial in tried if trial.live is None for name in _made_by(trial))
        late = Trials(cluster, desired.revision, coming)
        rest = [each for each in wanted if each not in first]
        tried += await _together(late.of(each, members.get(each.key, UNLOOKED)) for each in rest)
        by_key = {trial.wanted.key: trial for trial in tried}
        return [by_key[each.key] for each in wanted]

    # ------------------------------------------------------------------ apply

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Write, each object under its own lock, as many at once as the cluster is to be asked."""
        marks = self._marks(desired)
        wanted = await self._wanted(desired, marks)
        if not desired.removed:
            await self._declare(desired, marks, [action.key for action in actions if action.desired], wanted)
        writer = Writer(self._acting(desired), self._view, marks, desired)
        async for outcome in _as_they_come(self._carry_out(writer, wanted.get(action.key), action) for action in actions):
            yield outcome
        if desired.removed:
            await self._undeclare(marks)

    async def _carry_out(self, writer: Writer, wanted: Wanted | None, action: Action) -> Outcome:
        resource = wanted.resource if wanted else await self._cluster.discovery.find(action.key.group, action.key.kind)
        if resource is None:
            return Outcome(action.key, action.verb, "failed", f"the cluster does not know the kind {group_kind(action.key)}")
        outcome, _ = await writer.carry_out(action, resource, wanted)
        return outcome

    async def _declare(self, desired: Desired, marks: Marks, keys: Iterable[Key], wanted: Mapping[Key, Wanted]) -> None:
        """The parent names every kind and namespace before the first member is written."""
        known = await self._parents.known(marks)
        parent = known or Parent(marks)
        policy: Policy = desired.application.policy
        updated = Parent(marks, desired.revision, policy, parent.kinds, parent.namespaces).holding(keys)
        if updated.kinds or wanted:
            await self._parents.write(updated)

    async def _undeclare(self, marks: Marks) -> None:
        """The parent of an application that is gone goes with its last member."""
        parent = await self._parents.known(marks)
        if parent is None:
            return
        members = await self._view.members(parent)
        if not any(marks.holds(live.body) for live in members.values()):
            await self._parents.erase(marks)

    # ------------------------------------------------------------------ health and looks

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """What the objects say of themselves, of that very version."""
        found = await _together(self._live(key) for key in versions)
        return {key: _health(live, version) for (key, version), live in zip(versions.items(), found, strict=True)}

    def watch(self) -> AsyncIterator[Moved | Lost] | None:
        """Not yet."""
        return None

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """The object as the server gives it, secrets masked."""
        found = await self._live(key)
        if found is None:
            return None
        body = concealed(found.body)
        body["metadata"] = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
        return Live(wire.plain(body), found.revision, touches_of(found))

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """The log of a workload's pods."""
        found = await self._live(key)
        if found is None:
            raise Refused(f"{key} keeps no log: it is not there", key=str(key), where=self._target.name)
        async for line in logs(self._cluster, found, follow):
            yield line

    async def close(self) -> None:
        """Let go of the connections."""
        await self._cluster.connection.close()

    async def _live(self, key: Key) -> LiveObject | None:
        resource = await self._cluster.discovery.find(key.group, key.kind)
        return await self._view.current(resource, key) if resource else None

    def _marks(self, desired: Desired) -> Marks:
        return Marks(Owner(desired.application.repository, desired.application.name), self._specification.namespace)

    def _acting(self, desired: Desired) -> Cluster:
        application = desired.application
        names = {"application": application.name, "namespace": application.spec.namespace}
        account = self._specification.impersonate.format(**names) if self._specification.impersonate else ""
        return self._cluster.acting(f"system:serviceaccount:{account}" if account else "")


def _made_by(trial: Trial) -> list[str]:
    """What others in the same plan may wait for: the namespace, or the kind."""
    if trial.wanted.key.kind == "Namespace":
        return [f"namespace {trial.wanted.key.name}"]
    specification = trial.wanted.body.get("spec") or {}
    return [f"kind {specification.get('names', {}).get('kind')}.{specification.get('group')}"]


def _health(live: LiveObject | None, version: str) -> Health:
    if live is None:
        return Health(State.MISSING, "it is not there")
    if version and live.version != version:
        return Health(State.UNKNOWN, "another version was written since")
    return Health(State.HEALTHY)


async def _together(questions: Iterable[Awaitable[T]]) -> list[T]:
    """All answers; the first failure ends the others."""
    tasks = [asyncio.ensure_future(each) for each in questions]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _as_they_come(questions: Iterable[Awaitable[T]]) -> AsyncIterator[T]:
    tasks = [asyncio.ensure_future(each) for each in questions]
    try:
        for next_one in asyncio.as_completed(tasks):
            yield await next_one
    finally:
        for task in tasks:
            task.cancel()
