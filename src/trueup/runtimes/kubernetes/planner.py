"""Asks the cluster everything that a plan needs to know."""

import asyncio
import fnmatch
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trueup.model.application import Removal
from trueup.model.contracts import Desired
from trueup.model.errors import Refused
from trueup.model.manifest import Key, Manifest, Origin
from trueup.model.plan import Action, Verb
from trueup.runtimes.kubernetes.client.definitions import kinds_declared
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.hooks import PRUNE_ANNOTATION, STAYS, Occasion, Options, Phase, options_of
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import Marks
from trueup.runtimes.kubernetes.order import FIRST
from trueup.runtimes.kubernetes.parent import NAMESPACES, Parent, group_kind
from trueup.runtimes.kubernetes.planning import actions_of, refuse
from trueup.runtimes.kubernetes.settled import Settled
from trueup.runtimes.kubernetes.trial import UNLOOKED, Trial, Trials
from trueup.runtimes.kubernetes.views import View
from trueup.runtimes.kubernetes.wanted import Wanted, completed, distinct, settled
from trueup.toolkit.together import together

_SERVED_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Globs of the namespaces and kinds that every object must fit; without any, all do."""

    namespaces: tuple[tuple[str, ...], ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()

    def objection(self, key: Key) -> str:
        """Why an object may not be at this target; empty when it may."""
        if not _fits(group_kind(key), self.kinds):
            return f"the target does not take the kind {group_kind(key)}"
        if any(self.namespaces) and not key.namespace and key.kind != "Namespace":
            return "the target takes objects of some namespaces only, and this one is in none"
        namespace = key.name if key.kind == "Namespace" and not key.group else key.namespace
        return "" if _fits(namespace, self.namespaces) else f"the target does not take the namespace {namespace}"


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one application."""

    cluster: Cluster
    view: View
    marks: Marks
    settled: Settled
    limits: Limits
    parent: Parent | None
    """As it was when the plan, or the apply, began."""
    take_over: tuple[str, ...] = ()

    async def wanted(self, desired: Desired) -> dict[Key, Wanted]:
        """What Git wants, by complete key. Raises Refused for what stands twice, and for what this target does not take."""
        coming = kinds_declared(manifest.body for manifest in desired.manifests)
        found = []
        for manifest in (*desired.manifests, *_hooks_of_removal(desired)):
            group, _, version = str(manifest.body["apiVersion"]).rpartition("/")
            kind = str(manifest.body["kind"])
            known = await self.cluster.discovery.find(group, kind, version)
            resource = known or coming.get((group, kind, version))
            key, body = completed(manifest, resource, self.cluster.namespace)
            rules = desired.application.spec.ignore
            each = Wanted(key, body, manifest, resource, self.marks, rules, take_over=self.take_over, served=known is not None)
            found.append(settled(each) if self._is_settled(each, desired) else each)
        by_key = distinct(desired, found)
        for name in _namespaces_to_make(desired, by_key.values()):
            namespace = await self._namespace(desired, name)
            if namespace is not None:
                by_key.setdefault(namespace.key, namespace)
        refuse([Trial(each, None, refusal=self.limits.objection(each.key)) for each in by_key.values()], desired.application.name)
        return by_key

    async def actions(self, desired: Desired) -> list[Action]:
        """Every action of the plan. Raises Unreachable, and Refused with everything that is refused."""
        self._demand_its_hooks(desired)
        wanted = await self.wanted(desired)
        served = [each.resource for each in wanted.values() if each.resource and each.served]
        await self.view.follow({resource.group_kind: resource for resource in served}.values())
        # Where the record is lost, what Git declares is looked for all the same.
        members = await self.view.members(self.parent or Parent(self.marks).holding(wanted))
        trials = await self._trials(desired, self._taking_part(desired, wanted.values()), members)
        if any(trial.refusal for trial in trials):
            self.settled.namespaces.clear()
        refuse(trials, desired.application.name)
        leaving = [live for key, live in members.items() if key not in wanted and self.marks.holds(live.body)]
        actions = list(actions_of(desired, trials, leaving, self.marks))
        self._note(trials, actions)
        return actions

    def _demand_its_hooks(self, desired: Desired) -> None:
        """Raises Refused when an application would go without its hooks of a deletion: one may be what saves its data."""
        known = desired.last or desired.application.policy.removal is Removal.KEEP
        if not desired.removed or known or self.parent is None or not self.parent.departs:
            return
        revision, record = self.parent.revision[:7], self.parent.marks.parent_key
        message = f"its hooks of a deletion cannot be read: they stand at {revision}, which is not to be had"
        hint = f"declare it again, apply and then remove it; or take the key `hooks` out of {record}, and it goes without them"
        raise Refused(message, where=f"application {desired.application.name}", hint=hint)

    async def rehearse(self, desired: Desired, wanted: Iterable[Wanted]) -> list[Trial]:
        """Try out, now that what they needed is there, the objects that could not be tried out when the plan was made."""
        trials = Trials(self.cluster, desired.revision)
        return await together(_served(trials, each) for each in wanted)

    def _is_settled(self, wanted: Wanted, desired: Desired) -> bool:
        """Whether Git says nothing new on replicas, as far as is remembered; else whether its commit was applied."""
        known = self.settled.scales_the_same(wanted)
        return known if known is not None else self.parent is not None and self.parent.revision == desired.revision

    async def _namespace(self, desired: Desired, name: str) -> Wanted | None:
        """A namespace that the application asks for (``createNamespace``), unless somebody else has made it.

        When all else goes, our mark on it goes too and it stays: others may have come to live in it.
        """
        key = Key("Namespace", name)
        if name in self.settled.namespaces:
            return None
        live = await self.view.current(NAMESPACES, key)
        if live is not None and not self.marks.claims(live.body):
            self.settled.namespaces.add(key.name)
            return None
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.name, "annotations": {PRUNE_ANNOTATION: STAYS}}}
        origin = Origin(desired.application.file, desired.application.line, desired.revision)
        return Wanted(key, body, Manifest(key, body, origin), NAMESPACES, self.marks, desired.application.spec.ignore)

    async def _trials(self, desired: Desired, wanted: Sequence[Wanted], members: Mapping[Key, LiveObject]) -> list[Trial]:
        """Namespaces and new kinds first: what they make cannot be tried out before it is there."""
        first = [each for each in wanted if (each.key.group, each.key.kind) in FIRST]
        strict = desired.application.policy.self_heal == "strict"
        early = Trials(self.cluster, desired.revision, strict=strict)
        tried = await together(self._tried(early, each, members) for each in first)
        coming = frozenset(name for trial in tried for name in _made_by(trial))
        late = Trials(self.cluster, desired.revision, coming, strict)
        tried += await together(self._tried(late, each, members) for each in wanted if each not in first)
        by_key = {trial.wanted.key: trial for trial in tried}
        return [by_key[each.key] for each in wanted]

    def _taking_part(self, desired: Desired, wanted: Iterable[Wanted]) -> list[Wanted]:
        """What is kept true, and the hooks of a sync, which run once for each commit: not when drift is undone. Those of a failure may
        always; those of a removal are all that is wanted of one."""
        if desired.removed:
            return list(wanted)
        parent = self.parent
        first = parent is None or (not parent.synced and parent.revision == desired.revision)
        synced = parent is not None and parent.synced == desired.revision
        hooks = set() if synced else {Occasion.ALWAYS, Occasion.INSTALL if first else Occasion.UPGRADE}
        return [each for each in wanted if each.options.is_applied and _takes_part(each.options, hooks)]

    async def _tried(self, trials: Trials, wanted: Wanted, members: Mapping[Key, LiveObject]) -> Trial:
        live = members.get(wanted.key)
        if wanted.options.is_hook:
            return Trial(wanted, live or await self._of_another(wanted))
        if live is not None and self.marks.claims(live.body) and self.settled.holds(wanted, live):
            return Trial(wanted, live, live.body)
        # Two versions of one kind do not compare: the object is looked at in the manifest's own, if that is served.
        known = live is not None and (not wanted.served or wanted.body["apiVersion"] == live.body["apiVersion"])
        return await trials.of(wanted, live if known else UNLOOKED)

    async def _of_another(self, hook: Wanted) -> LiveObject | None:
        """What is there under the name of a hook, when it is not ours: the application may have had another name before."""
        known = hook.resource is not None and hook.served
        return await self.view.current(hook.resource, hook.key) if hook.resource and known else None

    def _note(self, trials: Iterable[Trial], actions: Iterable[Action]) -> None:
        by_key = {action.key: action for action in actions}
        for trial in trials:
            if trial.live is None or trial.result is None or trial.is_settled:
                continue
            if by_key[trial.wanted.key].verb is Verb.UNCHANGED:
                self.settled.note(trial.wanted, trial.live)


async def _served(trials: Trials, wanted: Wanted) -> Trial:
    """One object tried out; a kind that was declared a moment ago takes the server another to serve."""
    end = time.monotonic() + _SERVED_SECONDS
    while True:
        trial = await trials.of(wanted, UNLOOKED)
        if not trial.unserved or time.monotonic() > end:
            return trial
        await asyncio.sleep(_LOOK_SECONDS)


def _namespaces_to_make(desired: Desired, wanted: Iterable[Wanted]) -> list[str]:
    """The application's where it says so, and those of objects that say so."""
    if desired.removed:
        return []
    specification = desired.application.spec
    own = [specification.namespace] if specification.create_namespace else []
    asked = [each.key.namespace for each in wanted if each.options.create_namespace]
    return [name for name in dict.fromkeys([*own, *asked]) if name]


def _takes_part(options: Options, occasions: set[Occasion]) -> bool:
    return not options.is_hook or (options.occasion in occasions if options.runs_in_a_sync else Phase.SYNC_FAIL in options.phases)


def _hooks_of_removal(desired: Desired) -> list[Manifest]:
    """The hooks of a deletion, as Git last said them; none where what is there is kept."""
    if not desired.removed or desired.application.policy.removal is Removal.KEEP:
        return []
    return [manifest for manifest in desired.last if options_of(manifest.body).runs_around_a_removal]


def _made_by(trial: Trial) -> list[str]:
    """What others in the same plan may wait for: the namespace, or the kind, when it or a version of it is new."""
    if trial.wanted.key.kind == "Namespace":
        return [f"namespace {trial.wanted.key.name}"] if trial.live is None else []
    known = kinds_declared([trial.live.body]) if trial.live else {}
    made = kinds_declared([trial.wanted.body])
    return [f"kind {resource.group_kind}" for name, resource in made.items() if name not in known]


def _fits(value: str, limits: tuple[tuple[str, ...], ...]) -> bool:
    return all(any(fnmatch.fnmatchcase(value, glob) for glob in globs) for globs in limits if globs)
