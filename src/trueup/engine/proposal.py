"""What would change if another commit, or the files as they lie on disk, were followed. Changes nothing, at a target or in the memory."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from trueup.engine.advance import Stepping, Surroundings
from trueup.engine.discover import cross_check, discover, duplicates, ignored, is_declaration
from trueup.engine.equipment import Equipment
from trueup.engine.guard import Facts, guard
from trueup.engine.inputs import value_of
from trueup.engine.plan import Declarations, plan
from trueup.engine.preview import Planned, Previews, anywhere, takes, walk_plans
from trueup.model.application import Application
from trueup.model.contracts import Desired, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import ANY_NAMESPACE, Key, Manifest, Origin
from trueup.model.memory import Address, Declared, Followed, Memory, Outline
from trueup.model.plan import Plan
from trueup.model.selection import Selection
from trueup.model.source import Repository
from trueup.toolkit.troubles import Troubles

Proposal = tuple[Application, tuple[Key, ...]]
"""An application as a proposal declares it, and what it renders to there."""


class Proposed:
    """Who declares what once a proposal is followed: as the memory knows it, but for those that it changes or removes."""

    def __init__(self, memory: Memory, keys: Mapping[tuple[str, str], frozenset[Key]], removed: Iterable[str]) -> None:
        self._memory = memory
        self._keys = keys
        self._others = {*removed, *(name for name, _ in keys)}

    def declaring(self, repository: str, target: str, keys: Sequence[Key]) -> dict[Key, tuple[str, ...]]:
        """Which applications of the repository render which of these keys for that target."""
        known = self._memory.declaring(repository, target, keys)
        found: dict[Key, tuple[str, ...]] = {}
        for key in keys:
            names = [name for name in known.get(key, ()) if name not in self._others]
            names += [name for (name, where), theirs in self._keys.items() if where == target and _is_among(key, theirs)]
            if names:
                found[key] = tuple(sorted(names))
        return found


def _is_among(key: Key, theirs: frozenset[Key]) -> bool:
    if key.namespace != ANY_NAMESPACE:
        return key in theirs
    return any(each.namespace and (each.kind, each.group, each.name) == (key.kind, key.group, key.name) for each in theirs)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What files declare, and what is wrong in them of what is meant. ``whole``: nothing is wrong in any of them."""

    applications: list[Application]
    faults: list[Fault]
    whole: bool


class Proposals:
    """Plans of what the followed branch does not say, or not yet. Targets, policies and dependencies are as it has them.

    Each raises what stood in the way of some (all faults in one DeclarationError) after the plans of the others.
    """

    def __init__(self, equipment: Equipment, previews: Previews) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.previews = previews

    async def commit(self, repository: Repository, selection: Selection, commit: str) -> AsyncIterator[Plan]:
        """Plans at another commit: of what is meant, or else of what differs there from the head."""
        followed = await self.previews.followed(repository)
        step = await self.equipment.work.through(self._stepping(followed, commit).advance)
        touched = {declared.application.name: declared for declared, _ in step.applications}
        if selection.names or selection.everything:
            others = await self.store(self.memory.applications, repository.identity, selection.names or None)
            touched = {each.application.name: each for each in others if each.application.name not in step.removed} | touched
        proposals = [(declared.application, declared.keys) for declared, _ in step.applications]
        proposed = await self.store(self._proposed, repository, proposals, step.removed)
        tree = self.equipment.following(repository).mirror.tree(commit)
        meant = [each for _, each in sorted(touched.items()) if takes(selection, each.application)]
        wanted = [await self._wanted(each.application, tree, commit, proposed) for each in meant if not each.faults]
        wanted += await self._removed(selection, repository, commit, proposed, step.removed)
        faults = [fault for each in meant for fault in each.faults]
        async for each in walk_plans(wanted, Troubles([*anywhere(selection, step.followed), *faults]), self.equipment.telemetry):
            yield each

    def _stepping(self, followed: Followed, commit: str) -> Stepping:
        mirror = self.equipment.following(followed.repository).mirror
        occupied = frozenset(target.name for target in self.memory.targets(followed.repository.identity))
        released = frozenset({commit})
        around = Surroundings(mirror, self.memory, self.equipment.kinds, self.equipment.renders, lambda: occupied, released, dated=False)
        return Stepping(followed, commit, around)

    async def tree(self, repository: Repository, selection: Selection, tree: Tree) -> AsyncIterator[Plan]:
        """Plans of the files as they lie on disk: of what is meant, or else of what differs from the head."""
        await self.previews.followed(repository)
        found = await self.equipment.work.through(self._on_disk, repository, selection, tree)
        touched = await self.equipment.work.through(lambda: [each for each in found.applications if self._differs(each, tree)])
        removed = await self.store(self._absent, repository, found) if found.whole else []
        proposals = await self.equipment.work.through(self._proposals, touched, tree)
        proposed = await self.store(self._proposed, repository, proposals, removed)
        meant = found.applications if selection.names or selection.labels or selection.everything else touched
        wanted = [await self._wanted(each, tree, "", proposed) for each in meant if takes(selection, each)]
        wanted += await self._removed(selection, repository, "", proposed, removed)
        async for each in walk_plans(wanted, Troubles(found.faults), self.equipment.telemetry):
            yield each

    def _on_disk(self, repository: Repository, selection: Selection, tree: Tree) -> OnDisk:
        """What the files declare, without what is wrong. Where somebody is named, the faults are those that are theirs."""
        files = [path for path in tree.walk(repository.path) if is_declaration(path)]
        hidden = ignored(tree, repository.path, files)
        found = discover(repository.identity, tree, [file for file in files if file not in hidden], self.equipment.kinds)
        outlines = [Outline(each.name, each.file, each.target, each.spec.depends_on) for each in found.applications]
        targets = {target.name for target in (*found.targets, *self.memory.targets(repository.identity))}
        crossed = cross_check(outlines, targets, {each.name: (each.file, each.line) for each in found.applications})
        doubled = duplicates(found.applications)
        named = bool(selection.names or selection.labels)
        known = {each.name for each in outlines}
        faults = [] if named and known.issuperset(selection.names) else list(found.faults)
        for several in (doubled, duplicates(found.targets), crossed):
            faults += [fault for name, each in several.items() if not named or name in selection.names for fault in each]
        right = [each for each in found.applications if each.name not in doubled and each.name not in crossed]
        return OnDisk(right, faults, not faults and len(right) == len(found.applications) and not found.faults)

    def _absent(self, repository: Repository, found: OnDisk) -> list[str]:
        outlines = self.memory.outlines(repository.identity)
        return sorted({each.name for each in outlines if not each.absent} - {each.name for each in found.applications})

    def _differs(self, application: Application, tree: Tree) -> bool:
        inputs = self.memory.inputs(application.repository, application.name)
        if not inputs:
            return True
        return any(value_of(each, tree) != each.object_id for each in inputs)

    def _proposals(self, touched: Sequence[Application], tree: Tree) -> list[Proposal]:
        """What these render to. What is wrong stays as it is, and is told where it is planned."""
        proposals: list[Proposal] = []
        for application in touched:
            try:
                manifests = self._rendered(self._ruled(application), tree)
            except DeclarationError:
                continue
            proposals.append((application, tuple(manifest.key for manifest in manifests)))
        return proposals

    def _proposed(self, repository: Repository, proposals: Sequence[Proposal], removed: Sequence[str]) -> Proposed:
        names = sorted(application.name for application, _ in proposals)
        known = {each.application.name: each.application.target for each in self.memory.applications(repository.identity, names)}
        keys = {(each.name, known.get(each.name, each.target)): frozenset(theirs) for each, theirs in proposals}
        return Proposed(self.memory, keys, removed)

    def _ruled(self, application: Application) -> Application:
        """Where an application is applied, and under which policy, is as the followed branch says."""
        declared: Declared | None = self.memory.declared(application.repository, application.name)
        if declared is None:
            return application
        known = declared.application
        rules = {"policy": known.policy, "depends_on": known.spec.depends_on, "target": known.target}
        return msgspec.structs.replace(application, spec=application.spec.model_copy(update=rules))

    async def _wanted(self, application: Application, tree: Tree, commit: str, declarations: Declarations) -> Planned:
        ruled = await self.store(self._ruled, application)
        address = Address(ruled.repository, ruled.name, ruled.target)
        return address, partial(self._of_tree, ruled, tree, commit, declarations)

    async def _of_tree(self, ruled: Application, tree: Tree, commit: str, declarations: Declarations) -> Plan:
        """One application of a tree."""
        course = await self.previews.course(Address(ruled.repository, ruled.name, ruled.target))
        manifests = await self.equipment.work.through(self._rendered, ruled, tree)
        located = tuple(replace(each, origin=Origin(each.origin.file, each.origin.line, commit)) for each in manifests)
        runtime = await self.previews.wants.runtime(course)
        planned = await plan(runtime, Desired(ruled, commit, located, tree), declarations)
        return msgspec.structs.replace(planned, held=guard(planned, ruled.policy, Facts(False, len(located), course.known.approvals)))

    def _rendered(self, application: Application, tree: Tree) -> tuple[Manifest, ...]:
        target = self.memory.target(application.repository, application.target)
        if target is None:
            hint = "targets are taken from the followed branch: add it there first"
            raise DeclarationError([Fault(application.file, application.line, 0, f"target `{application.target}` does not exist", hint)])
        return self.equipment.renders.render(application, target, tree).manifests

    async def _removed(
        self, selection: Selection, repository: Repository, commit: str, declarations: Declarations, removed: Sequence[str]
    ) -> list[Planned]:
        """What goes, wherever it stands."""
        standings = [each for name in removed for each in await self.store(self.previews.standings_of, repository.identity, name)]
        addresses = [
            Address(repository.identity, each.application.name, each.status.target)
            for each in standings
            if takes(selection, each.application)
        ]
        return [(each, partial(self._of_removed, each, commit, declarations)) for each in addresses]

    async def _of_removed(self, address: Address, commit: str, declarations: Declarations) -> Plan:
        course = await self.previews.course(address)
        course.known = msgspec.structs.replace(course.known, declared=None)
        planned = await self.previews.planned(course, declarations)
        return msgspec.structs.replace(planned, revision=commit)
