"""What a walk did -> remembered, logged, counted; and who waited for it is woken."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from trueup.engine.course import WELL, Course
from trueup.model.health import HealthReport
from trueup.model.memory import Address, Advance, Drifted, Followed, Memory, Standing
from trueup.model.plan import Hold, Plan
from trueup.model.run import Outcome, Run, RunState, Sync, Trigger
from trueup.model.source import Revision
from trueup.toolkit.door import Door
from trueup.toolkit.telemetry import Telemetry

UNREACHABLE: Final = "unreachable: "
"""How the message of a status begins when the target does not answer."""

# What a plan of its own put, and a later plan takes away.
HELD: Final = ("approval", "owner")
# An application stands at one target, and for a while at those that it moves away from.
MOST_TARGETS: Final = 8
MOST_FAULTS: Final = 20


class Reports:
    """Writes the memory, one transaction for each thing that happened."""

    def __init__(self, memory: Memory, store: Door, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self.memory = memory
        self.clock = clock
        self.store = store.through
        self.telemetry = telemetry

    # ------------------------------------------------------------------ a repository

    def followed(self, before: Followed, step: Advance) -> None:
        """A repository stepped to a new head: whom it touches, and what is wrong by now and was not before."""
        now = step.followed
        if now.commit != before.commit or step.wake:
            # What is only tried again, for something outside could not be had, is no news.
            self.telemetry.info("followed", revision=now.commit, touched=len(step.wake), faults=len(now.faults))
        for name, former in step.repointed.items():
            self.telemetry.warn(f"{name} means another place now; what is at the old one is told as {former}", target=former)
        own = (fault for declared, _ in step.applications for fault in declared.faults)
        new = [fault for fault in dict.fromkeys((*now.faults, *own)) if fault not in before.faults]
        for fault in new[:MOST_FAULTS]:
            self.telemetry.warn(f"fault: {fault}", hint=fault.hint)
        if len(new) > MOST_FAULTS:
            self.telemetry.warn(f"and {len(new) - MOST_FAULTS} more faults", hint="`trueup check` tells all of them")

    # ------------------------------------------------------------------ without a run

    async def stays(self, course: Course, sync: Sync, message: str) -> None:
        """Nothing is done now."""
        await self._stand(course, course.stands(sync, message))

    async def looked(self, course: Course, health: HealthReport, left: tuple[Drifted, ...] = ()) -> None:
        """A look found nothing to change; ``left`` is what was added beside what Git says, and stays."""
        sync = Sync.HELD if course.bad else Sync.SYNCED
        message = f"{course.bad.revision[:7]} is held back: {course.bad.reason}" if course.bad else left_as_it_is(left)
        standing = course.stands(sync, message, health)
        if standing is not None:
            self._tell_new_drift(standing, left)
            await self._stand(course, msgspec.structs.replace(standing, drift=left))
        await self._forget_approvals(course)

    async def drift_stands(self, course: Course, drift: tuple[Drifted, ...]) -> None:
        """Drift is seen and left alone, as the policy says."""
        names = ", ".join(str(each.key) for each in drift[:5])
        standing = course.stands(Sync.OUT_OF_SYNC, f"drift: {names}")
        if standing is not None:
            self._tell_new_drift(standing, drift)
            await self._stand(course, msgspec.structs.replace(standing, drift=drift))

    async def fought_over(self, course: Course, drift: tuple[Drifted, ...]) -> None:
        """Drift is back as often as it is undone; it is undone again in a while."""
        names = ", ".join(f"{each.key}{f' by {each.by}' if each.by else ''}" for each in drift[:5])
        self.telemetry.warn("fight", objects=names)
        await self.stays(course, Sync.OUT_OF_SYNC, f"changed again each time it is undone: {names}")

    def _tell_new_drift(self, standing: Standing, drift: tuple[Drifted, ...]) -> None:
        if drift and {each.key for each in standing.drift} != {each.key for each in drift}:
            self.telemetry.warn("drift", objects=", ".join(str(each.key) for each in drift[:5]))

    async def unreachable(self, course: Course, message: str) -> None:
        """The target does not answer."""
        self.telemetry.warn(f"unreachable: {message}", attempts=course.attempts)
        sync = Sync.PROGRESSING if course.run else Sync.UNKNOWN
        await self._stand(course, course.stands(sync, UNREACHABLE + message))

    async def failed(self, course: Course, message: str) -> None:
        """It could not be planned, or a run could not go on."""
        self.telemetry.warn(f"failed: {message}")
        if course.run is not None and course.run.state is RunState.RUNNING:
            await self.ended(course, RunState.FAILED, message)
            return
        await self._stand(course, course.stands(Sync.FAILED, message))

    async def fallen(self, course: Course) -> None:
        """Nothing of it is left at this target: who waited for that is woken."""
        standing = course.known.standing
        await self.store(self.memory.fall, course.address)
        await self._lift(course)
        needed = standing.application.spec.depends_on if standing else ()
        wake = [each for name in needed for each in await self.store(self._addresses, course.address.repository, name)]
        await self.store(self.memory.wake, wake, Trigger.DEPENDENCY)
        self.telemetry.info("removed")

    def _addresses(self, repository: str, application: str) -> list[Address]:
        """Every target where it stands."""
        standings = self.memory.standings(repository, Address(repository, application), MOST_TARGETS)
        return [Address(repository, application, each.status.target) for each in standings if each.application.name == application]

    # ------------------------------------------------------------------ a run

    async def begun(self, course: Course, planned: Plan, written: Revision | None) -> None:
        """A run begins."""
        run = course.begin(planned, written, time.time())
        course.give_time(self.clock())
        await self.store(self.memory.begin, run, planned, course.standing)
        if _is_held(course):
            await self._lift(course)
        self.telemetry.info("run begins", trigger=run.trigger, plan=planned.digest[:8], changes=planned.summary.changes)

    async def held(self, course: Course, planned: Plan, hold: Hold, written: Revision | None) -> None:
        """A plan waits for a person; told once for each plan."""
        same = course.waiting(hold.kind)
        if same is not None and same.digest == planned.digest:
            await self._stand(course, course.stands(Sync.HELD, hold.reason))
            return
        run, waiting = course.hold(planned, hold, written, time.time())
        await self.store(self.memory.conclude, run, course.standing, waiting)
        self.telemetry.warn(f"held: {hold.reason}", plan=planned.digest[:8])
        self._count(course)

    async def applied(self, course: Course, outcomes: list[Outcome]) -> None:
        """A batch was carried out."""
        course.add(outcomes)
        course.give_time(self.clock())
        for outcome in outcomes:
            self.telemetry.count("actions", verb=outcome.verb, state=outcome.state)
            self.telemetry.info(f"{outcome.verb} {outcome.state}", object=str(outcome.key), why=outcome.message)
        await self.store(self.memory.add_outcomes, course.run_id, outcomes, course.standing)

    async def carried_out(self, course: Course) -> None:
        """Everything of the plan is done; what is left is that it becomes ready."""
        course.carry_out()

    async def waits(self, course: Course) -> None:
        """The run waits until its objects are healthy."""
        await self._stand(course, course.stands(Sync.PROGRESSING, ""))

    async def retried(self, course: Course, message: str, wait: float) -> None:
        """Something failed and is tried again after a pause."""
        refusals = course.standing.refusals if course.standing else 0
        counted = f" (refusal {refusals} of {course.policy.retry.limit + 1})" if refusals else ""
        told = f"{message}; tried again in {wait:.3g}s{counted}"
        self.telemetry.warn(told, attempts=course.attempts + 1)
        await self._stand(course, course.stands(Sync.PROGRESSING, told))

    async def superseded(self, course: Course, message: str = "") -> None:
        """A run that is not wanted any more ends."""
        if course.run is not None and course.run.state is RunState.RUNNING:
            await self.ended(course, RunState.SUPERSEDED, message or f"overtaken by {course.revision[:7]}")
            course.forget_run()

    async def ended(self, course: Course, state: RunState, message: str) -> None:
        """The run ends, and how the application stands with it."""
        run = course.end(state, message, time.time())
        await self.store(self.memory.conclude, run, course.standing)
        level = self.telemetry.info if state in (RunState.SUCCEEDED, RunState.SUPERSEDED) else self.telemetry.warn
        level(f"run {state}", why=message, health=course.health.state)
        self._count(course)
        if state is RunState.SUCCEEDED:
            await self._forget_approvals(course)
            await self._rolled_back(course, run)
            await self._wake_dependents(course)

    async def _rolled_back(self, course: Course, run: Run) -> None:
        """The run that this one takes back is told as rolled back; a hold on an earlier revision has done its work."""
        bad = await self.store(self.memory.run, run.of) if run.trigger is Trigger.ROLLBACK and run.of else None
        if bad is not None and bad.state is not RunState.RUNNING:
            await self.store(self.memory.conclude, msgspec.structs.replace(bad, state=RunState.ROLLED_BACK))
        hold = course.waiting("bad revision")
        if hold is None or course.bad or course.removed or course.at:
            return
        # Somebody may hold this very revision back by now.
        held = await self.store(self.memory.holds, course.address.repository, course.address.application)
        if any(each.kind == hold.kind and each.revision == hold.revision for each in held):
            await self.store(self.memory.lift, course.address.repository, course.address.application, (hold.kind,))

    # ------------------------------------------------------------------ who is told

    def _count(self, course: Course) -> None:
        if course.run is not None:
            self.telemetry.count("runs", state=course.run.state, trigger=course.run.trigger)

    async def _stand(self, course: Course, standing: Standing | None) -> None:
        if standing is None or standing == course.known.standing:
            return
        await self.store(self.memory.stand, standing)
        before = course.known.standing
        if standing.health.state in WELL and (before is None or before.health.state not in WELL):
            await self._wake_dependents(course)

    async def _wake_dependents(self, course: Course) -> None:
        """Who depends on it, and where it was before it moved here."""
        await self.store(self._wake_others, course.address)

    def _wake_others(self, address: Address) -> None:
        waiting = self.memory.dependents(address.repository, address.application)
        elsewhere = self._addresses(address.repository, address.application)
        wake = [each for each in (*waiting, *elsewhere) if each != address]
        if wake:
            self.memory.wake(wake, Trigger.DEPENDENCY)

    async def _lift(self, course: Course) -> None:
        """Its plan waits for nobody any more. Where else the application stands, another one may."""
        address = course.address
        await self.store(self.memory.lift, address.repository, address.application, HELD, address.target)

    async def _forget_approvals(self, course: Course) -> None:
        """What was approved was carried out, or is not needed any more."""
        if course.known.approvals or _is_held(course):
            await self.store(self.memory.withdraw, course.address)
            await self._lift(course)


def left_as_it_is(drift: Sequence[Drifted]) -> str:
    """What a status says of fields that were added beside what Git says; empty when there are none."""
    return f"drift, left as it is: {', '.join(str(each.key) for each in drift[:5])}" if drift else ""


def _is_held(course: Course) -> bool:
    return any(hold.kind in HELD for hold in course.known.holds)
