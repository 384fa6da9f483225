"""What would change, for the head, another commit or the files as they lie on disk. Changes nothing, at a target or in the memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from trueup.engine.advance import Stepping, Surroundings
from trueup.engine.course import Course
from trueup.engine.discover import cross_check, discover, duplicates, ignored, is_declaration
from trueup.engine.equipment import Equipment
from trueup.engine.guard import Facts, guard
from trueup.engine.plan import Declarations, plan
from trueup.engine.render import value_of
from trueup.engine.want import Wants, paused
from trueup.model.application import Application
from trueup.model.contracts import Desired, Tree
from trueup.model.errors import DeclarationError, Fault, UsageError
from trueup.model.manifest import ANY_NAMESPACE, Key, Manifest, Origin
from trueup.model.memory import Address, Declared, Followed, Memory, Outline, Row, Standing
from trueup.model.plan import Plan
from trueup.model.run import Sync, Trigger
from trueup.model.selection import Selection
from trueup.model.source import Repository

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


class Previews:
    """Plans without a run."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.wants = Wants(equipment)

    # ------------------------------------------------------------------ who is meant

    async def addresses(self, repository: Repository, selection: Selection) -> list[Address]:
        """The applications that are meant, those that are going included. Raises UsageError for a name that nobody has."""
        return await self.store(self._addresses, repository, selection)

    async def declared(self, repository: Repository, selection: Selection) -> list[Address]:
        """Those of them that are not going: at another revision there is nothing to be had of what Git does not declare by now.

        Raises UsageError for a name that is going.
        """
        meant = await self.addresses(repository, selection)
        names = sorted({address.application for address in meant})
        known = await self.store(self.memory.applications, repository.identity, names)
        targets = {each.application.name: each.application.target for each in known}
        gone = [name for name in names if name not in targets]
        if gone and selection.names:
            hint = "take back the commit that removed its declaration"
            raise UsageError(f"`{gone[0]}` is not declared any more", where=repository.identity, hint=hint)
        return [address for address in meant if targets.get(address.application) == address.target]

    def _addresses(self, repository: Repository, selection: Selection) -> list[Address]:
        identity = repository.identity
        if selection.names and not selection.labels:
            declared = {each.application.name: each for each in self.memory.applications(identity, selection.names)}
            standings = [each for name in selection.names for each in self._standings_of(identity, name)]
        else:
            declared = {each.application.name: each for each in self.memory.applications(identity)}
            standings = self.memory.standings(identity)
        known = {Address(identity, each.application.name, each.status.target): each for each in standings}
        meant = [Address(identity, name, each.application.target) for name, each in declared.items() if _takes(selection, each.application)]
        meant += [address for address, each in known.items() if address not in set(meant) and _takes(selection, each.application)]
        unknown = sorted(set(selection.names) - {address.application for address in meant})
        if unknown:
            followed = self.memory.followed(identity)
            faulty = f"; a declaration that has a fault is not among them: {followed.faults[0]}" if followed and followed.faults else ""
            raise UsageError(f"there is no application `{unknown[0]}`", where=identity, hint=f"`trueup status` lists them{faulty}")
        if selection.everything or selection.names:
            return sorted(meant)
        waiting = set(self.memory.pending(identity))
        return sorted(each for each in meant if each in waiting or _is_open(declared.get(each.application), known.get(each)))

    def _standings_of(self, identity: str, name: str) -> list[Standing]:
        found = self.memory.standings(identity, Address(identity, name), 8)
        return [each for each in found if each.application.name == name]

    # ------------------------------------------------------------------ the head

    async def head(self, repository: Repository, selection: Selection) -> list[Plan]:
        """Plans at the revisions that the followed branch has now. Raises DeclarationError with the faults of all that are meant."""
        plans: list[Plan] = []
        faults = _anywhere(selection, await self._followed(repository))
        for address in await self.addresses(repository, selection):
            course = await self.course(address)
            if course.application is None or await self.wants.lives_on(course):
                continue
            if course.faults:
                faults.extend(course.faults)
                continue
            plans.append(await self._planned(course, await self.wants.desired(course), self.memory))
        if faults:
            raise DeclarationError(tuple(dict.fromkeys(faults)))
        return plans

    async def course(self, address: Address) -> Course:
        """What a walk of this address would start from."""
        known = await self.store(self.memory.known, address)
        return Course(Row(address, 0, 0.0, Trigger.PERSON, 0, 0.0), msgspec.structs.replace(known, run=None, plan=None))

    async def _planned(self, course: Course, desired: Desired, declarations: Declarations) -> Plan:
        runtime = await self.wants.runtime(course)
        planned = await plan(runtime, desired, declarations)
        facts = Facts(course.removed, len(desired.manifests), course.known.approvals, course.elsewhere)
        held = paused(course) or guard(planned, desired.application.policy, facts)
        return msgspec.structs.replace(planned, held=held)

    # ------------------------------------------------------------------ another commit, or the working tree

    async def commit(self, repository: Repository, selection: Selection, commit: str) -> list[Plan]:
        """Plans at another commit: of what is meant, or else of what differs there from the head."""
        followed = await self._followed(repository)
        step = await self.equipment.work.through(self._stepping(followed, commit).advance)
        tree = self.equipment.following(repository).mirror.tree(commit)
        touched = {declared.application.name: declared for declared, _ in step.applications}
        faults = _anywhere(selection, step.followed)
        faults += [fault for declared in touched.values() for fault in declared.faults if _takes(selection, declared.application)]
        if faults:
            raise DeclarationError(tuple(dict.fromkeys(faults)))
        if selection.names or selection.everything:
            others = await self.store(self.memory.applications, repository.identity, selection.names or None)
            touched = {each.application.name: each for each in others if each.application.name not in step.removed} | touched
        meant = [each.application for _, each in sorted(touched.items()) if _takes(selection, each.application)]
        proposals = [(declared.application, declared.keys) for declared, _ in step.applications]
        proposed = await self.store(self._proposed, repository, proposals, step.removed)
        plans = [await self._of_tree(application, tree, commit, proposed) for application in meant]
        return plans + await self._of_removed(repository, selection, commit, proposed, step.removed)

    def _proposed(self, repository: Repository, proposals: Sequence[Proposal], removed: Sequence[str]) -> Proposed:
        """Targets are as the followed branch has them."""
        names = sorted(application.name for application, _ in proposals)
        known = {each.application.name: each.application.target for each in self.memory.applications(repository.identity, names)}
        keys = {(each.name, known.get(each.name, each.target)): frozenset(theirs) for each, theirs in proposals}
        return Proposed(self.memory, keys, removed)

    def _stepping(self, followed: Followed, commit: str) -> Stepping:
        mirror = self.equipment.following(followed.repository).mirror
        occupied = frozenset(target.name for target in self.memory.targets(followed.repository.identity))
        released = frozenset({commit})
        around = Surroundings(mirror, self.memory, self.equipment.kinds, self.equipment.renders, lambda: occupied, released, dated=False)
        return Stepping(followed, commit, around)

    async def tree(self, repository: Repository, selection: Selection, tree: Tree) -> list[Plan]:
        """Plans of the files as they lie on disk: of what is meant, or else of what differs from the head."""
        await self._followed(repository)
        found = await self.equipment.work.through(self._discovered, repository, selection, tree)
        touched = await self.equipment.work.through(lambda: [each for each in found if self._differs(each, tree)])
        outlines = await self.store(self.memory.outlines, repository.identity)
        removed = sorted({each.name for each in outlines if not each.absent} - {each.name for each in found})
        proposals = await self.equipment.work.through(self._proposals, selection, touched, tree)
        proposed = await self.store(self._proposed, repository, proposals, removed)
        meant = found if selection.names or selection.labels or selection.everything else touched
        plans = [await self._of_tree(application, tree, "", proposed) for application in meant if _takes(selection, application)]
        return plans + await self._of_removed(repository, selection, "", proposed, removed)

    def _proposals(self, selection: Selection, touched: Sequence[Application], tree: Tree) -> list[Proposal]:
        """What these render to. Raises DeclarationError with every fault of what is meant; what is wrong in others stays as it is."""
        proposals: list[Proposal] = []
        faults: list[Fault] = []
        for application in touched:
            try:
                manifests = self._rendered(self._ruled(application), tree)
            except DeclarationError as error:
                faults.extend(error.faults if _takes(selection, application) else ())
            else:
                proposals.append((application, tuple(manifest.key for manifest in manifests)))
        if faults:
            raise DeclarationError(tuple(dict.fromkeys(faults)))
        return proposals

    def _discovered(self, repository: Repository, selection: Selection, tree: Tree) -> list[Application]:
        """What the files declare. Raises DeclarationError with every fault; where somebody is named, with those that are theirs."""
        files = [path for path in tree.walk(repository.path) if is_declaration(path)]
        hidden = ignored(tree, repository.path, files)
        found = discover(repository.identity, tree, [file for file in files if file not in hidden], self.equipment.kinds)
        outlines = [Outline(each.name, each.file, each.target, each.spec.depends_on) for each in found.applications]
        targets = {target.name for target in (*found.targets, *self.memory.targets(repository.identity))}
        crossed = cross_check(outlines, targets, {each.name: (each.file, each.line) for each in found.applications})
        known = {each.name for each in outlines}
        named = bool(selection.names or selection.labels)
        faults = [] if named and known.issuperset(selection.names) else list(found.faults)
        for several in (duplicates(found.applications), duplicates(found.targets), crossed):
            faults += [fault for name, each in several.items() if not named or name in selection.names for fault in each]
        if faults:
            raise DeclarationError(tuple(dict.fromkeys(faults)))
        return found.applications

    def _differs(self, application: Application, tree: Tree) -> bool:
        inputs = self.memory.inputs(application.repository, application.name)
        if not inputs:
            return True
        return any(value_of(each, tree) != each.object_id for each in inputs)

    def _ruled(self, application: Application) -> Application:
        """Where an application is applied, and under which policy, is as the followed branch says."""
        declared = self.memory.declared(application.repository, application.name)
        if declared is None:
            return application
        known = declared.application
        rules = {"policy": known.policy, "depends_on": known.spec.depends_on, "target": known.target}
        return msgspec.structs.replace(application, spec=application.spec.model_copy(update=rules))

    async def _of_tree(self, application: Application, tree: Tree, commit: str, declarations: Declarations) -> Plan:
        """One application of a tree."""
        ruled = await self.store(self._ruled, application)
        course = await self.course(Address(ruled.repository, ruled.name, ruled.target))
        manifests = await self.equipment.work.through(self._rendered, ruled, tree)
        located = tuple(replace(each, origin=Origin(each.origin.file, each.origin.line, commit)) for each in manifests)
        desired = Desired(ruled, commit, located, tree)
        runtime = await self.wants.runtime(course)
        planned = await plan(runtime, desired, declarations)
        return msgspec.structs.replace(planned, held=guard(planned, ruled.policy, Facts(False, len(located), course.known.approvals)))

    def _rendered(self, application: Application, tree: Tree) -> tuple[Manifest, ...]:
        target = self.memory.target(application.repository, application.target)
        if target is None:
            hint = "targets are taken from the followed branch: add it there first"
            raise DeclarationError([Fault(application.file, application.line, 0, f"target `{application.target}` does not exist", hint)])
        return self.equipment.renders.render(application, target, tree).manifests

    async def _of_removed(
        self, repository: Repository, selection: Selection, commit: str, declarations: Declarations, removed: Sequence[str]
    ) -> list[Plan]:
        plans = []
        for name in removed:
            for standing in await self.store(self._standings_of, repository.identity, name):
                if _takes(selection, standing.application):
                    course = await self.course(Address(repository.identity, name, standing.status.target))
                    course.known = msgspec.structs.replace(course.known, declared=None)
                    plans.append(await self._planned(course, await self.wants.desired(course), declarations))
        return [msgspec.structs.replace(each, revision=commit) for each in plans]

    async def _followed(self, repository: Repository) -> Followed:
        followed = await self.store(self.memory.followed, repository.identity)
        if followed is None or not followed.commit:
            raise UsageError("the repository was not read yet", where=repository.url, hint="fetch it first")
        return followed


def _anywhere(selection: Selection, followed: Followed) -> list[Fault]:
    """Where nobody is named, what is wrong in any declaration is told, also in one that was never known."""
    return [] if selection.names or selection.labels else list(followed.faults)


def _takes(selection: Selection, application: Application) -> bool:
    return selection.takes(application.name, application.labels)


def _is_open(declared: Declared | None, standing: Standing | None) -> bool:
    """Whether the desired revision or drift is open."""
    if declared is None or standing is None or declared.faults:
        return True
    synced = standing.applied and standing.status.sync is Sync.SYNCED and not standing.drift
    return not synced or standing.status.revision != declared.revision or standing.digest != declared.digest
