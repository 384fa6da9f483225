"""How things stand, what is live, and what Git says: questions that change nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from trueup.engine.course import Course
from trueup.engine.discover import Found, cross_check, discover, duplicates, ignored, is_declaration
from trueup.engine.equipment import Equipment
from trueup.engine.mishap import contained
from trueup.engine.observe import by_whom, observe
from trueup.engine.plan import plan
from trueup.engine.preview import Previews
from trueup.engine.render import Unrendered
from trueup.engine.report import UNREACHABLE, left_as_it_is
from trueup.engine.want import Wants
from trueup.model import wire
from trueup.model.answer import Rendered
from trueup.model.contracts import Live, Owner, Tree
from trueup.model.errors import DeclarationError, Fault, Held, Refused, TrueupError, Unreachable, UsageError
from trueup.model.health import HealthReport, State
from trueup.model.manifest import Key
from trueup.model.memory import Address, Drifted, Outline, Standing
from trueup.model.plan import Plan, Verb
from trueup.model.run import Status, Sync, Trigger
from trueup.model.selection import Selection
from trueup.model.source import Repository
from trueup.toolkit.troubles import Troubles

AT_ONCE: Final = 8


class Inspections:
    """Answers for people."""

    def __init__(self, equipment: Equipment, previews: Previews) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.previews = previews
        self.wants = Wants(equipment)

    # ------------------------------------------------------------------ status and drift

    async def remembered(self, repository: Repository, selection: Selection) -> list[Status]:
        """As the memory has it; an application that was never walked is there too."""
        everything = msgspec.structs.replace(selection, everything=True)
        courses = [await self.previews.course(each) for each in await self.previews.addresses(repository, everything)]
        return [_as_declared(course) for course in courses if course.standing is not None]

    async def statuses(self, repository: Repository, selection: Selection) -> list[Status]:
        """Looked up at the targets now. One that cannot be looked up says why, and the others are told all the same."""
        everything = msgspec.structs.replace(selection, everything=True)
        turn = asyncio.Semaphore(AT_ONCE)

        async def looked(address: Address) -> Status | None:
            async with turn:
                return await self._status(await self.previews.course(address))

        addresses = await self.previews.addresses(repository, everything)
        found = await asyncio.gather(*(looked(address) for address in addresses))
        return [status for status in found if status is not None]

    async def _status(self, course: Course) -> Status | None:
        if course.standing is None:
            return None
        status = _as_declared(course)
        if course.faults:
            return status
        try:
            planned, health = await self._look(course)
        except TrueupError as error:
            return msgspec.structs.replace(status, sync=Sync.UNKNOWN, health=State.UNKNOWN, message=error.message)
        sync, message = status.sync, status.message
        stays = await self.wants.reason_to_stay(course)
        if stays is not None:
            sync, message = stays.sync, "; ".join(words for words in (stays.message, health.message) if words)
        elif course.settled and not course.known.holds:
            sync = Sync.SYNCED if planned.empty else Sync.OUT_OF_SYNC
            names = ", ".join(str(action.key) for action in planned.changes[:3])
            message = f"drift: {names}" if names else health.message or left_as_it_is(course.drifted(planned, time.time()))
        return msgspec.structs.replace(status, sync=sync, health=health.state, message=message or health.message)

    async def _look(self, course: Course) -> tuple[Plan, HealthReport]:
        with contained(self.equipment.telemetry, f"a look at {course.address.application}"):
            return await self._looked(course)

    async def _looked(self, course: Course) -> tuple[Plan, HealthReport]:
        desired = await self.wants.desired(course)
        runtime = await self.wants.runtime(course)
        planned = await plan(runtime, desired, self.memory)
        if course.settled and not planned.empty:
            # Looking is like being told by a watch: whoever walks next finds it in the queue.
            await self.store(self.memory.wake, [course.address], Trigger.DRIFT)
        if planned.changes and all(action.verb is Verb.CREATE for action in planned.actions) and not course.versions:
            # It was never applied, and nothing of it is there: well it is not.
            return planned, HealthReport(State.MISSING)
        # Health is that of what was applied: what is still to be made is not missing.
        made = (Verb.UNCHANGED, Verb.UPDATE, Verb.REPLACE)
        there = [action.key for action in planned.actions if action.verb in made or str(action.key) in course.versions]
        versions = {str(action.key): course.versions.get(str(action.key), "") for action in planned.changes}
        return planned, await observe(runtime, desired, versions, there)

    def drift(self, repository: Repository, selection: Selection) -> AsyncIterator[tuple[Status, Drifted]]:
        """What differs though Git did not change, object by object. Raises what could not be looked up, after all else was told."""
        return self._drifts(repository, selection, self._drift_now, asks=True)

    def seen_drift(self, repository: Repository, selection: Selection) -> AsyncIterator[tuple[Status, Drifted]]:
        """The same as the last look of each application left it. Raises the same where that look failed."""
        return self._drifts(repository, selection, self._drift_seen, asks=False)

    async def _drifts(
        self, repository: Repository, selection: Selection, look: Callable[[Course, Standing], AsyncIterator[Drifted]], *, asks: bool
    ) -> AsyncIterator[tuple[Status, Drifted]]:
        """``asks``: of a target that does not answer nothing more is asked; what is remembered is told all the same."""
        troubles, silent = Troubles(), set[str]()
        everything = msgspec.structs.replace(selection, everything=True)
        for address in await self.previews.addresses(repository, everything):
            course = await self.previews.course(address)
            standing = course.standing
            if standing is None or not course.settled or address.target in silent:
                continue
            try:
                async for each in look(course, standing):
                    yield standing.status, each
            except TrueupError as error:
                troubles.add(error, f"application {address.application}")
                silent.update([address.target] if asks and isinstance(error, Unreachable) else ())
        troubles.raise_all()

    async def _drift_now(self, course: Course, _standing: Standing) -> AsyncIterator[Drifted]:
        """With who did it where the target can tell."""
        planned, _ = await self._look(course)
        owner = Owner(course.address.repository, course.address.application)
        for each in await by_whom(await self.wants.runtime(course), owner, course.drifted(planned, time.time())):
            yield each

    async def _drift_seen(self, course: Course, standing: Standing) -> AsyncIterator[Drifted]:
        paused = standing.status.sync is Sync.HELD and standing.status.message.startswith("paused")
        if paused:
            # Whoever serves does not look at it, and so cannot know.
            async for each in self._drift_now(course, standing):
                yield each
            return
        for each in standing.drift:
            yield each
        if standing.status.sync in (Sync.FAILED, Sync.UNKNOWN):
            raise trouble_of(standing.status)

    # ------------------------------------------------------------------ check and render

    async def check(self, tree: Tree, path: str) -> list[Fault]:
        """Every fault below a path."""
        return await self.equipment.work.through(self._check, tree, path)

    def _check(self, tree: Tree, path: str) -> list[Fault]:
        found = self._discovered(tree, path)
        targets = {target.name: target for target in found.targets}
        crossed = _crossed(found, found)
        if path and crossed:
            # What is named may be declared beside this folder.
            everything = self._discovered(tree, "")
            targets = {target.name: target for target in everything.targets} | targets
            crossed = _crossed(found, everything)
        doubled = [duplicates(found.applications), duplicates(found.targets), crossed]
        faults = [*found.faults, *(fault for faults in doubled for each in faults.values() for fault in each)]
        for application in found.applications:
            if application.name in crossed:
                continue
            try:
                self.equipment.renders.render(application, targets.get(application.target), tree, ask=False)
            except Unrendered as error:
                faults.extend(error.faults)
        return sorted(dict.fromkeys(faults))

    def _discovered(self, tree: Tree, path: str) -> Found:
        files = [each for each in tree.walk(path) if is_declaration(each)]
        hidden = ignored(tree, path, files)
        return discover("", tree, [file for file in files if file not in hidden], self.equipment.kinds)

    async def render(self, repository: Repository, selection: Selection, commit: str) -> list[tuple[str, list[Rendered]]]:
        """What applications render to. Raises DeclarationError with every fault of what is meant."""
        told: list[tuple[str, list[Rendered]]] = []
        faults: list[Fault] = []
        for address in await self.previews.addresses(repository, selection):
            course = await self.previews.course(address)
            if course.removed:
                continue
            if course.faults and not commit:
                faults.extend(course.faults)
                continue
            course.at = commit
            desired = await self.wants.desired(course)
            told.append((address.application, [Rendered(each.key, each.origin, wire.plain(each.body)) for each in desired.manifests]))
        if faults:
            raise DeclarationError(tuple(dict.fromkeys(faults)))
        return told

    # ------------------------------------------------------------------ one object

    async def live(self, course: Course, key: str) -> Live | None:
        """One object as it is."""
        runtime = await self.wants.runtime(course)
        return await runtime.live(Owner(course.address.repository, course.address.application), course.key(key))

    async def logs(self, course: Course, text: str, follow: bool) -> AsyncIterator[str]:
        """Log lines of one object."""
        runtime = await self.wants.runtime(course)
        owner = Owner(course.address.repository, course.address.application)
        key = course.key(text) if text else await self._only_with_log(course)
        async for line in runtime.logs(owner, key, follow):
            yield line

    async def _only_with_log(self, course: Course) -> Key:
        """The one object that keeps a log. Raises UsageError when that is not one."""
        runtime = await self.wants.runtime(course)
        owner = Owner(course.address.repository, course.address.application)
        keeps = []
        for key in course.known.declared.keys if course.known.declared else ():
            try:
                async for _ in runtime.logs(owner, key, False):
                    break
            except Refused:
                continue
            keeps.append(key)
        if len(keeps) == 1:
            return keeps[0]
        hint = f"name one: {', '.join(map(str, keeps))}" if keeps else ""
        what = "several objects that keep a log" if keeps else "no object that keeps a log"
        raise UsageError(f"`{course.address.application}` has {what}", hint=hint)


def _crossed(found: Found, everything: Found) -> dict[str, list[Fault]]:
    """What is wrong between the declarations that were found and all that there are, of those that were found."""
    declared = {each.name: each for each in (*everything.applications, *found.applications)}
    outlines = [Outline(each.name, each.file, each.target, each.spec.depends_on) for each in declared.values()]
    targets = {target.name for target in (*everything.targets, *found.targets)}
    lines = {each.name: (each.file, each.line) for each in found.applications}
    return {name: faults for name, faults in cross_check(outlines, targets, lines).items() if name in lines}


def _as_declared(course: Course) -> Status:
    """The remembered status, held against what Git says by now."""
    standing: Standing | None = course.standing
    if standing is None:
        raise ValueError("nothing is known")
    status, declared = standing.status, course.known.declared
    if course.faults:
        return msgspec.structs.replace(status, sync=Sync.FAILED, message=str(course.faults[0]))
    kept_out = next((hold for hold in course.known.holds if not hold.application), None)
    if kept_out is not None:
        message = f"{kept_out.reason}; `trueup release --repository` lets it in"
        return msgspec.structs.replace(status, sync=Sync.HELD, message=message)
    if declared is None or course.removed:
        if status.sync is not Sync.SYNCED:
            return msgspec.structs.replace(status, desired_revision="")
        goes = "its declaration is gone" if declared is None else f"it moves to {declared.application.target}"
        return msgspec.structs.replace(status, desired_revision="", sync=Sync.OUT_OF_SYNC, message=goes)
    behind = status.revision != declared.revision and status.sync is Sync.SYNCED
    never = not status.revision and status.sync is Sync.UNKNOWN and not status.message
    sync = Sync.OUT_OF_SYNC if behind or never else status.sync
    unread = course.known.followed.error if course.known.followed else ""
    message = status.message or (f"newer commits are not seen: {unread}" if unread else "")
    return msgspec.structs.replace(status, desired_revision=declared.revision, sync=sync, message=message)


def trouble_of(status: Status) -> TrueupError:
    """What stands in the way of an application, as an error."""
    if status.message.startswith(UNREACHABLE):
        goes = f"`trueup release {status.application}` lets go of what is there" if not status.desired_revision else ""
        return Unreachable(status.message.removeprefix(UNREACHABLE), where=f"target {status.target}", hint=goes)
    if status.sync is Sync.HELD:
        kind, _, _ = status.message.partition(":")
        hint = f"`trueup release {status.application}` lets it go on" if kind == "paused" else "`trueup status` shows how it stands"
        return Held(f"{status.application} is held: {status.message}", kind=kind, hint=hint)
    return TrueupError(f"{status.application}: {status.message}", hint="`trueup status` shows how it stands")
