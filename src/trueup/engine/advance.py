"""A new head -> the step of the catalog: what is declared now, what its renders give, and which applications a commit touched."""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from trueup.engine.dating import EXACT_COMMITS, Step, dates, first_touches, with_ancestors
from trueup.engine.discover import IGNORE_FILE, Found, cross_check, discover, duplicates, ignored, is_declaration
from trueup.engine.inputs import value_of
from trueup.engine.render import Rendering, Renders, Unrendered
from trueup.model.application import Application, Target
from trueup.model.contracts import Kinds, Tree
from trueup.model.errors import Fault, Held
from trueup.model.memory import Address, Advance, Catalog, Declared, Followed, Input, Outline
from trueup.toolkit.git.mirror import Mirror

MOST_REMOVALS: Final = 10


@dataclass(slots=True)
class Surroundings:
    """What a step is worked out from. ``occupied`` gives the targets where something of ours still is."""

    mirror: Mirror
    catalog: Catalog
    kinds: Kinds
    renders: Renders
    occupied: Callable[[], frozenset[str]]
    released: frozenset[str] = frozenset()
    dated: bool = True
    """Whether to find each application's own revision; without it all have the commit itself (a preview needs no more)."""


class Stepping:
    """Works out one step, from the commit that the catalog describes to a new head. Blocks; writes nothing but the render cache."""

    def __init__(self, followed: Followed, commit: str, surroundings: Surroundings) -> None:
        self.before = followed
        self.repository = followed.repository.identity
        self.folder = followed.repository.path
        self.commit = commit
        self.around = surroundings
        self.tree: Tree = surroundings.mirror.tree(commit)
        self.line = self._line()
        self.outlines = {outline.name: outline for outline in surroundings.catalog.outlines(self.repository)}
        self.step = Advance(followed=followed)
        self.files: dict[str, str | None] = {}
        self.faults: tuple[Fault, ...] = ()
        self.declared: dict[str, Application] = {}
        self.targets: dict[str, Target] = {}
        self.unclear: dict[str, list[Fault]] = {}
        self.file_faults: dict[str, list[Fault]] = {}
        self.cross_faults: dict[str, list[Fault]] = {}
        self.absent: set[str] = set()
        self.inputs: dict[str, tuple[Input, ...]] = {}
        self.fresh: dict[str, Declared] = {}
        self.known: dict[str, Declared | None] = {}
        self.awaits = False

    def advance(self) -> Advance:
        """The step. Raises Held (kind ``removal``) when the commit takes away too many applications at once."""
        changed = {change.path for step in self.line or () for change in step.changes} if self.line is not None else None
        self.files = self._declaration_files(changed)
        found = self._discover()
        self._merge(found)
        self._guard_removals()
        self._render(self._candidates(found, changed))
        self._date()
        return self._finished()

    # ------------------------------------------------------------------ what is declared

    def _line(self) -> list[Step] | None:
        """The commits since the last step, newest first; None when the last one is not on the first-parent line (or there is none)."""
        mirror, before = self.around.mirror, self.before.commit
        if not before or not mirror.contains(self.commit, before):
            return None
        steps = []
        for commit in mirror.first_parents(self.commit, before):
            if commit.parent is None:
                return None
            steps.append(Step(commit, tuple(mirror.changes(commit.parent, commit.id))))
        return steps

    def _declaration_files(self, changed: set[str] | None) -> dict[str, str | None]:
        """The declaration files to read again: file -> blob id, None when it is gone."""
        known = self.around.catalog.files(self.repository)
        ignore_file = posixpath.join(self.folder, IGNORE_FILE)
        if changed is None or ignore_file in changed:
            there = self._all_files()
            files: dict[str, str | None] = {file: blob for file, blob in there.items() if changed is None or known.get(file) != blob}
            files.update({file: None for file in known if file not in there})
        else:
            mine = [path for path in changed if is_declaration(path) and (not self.folder or path.startswith(self.folder + "/"))]
            hidden = ignored(self.tree, self.folder, mine)
            files = {path: self.tree.object_id(path) if self.tree.kind(path) == "file" else None for path in mine if path not in hidden}
        # What is wrong is known as it last was right: only the file says what it is now.
        broken = {fault.file for fault in self.before.faults} | {outline.file for outline in self.outlines.values() if outline.faulty}
        return {**{file: known[file] for file in sorted(broken) if file in known}, **files}

    def _all_files(self) -> dict[str, str]:
        found = dict(self.around.mirror.tree(self.commit).find(is_declaration, self.folder))
        hidden = ignored(self.tree, self.folder, found)
        return {file: blob for file, blob in found.items() if file not in hidden}

    def _discover(self) -> Found:
        return discover(self.repository, self.tree, [file for file, blob in self.files.items() if blob is not None], self.around.kinds)

    def _merge(self, found: Found) -> None:
        """Put what was read together with what the catalog knows of the other files, and check across files."""
        files = self.files
        self.declared = {application.name: application for application in reversed(found.applications)}
        broken = {fault.file for fault in found.faults}
        self.targets = {target.name: target for target in self.around.catalog.targets(self.repository)}
        doubled = self._doubled(found)
        self._merge_targets(found, broken)
        for name, outline in self.outlines.items():
            if name in self.declared or (outline.file not in files and not outline.absent):
                continue
            if outline.file in broken:
                self.file_faults[name] = [fault for fault in found.faults if fault.file == outline.file]
            else:
                self.absent.add(name)
        for outline in self._merged_outlines() if self.unclear else ():
            self.file_faults.setdefault(outline.name, []).extend(self.unclear.get(outline.target, ()))
        self.cross_faults = self._cross_checked(found) if files else {}
        kept = [] if files else list(self.before.faults)
        every = [*found.faults, *doubled, *(fault for faults in self.cross_faults.values() for fault in faults), *kept]
        self.faults = tuple(dict.fromkeys(sorted(every)))

    def _doubled(self, found: Found) -> list[Fault]:
        """Faults of names that are declared more than once; what is called so, and what is on a target that is, stays as it is."""
        read = {target.name for target in found.targets}
        unread = [target for name, target in self.targets.items() if name in read and target.file and target.file not in self.files]
        applications = duplicates([*self._unread(found), *found.applications])
        self.unclear = duplicates([*unread, *found.targets])
        self.file_faults.update(applications)
        return [fault for faults in (*applications.values(), *self.unclear.values()) for fault in faults]

    def _unread(self, found: Found) -> list[Application]:
        """Applications of files that were not read now and whose name was found again."""
        known = {name: outline for name, outline in self.outlines.items() if not outline.absent and outline.file not in self.files}
        names = [application.name for application in found.applications if application.name in known]
        return [declared.application for declared in self.around.catalog.applications(self.repository, names)] if names else []

    def _cross_checked(self, found: Found) -> dict[str, list[Fault]]:
        lines = {application.name: (application.file, application.line) for application in found.applications}
        faults = cross_check(self._merged_outlines(), self._existing_targets(), lines)
        unread = [name for name in faults if name not in lines]
        if not unread:
            return faults
        for known in self.around.catalog.applications(self.repository, unread):
            lines[known.application.name] = (known.application.file, known.application.line)
        return cross_check(self._merged_outlines(), self._existing_targets(), lines)

    def _merge_targets(self, found: Found, broken: set[str]) -> None:
        read = {target.name: target for target in found.targets}
        gone = [name for name, target in self.targets.items() if self._is_gone(target, read, broken)]
        occupied = self.around.occupied() if gone else frozenset()
        for name in gone:
            target = self.targets[name]
            if name in occupied and not target.file:
                continue
            if name in occupied:
                # Something of ours is still there: its declaration stays known, and nothing new may name it.
                self.targets[name] = msgspec.structs.replace(target, file="")
                self.step.targets.append(self.targets[name])
            else:
                del self.targets[name]
                self.step.removed_targets.append(name)
        for name, target in read.items():
            if self.targets.get(name) == target or (name in self.targets and name in self.unclear):
                continue
            self._keep_former(self.targets.get(name), target)
            self.step.targets.append(target)
            self.targets[name] = target

    def _keep_former(self, before: Target | None, target: Target) -> None:
        """A target that means another place now: what is at the old one stays known, so that nothing of ours is left there untold."""
        if before is None or before.spec == target.spec or self.around.kinds.mean_one_place(before, target) is not False:
            return
        if before.name in self.around.occupied():
            former = before.as_of(self.before.commit)
            self.step.targets.append(former)
            self.step.repointed[before.name] = former.name
            self.targets[former.name] = former

    def _is_gone(self, target: Target, read: Mapping[str, Target], broken: set[str]) -> bool:
        undeclared = not target.file or (target.file in self.files and target.file not in broken)
        return undeclared and target.name not in read

    def _existing_targets(self) -> set[str]:
        return {name for name, target in self.targets.items() if target.file}

    def _merged_outlines(self) -> Iterator[Outline]:
        for name, outline in self.outlines.items():
            if name not in self.declared and name not in self.absent:
                yield outline
        for application in self.declared.values():
            yield Outline(application.name, application.file, application.target, application.spec.depends_on)

    def _guard_removals(self) -> None:
        """Nothing is concluded from absence while anything is broken; and a commit that takes away many is held whole."""
        if self.faults:
            return
        going = sorted(self.absent)
        if len(going) > MOST_REMOVALS and self.commit not in self.around.released:
            raise Held(
                f"{self.commit[:7]} removes {len(going)} applications ({', '.join(going[:5])}, ..), more than {MOST_REMOVALS} at once",
                kind="removal",
                where=self.repository,
                hint="put them back, or run `trueup approve --repository` to let them go",
            )
        self.step.removed.extend(going)

    # ------------------------------------------------------------------ what it renders to

    def _candidates(self, found: Found, changed: set[str] | None) -> dict[str, Declared | None]:
        """The applications to render again, each as the catalog knows it."""
        names = {application.name for application in found.applications}
        names.update(name for name, outline in self.outlines.items() if outline.faulty)
        names.update(self.cross_faults, self.file_faults, self.absent)
        names.update(self._touched(changed))
        names.update(self.around.renders.offered_anew(self.repository, self.targets.values()))
        names -= set(self.step.removed)
        known = {
            each.application.name: each for each in self.around.catalog.applications(self.repository, sorted(names & set(self.outlines)))
        }
        return {name: known.get(name) for name in sorted(names)}

    def _touched(self, changed: set[str] | None) -> Iterator[str]:
        """The applications that have an input which changed, be it only for a while between two heads."""
        mirror, before = self.around.mirror, self.before.commit
        if changed is None and not mirror.has(before):
            yield from self.outlines
            return
        paths = changed if changed is not None else {change.path for change in mirror.changes(before, self.commit)}
        inputs: dict[str, list[Input]] = {}
        for name, given in self.around.catalog.touched(self.repository, with_ancestors(paths)) if self.outlines else ():
            inputs.setdefault(name, []).append(given)
        if self.line is not None:
            yield from (name for name, _ in first_touches(inputs, self.line, mirror))
            return
        for name, several in inputs.items():
            if any(each.path in paths or value_of(each, self.tree) != each.object_id for each in several):
                yield name

    def _render(self, candidates: Mapping[str, Declared | None]) -> None:
        self.known = dict(candidates)
        asked = [application for name, known in candidates.items() if (application := self._to_render(name, known))]
        renderings = self.around.renders.each([(each, self.targets.get(each.target)) for each in asked], self.tree)
        for application, rendering in zip(asked, renderings, strict=True):
            known = candidates[application.name]
            if isinstance(rendering, Unrendered):
                self.awaits |= rendering.passing
                self._stay(application, known, rendering.faults, rendering.inputs)
            else:
                self._take(application, known, rendering)

    def _to_render(self, name: str, known: Declared | None) -> Application | None:
        """The application, unless a fault in its declaration or in others' has it stay as it is."""
        application = self.declared.get(name) or (known.application if known else None)
        faults = self.file_faults.get(name) or self.cross_faults.get(name)
        if application and (faults or (name in self.absent and self.faults)):
            self._stay(application, known, tuple(faults or ()), None)
            return None
        return application

    def _take(self, application: Application, known: Declared | None, rendering: Rendering) -> None:
        keys = tuple(manifest.key for manifest in rendering.manifests)
        revision, exact = (known.revision, known.exact) if known else (self.commit, True)
        declared = Declared(
            application=application, revision=revision, exact=exact, digest=rendering.digest, renderer=rendering.renderer, keys=keys
        )
        self.fresh[application.name] = declared
        self.inputs[application.name] = rendering.inputs

    def _stay(self, application: Application, known: Declared | None, faults: tuple[Fault, ...], inputs: tuple[Input, ...] | None) -> None:
        """Absent is not broken: with a fault, all stays as it was when it last was right, but for the place where it is declared."""
        name = application.name
        base = known or Declared(application=application, revision=self.commit)
        located = msgspec.structs.replace(base.application, file=application.file, line=application.line)
        self.fresh[name] = msgspec.structs.replace(base, application=located, faults=faults, absent=name in self.absent)
        self.inputs[name] = inputs if inputs is not None else self.around.catalog.inputs(self.repository, name)

    # ------------------------------------------------------------------ whose commit it is

    def _date(self) -> None:
        """Find each application's own revision: the newest commit of the line that touches one of its inputs.

        What is wrong keeps the revision at which it last was right; so what is right again may have been touched before this step.
        """
        if not self.around.dated:
            return
        ours = {name: inputs for name, inputs in self.inputs.items() if self._is_right(name)}
        if self.line is None:
            self._date_others()
            found = dates(ours, self.commit, self.around.mirror, EXACT_COMMITS)
        else:
            found = {name: (step.commit.id, True) for name, step in first_touches(ours, self.line, self.around.mirror)}
            anew = {name: inputs for name, inputs in ours.items() if name not in found and not self._was_right(name)}
            found.update(dates(anew, self.commit, self.around.mirror, EXACT_COMMITS) if anew else {})
        for name, (revision, exact) in found.items():
            self.fresh[name] = msgspec.structs.replace(self.fresh[name], revision=revision, exact=exact)

    def _date_others(self) -> None:
        """The last commit is not on the line: any revision may be another now."""
        names = sorted(set(self.outlines) - set(self.fresh) - set(self.step.removed))
        known = {each.application.name: each for each in self.around.catalog.applications(self.repository, names)} if names else {}
        inputs = {name: self.around.catalog.inputs(self.repository, name) for name in names}
        for name, dated in dates(inputs, self.commit, self.around.mirror, EXACT_COMMITS).items() if names else ():
            if dated != (known[name].revision, known[name].exact):
                self.step.revisions[name] = dated

    def _is_right(self, name: str) -> bool:
        return not (self.fresh[name].faults or self.fresh[name].absent)

    def _was_right(self, name: str) -> bool:
        known = self.known.get(name)
        return known is not None and not (known.faults or known.absent)

    def _finished(self) -> Advance:
        step = self.step
        for name, earlier in self.known.items():
            declared = self.fresh.get(name)
            if declared is not None and declared != earlier:
                step.applications.append((declared, self.inputs[name]))
                step.wake.append(Address(self.repository, name, declared.application.target))
                if earlier and earlier.application.target != declared.application.target:
                    step.wake.append(Address(self.repository, name, earlier.application.target))
        for name in (*step.removed, *step.revisions):
            if name in self.outlines:
                step.wake.append(Address(self.repository, name, self.outlines[name].target))
        step.files = self.files
        dated = [*(declared.exact for declared in self.fresh.values()), *(exact for _, exact in step.revisions.values())]
        step.followed = msgspec.structs.replace(
            self.before,
            commit=self.commit,
            head=self.commit,
            faults=self.faults,
            hold=None,
            error="",
            inexact=(self.before.inexact and self.line is not None) or not all(dated),
            awaits=self.awaits,
        )
        return step
