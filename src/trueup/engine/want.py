"""What is wanted of an application, or why nothing is done about it now."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from trueup.engine.course import WELL, Course
from trueup.engine.equipment import Equipment
from trueup.engine.past import Past
from trueup.model.application import Application, Target
from trueup.model.contracts import Desired, Owned, Owner, Runtime
from trueup.model.errors import Fault, SettingsError, TrueupError
from trueup.model.manifest import Manifest, Origin
from trueup.model.memory import Address, Declared
from trueup.model.plan import Hold
from trueup.model.run import Sync
from trueup.model.source import Repository


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a walk does nothing now, and how the application stands meanwhile."""

    sync: Sync
    message: str


def paused(course: Course) -> Hold | None:
    """The hold of somebody who asked that nothing be done."""
    waiting = course.waiting("paused")
    return Hold("paused", f"paused: {waiting.reason}" if waiting.reason else "paused") if waiting else None


class Wants:
    """Reads the memory and Git; writes nothing."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory

    async def reason_to_stay(self, course: Course) -> Reason | None:
        """Why nothing is done now; None when there is no reason."""
        known = course.known
        if course.application is None:
            return Reason(Sync.UNKNOWN, "")
        if known.followed is None or not known.followed.commit:
            return Reason(Sync.UNKNOWN, "its repository was not read yet")
        if course.removed and known.declared is None and known.followed.faults:
            return Reason(Sync.UNKNOWN, _stays(known.followed.faults))
        held = paused(course)
        if held is not None:
            return Reason(Sync.HELD, held.reason)
        if course.faults:
            return Reason(Sync.FAILED, str(course.faults[0]))
        if known.declared and known.declared.absent:
            return Reason(Sync.UNKNOWN, _stays(known.followed.faults))
        if not course.removed and not (known.declared and known.declared.application.spec.depends_on):
            return None
        waits = await self.equipment.store.through(self._waits_for, course)
        return Reason(Sync.OUT_OF_SYNC, f"waits for {waits}") if waits else None

    async def lives_on(self, course: Course) -> bool:
        """Whether the target that it moves to is this very place by another name (one was renamed): then nothing is left behind here.

        Two places cannot both have it at one revision; one place that is looked at twice has the same. Raises as ``runtime`` does.
        """
        declared, repository = course.known.declared, course.address.repository
        if declared is None or not course.removed:
            return False
        new = await self.equipment.store.through(self.memory.target, repository, declared.application.target)
        if course.known.target and new and self.equipment.kinds.mean_one_place(course.known.target, new):
            return True
        here = await self._owned(repository, course.address.application, course.address.target)
        there = await self._owned(repository, declared.application.name, declared.application.target)
        # One place may have moved on between the two looks.
        return here is not None and there in (here, await self._owned(repository, course.address.application, course.address.target))

    async def _owned(self, repository: str, application: str, target: str) -> Owned | None:
        runtime = await self._opened(repository, target)
        owner = Owner(repository, application)
        return next((each for each in await runtime.owned() if each.owner == owner), None)

    async def runtime(self, course: Course) -> Runtime:
        """The opened target. Raises SettingsError or Unreachable."""
        return await self._open(course.known.target, course.address.target)

    async def _opened(self, repository: str, name: str) -> Runtime:
        return await self._open(await self.equipment.store.through(self.memory.target, repository, name), name)

    async def _open(self, target: Target | None, name: str) -> Runtime:
        if target is None:
            raise SettingsError(f"target `{name}` is not declared any more", hint="declare it again until it is empty")
        return await self.equipment.targets.open(target)

    async def desired(self, course: Course) -> Desired:
        """What Git says. Raises DeclarationError."""
        return await self.equipment.work.through(self._desired, course)

    def _desired(self, course: Course) -> Desired:
        application, followed = course.application, course.known.followed
        if application is None or followed is None:
            raise SettingsError(f"nothing is known of {course.address.repository}", hint="fetch it first")
        ruled = msgspec.structs.replace(application, spec=application.spec.model_copy(update={"policy": course.policy}))
        mirror = self.equipment.following(followed.repository).mirror
        if course.removed:
            at_old = ruled.spec.model_copy(update={"target": course.address.target})
            gone = msgspec.structs.replace(ruled, spec=at_old)
            last = self._last(course, followed.repository, gone)
            return Desired(gone, course.revision, (), mirror.tree(followed.commit), removed=True, run=course.run_id, last=last)
        tree = mirror.tree(followed.commit if course.digest else course.revision)
        target = self.memory.target(application.repository, application.target)
        renders = self.equipment.renders
        if course.digest:
            course.renderer = course.known.declared.renderer if course.known.declared else ""
            manifests = renders.recall(course.digest, application, target, tree)
        else:
            then = Past(self.equipment, followed.repository, application).ruled(course.revision)
            ruled = msgspec.structs.replace(then, spec=then.spec.model_copy(update={"policy": course.policy}))
            rendering = renders.render(then, target, tree)
            course.renderer, manifests = rendering.renderer, rendering.manifests
        located = tuple(replace(each, origin=Origin(each.origin.file, each.origin.line, course.revision)) for each in manifests)
        return Desired(ruled, course.revision, located, tree, run=course.run_id, by_hand=course.by_hand)

    def _last(self, course: Course, repository: Repository, gone: Application) -> tuple[Manifest, ...]:
        """What an application that goes was at the revision that was applied last; nothing when that cannot be had any more."""
        revision = course.standing.status.revision if course.standing else ""
        if not revision:
            return ()
        manifests: Iterable[Manifest] = ()
        try:
            moment = Past(self.equipment, repository, gone).at(revision)
        except TrueupError as error:
            faults = error.message
        else:
            faults, manifests = "; ".join(map(str, moment.faults)), moment.manifests.values()
        if faults:
            self.equipment.telemetry.warn(f"what it was at {revision[:7]} cannot be had, nor its hooks of a deletion: {faults}")
        return tuple(replace(each, origin=Origin(each.origin.file, each.origin.line, revision)) for each in manifests)

    def _waits_for(self, course: Course) -> str:
        """The dependency that is not ready at its own revision; for one that goes, who still needs it."""
        if course.removed:
            return self._needed_by(course)
        if course.settled or course.goes_on:
            return ""
        declared = course.known.declared
        for name in declared.application.spec.depends_on if declared else ():
            needed = self.memory.declared(course.address.repository, name)
            if needed is None or not self._is_ready(needed):
                return name
        return ""

    def _is_ready(self, declared: Declared) -> bool:
        application = declared.application
        standing = self.memory.standing(Address(application.repository, application.name, application.target))
        if standing is None or not standing.applied or declared.faults:
            return False
        return standing.status.revision == declared.revision and standing.health.state in WELL

    def _needed_by(self, course: Course) -> str:
        """Removal goes in the reverse order; what moves to another target goes at the old one when it is ready at the new one."""
        address, declared = course.address, course.known.declared
        if declared is not None:
            return "" if self._is_ready(declared) else f"itself at {declared.application.target}"
        for standing in self.memory.standings(address.repository):
            name = standing.application.name
            needs = address.application in standing.application.spec.depends_on
            if needs and self.memory.declared(address.repository, name) is None:
                return f"the removal of {name}"
        return ""


def _stays(faults: tuple[Fault, ...]) -> str:
    where = f" ({faults[0].place})" if faults else ""
    return f"its declaration is gone, and others are broken{where}: it stays as it is"
