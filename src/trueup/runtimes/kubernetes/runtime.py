"""Plan, apply and health of one cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from trueup.model import wire
from trueup.model.application import Target
from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner
from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, plan_of
from trueup.model.run import Outcome
from trueup.runtimes.kubernetes.cluster import METADATA_ONLY, Cluster
from trueup.runtimes.kubernetes.concealing import concealed
from trueup.runtimes.kubernetes.health import Rules
from trueup.runtimes.kubernetes.hooks import DeletePolicy, options_of
from trueup.runtimes.kubernetes.judging import Judge
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.logs import logs
from trueup.runtimes.kubernetes.marks import OWNER, PART_OF, Marks, owner_in
from trueup.runtimes.kubernetes.parent import Parent, group_kind
from trueup.runtimes.kubernetes.planner import Limits, Planner
from trueup.runtimes.kubernetes.planning import in_turn
from trueup.runtimes.kubernetes.records import Records
from trueup.runtimes.kubernetes.settled import Settled
from trueup.runtimes.kubernetes.target import Specification
from trueup.runtimes.kubernetes.touches import touches_of
from trueup.runtimes.kubernetes.views import Direct, View, resources
from trueup.runtimes.kubernetes.wanted import Wanted
from trueup.runtimes.kubernetes.watched import Places, Watched
from trueup.runtimes.kubernetes.writing import Writer, refused
from trueup.toolkit.together import as_they_come, together


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a target has beside its cluster: limits, what is remembered of its objects, and how they are judged."""

    limits: Limits
    settled: Settled
    rules: Rules


class KubernetesRuntime:
    """One cluster, for the applications of one repository."""

    def __init__(self, target: Target, specification: Specification, cluster: Cluster, keeping: Keeping) -> None:
        self._target = target
        self._specification = specification
        self._cluster = cluster
        self._limits = keeping.limits
        self._records = Records(cluster, specification.namespace)
        self._settled = keeping.settled
        self._rules = keeping.rules
        self._judge = Judge(cluster, self._rules)
        self._direct = Direct(cluster)
        self._watched: Watched | None = None

    @property
    def namespace(self) -> str:
        """Where an object is that names no namespace, nor does its application."""
        return self._cluster.namespace

    async def owned(self) -> list[Owned]:
        """What carries our mark: one list of parents, and one of names and labels for each kind that they hold.

        While the cluster is watched nothing is asked, and only what is the repository's of this target is told.
        """
        if self._watched is not None:
            return await self._owned_as_watched(self._watched)
        parents = await self._records.all()
        keys: dict[Owner, list[Key]] = {parent.marks.owner: [] for parent in parents}
        marks = {parent.marks.owner: parent.marks for parent in parents}
        kinds = frozenset(kind for parent in parents for kind in parent.kinds)
        for resource in (await resources(self._cluster.discovery, kinds)).values():
            for namespace in self._scopes if resource.namespaced else ("",):
                async for body in self._cluster.list(resource, namespace, f"{OWNER},{PART_OF}", METADATA_ONLY):
                    owner = owner_in(body)
                    if owner in marks and marks[owner].holds(body):
                        keys[owner].append(LiveObject(body).key)
        return [Owned(parent.marks.owner, parent.revision, tuple(keys[parent.marks.owner]), parent.policy) for parent in parents]

    async def _owned_as_watched(self, watched: Watched) -> list[Owned]:
        await watched.begin()
        found = []
        for parent in await watched.parents():
            members = await watched.members(parent)
            keys = tuple(key for key, live in members.items() if parent.marks.holds(live.body))
            found.append(Owned(parent.marks.owner, parent.revision, keys, parent.policy))
            # Of many applications: others have their turn meanwhile.
            await asyncio.sleep(0)
        return found

    async def plan(self, desired: Desired) -> Plan:
        """The server's own dry run, compared with what is live."""
        application = desired.application
        planner = await self._planner(desired, self._records.find)
        actions = await planner.actions(desired)
        self._settled.keep()
        return plan_of(application.name, self._target.name, application.repository, desired.revision, actions)

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Write, each object under its own lock, as many at once as the cluster is to be asked."""
        planner = await self._planner(desired, self._records.known)
        wanted = await planner.wanted(desired)
        if not desired.removed:
            await self._declare(desired, planner, wanted)
        writer = Writer(planner.cluster, planner.view, planner.marks, desired, self._judge.state)
        objections = await self._rehearse(
            desired, planner, [wanted[each.key] for each in actions if not each.verified and each.key in wanted]
        )
        if objections:
            for action in actions:
                yield _not_written(action, objections)
            return
        for group in in_turn(actions):
            async for outcome in as_they_come(self._carry_out(writer, wanted.get(action.key), action) for action in group):
                yield outcome
        self._settled.keep()
        if desired.removed and (not actions or not wanted):
            await self._undeclare(planner, writer, wanted)
        elif not actions:
            await self._conclude(planner, writer, wanted)

    async def _rehearse(self, desired: Desired, planner: Planner, unverified: Sequence[Wanted]) -> dict[Key, str]:
        """What the server refuses of the objects that could not be tried out when the plan was made."""
        trials = await planner.rehearse(desired, unverified) if unverified else []
        return {trial.wanted.key: refused(trial.wanted, trial.refusal) for trial in trials if trial.refusal}

    async def _carry_out(self, writer: Writer, wanted: Wanted | None, action: Action) -> Outcome:
        resource = wanted.resource if wanted else await self._cluster.discovery.find(action.key.group, action.key.kind)
        if resource is None:
            return Outcome(action.key, action.verb, "failed", f"the cluster does not know the kind {group_kind(action.key)}")
        outcome, live = await writer.carry_out(action, resource, wanted)
        if resource.kind == "CustomResourceDefinition":
            self._cluster.discovery.forget()
        if live is not None and wanted is not None and outcome.state == "done":
            self._settled.note(wanted, live)
        else:
            self._settled.forget(writer.marks.owner, action.key)
        return outcome

    async def _declare(self, desired: Desired, planner: Planner, wanted: Mapping[Key, Wanted]) -> None:
        """The parent names every kind and namespace before the first member is written."""
        parent = (planner.parent or Parent(planner.marks)).holding(wanted)
        if planner.parent or parent.kinds:
            departs = any(each.options.runs_around_a_removal for each in wanted.values())
            now = replace(parent, revision=desired.revision, policy=desired.application.policy, departs=departs)
            await self._records.write(now, planner.view)

    async def _conclude(self, planner: Planner, writer: Writer, wanted: Mapping[Key, Wanted]) -> None:
        """A sync is over: the parent names no more than there is, and hooks that want to go once they succeeded are gone."""
        parent = await self._records.known(planner.marks, planner.view)
        if parent is None:
            return
        hooks = [each for each in wanted.values() if each.options.is_hook and each.options.is_applied]
        for hook in hooks:
            if hook.resource is not None and hook.options.delete_policies != {DeletePolicy.BEFORE_HOOK_CREATION}:
                await writer.clear(hook.resource, hook)
        needed = replace(parent, kinds=frozenset(), namespaces=frozenset()).holding(wanted)
        if parent.kinds - needed.kinds or parent.namespaces - needed.namespaces:
            known = await resources(self._cluster.discovery, parent.kinds)
            members = await planner.view.members(parent)
            needed = needed.holding(key for key, live in members.items() if planner.marks.holds(live.body))
            # A kind that the server does not serve now may be back tomorrow, and what we have of it is still ours then.
            needed = replace(needed, kinds=needed.kinds | (parent.kinds - known.keys()))
        # A kind that this run made is watched from its end on.
        await planner.view.follow((await resources(self._cluster.discovery, needed.kinds)).values())
        ran = any(hook.options.runs_in_a_sync for hook in hooks)
        await self._records.write(replace(needed, synced=parent.revision if ran else ""), planner.view)

    async def _undeclare(self, planner: Planner, writer: Writer, hooks: Mapping[Key, Wanted]) -> None:
        """The parent of an application that is gone goes with its last member, and so do the hooks that ran around that."""
        parent = await self._records.known(planner.marks, planner.view)
        if parent is None:
            return
        for hook in hooks.values():
            if hook.resource is not None:
                await writer.dismiss(hook.resource, hook.key)
        members = await planner.view.members(parent)
        if not any(planner.marks.holds(live.body) for live in members.values()):
            await self._records.erase(planner.marks, planner.view)

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """What the objects say of themselves, of that very version."""
        view = self._view(desired.application.repository)
        hooks = {_short(each.key) for each in (*desired.manifests, *desired.last) if options_of(each.body).is_hook}
        healths = await together(self._health(view, key, version, desired) for key, version in versions.items())
        # A hook that is not there succeeded and went, or had no part in this sync.
        return {
            key: Health(State.HEALTHY) if health.state is State.MISSING and _short(key) in hooks else health
            for key, health in zip(versions, healths, strict=True)
        }

    async def _health(self, view: View, key: Key, version: str, desired: Desired) -> Health:
        return await self._judge.health(key, await self._live(view, key), version, desired.manifests)

    def watch(self) -> AsyncIterator[Moved | Lost] | None:
        """What moves, by one watch for each kind that is in use; from now on nothing else is asked of what is ours."""
        if self._watched is None:
            places = Places(self._scopes, self._specification.namespace)
            self._watched = Watched(self._cluster, self._target.repository, places, self._judge.state)
        return self._moves(self._watched)

    async def _moves(self, watched: Watched) -> AsyncIterator[Moved | Lost]:
        try:
            unknown = await watched.begin()
            if unknown:
                yield Lost(f"the cluster no longer knows {', '.join(sorted(unknown))}, of which something is ours")
            async for moved in watched.moves():
                yield moved
        finally:
            self._watched = None
            await watched.close()

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """The object as the server gives it, secrets masked."""
        found = await self._live(self._direct, key)
        if found is None:
            return None
        body = concealed(found.body)
        body["metadata"] = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
        return Live(wire.plain(body), found.revision, touches_of(found))

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """The log of a workload's pods."""
        found = await self._live(self._direct, key)
        if found is None:
            raise Refused(f"{key} keeps no log: it is not there", key=str(key), where=self._target.name)
        async for line in logs(self._cluster, found, follow):
            yield line

    async def offers(self) -> dict[str, object]:
        """The version of Kubernetes and of everything that it serves, as helm's options are called."""
        version, served = await self._cluster.version(), await self._cluster.discovery.api_versions()
        return {"kubeVersion": version, "apiVersions": list(served)}

    async def close(self) -> None:
        """Let go of the connections."""
        if self._watched is not None:
            await self._watched.close()
        self._settled.close()
        self._rules.close()
        await self._cluster.connection.close()

    @property
    def _scopes(self) -> tuple[str, ...]:
        """The namespaces that are looked at one by one; where there is no limit, or any glob stands, all of them at once."""
        named = self._specification.namespaces
        return ("",) if not named or any(set(each) & set("*?[") for each in named) else named

    async def _live(self, view: View, key: Key) -> LiveObject | None:
        resource = await self._cluster.discovery.find(key.group, key.kind)
        if resource is not None and resource.namespaced and not key.namespace:
            key = Key(key.kind, key.name, key.group, self.namespace)
        return await view.current(resource, key) if resource else None

    def _view(self, repository: str) -> View:
        return self._watched if self._watched and repository == self._target.repository else self._direct

    async def _planner(self, desired: Desired, find: Callable[[Marks, View], Awaitable[Parent | None]]) -> Planner:
        application = desired.application
        view = self._view(application.repository)
        marks = Marks(Owner(application.repository, application.name), self._specification.namespace)
        parent, take_over = await find(marks, view), self._specification.take_over
        return Planner(self._acting(desired), view, marks, self._settled, self._limits, parent, take_over)

    def _acting(self, desired: Desired) -> Cluster:
        application, account = desired.application, self._specification.impersonate
        if not account:
            return self._cluster
        names = {"application": application.name, "namespace": application.spec.namespace}
        if "{namespace}" in account and not application.spec.namespace:
            # An account without a namespace is nobody's; nobody must not turn out to be us.
            message = f"application {application.name} names no namespace, after which its target names the account that acts for it"
            raise Refused(message, where=application.file, hint="set `namespace` in the application's spec")
        return self._cluster.acting(f"system:serviceaccount:{account.format(**names)}")


def _not_written(action: Action, refused: Mapping[Key, str]) -> Outcome:
    """Nothing of a wave is written when a part of it is refused before the first write."""
    if action.key in refused:
        return Outcome(action.key, action.verb, "failed", refused[action.key])
    return Outcome(
        action.key, action.verb, "skipped", f"not written: {len(refused)} of this wave {'was' if len(refused) == 1 else 'were'} refused"
    )


def _short(key: Key) -> Key:
    """A manifest need not name the namespace."""
    return Key(key.kind, key.name, key.group)
