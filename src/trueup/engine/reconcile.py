"""The walk of an application: render, plan, guard, apply, observe and report.

The order is written here and nowhere else. Whatever happens, a walk ends with a ``Later``: done, or when to come back.
"""

import time
from dataclasses import dataclass, field

from trueup.engine.apply import apply, begun, next_batch, on_failure, starts_wave
from trueup.engine.course import DONE, WELL, Course, Later
from trueup.engine.equipment import Equipment
from trueup.engine.guard import Facts, guard
from trueup.engine.mishap import refusal_of
from trueup.engine.observe import by_whom, observe
from trueup.engine.plan import plan
from trueup.engine.report import Reports
from trueup.engine.want import Wants
from trueup.model.contracts import Desired, Owner, Runtime
from trueup.model.errors import DeclarationError, Outdated, Refused, SettingsError, TrueupError, Unreachable, Unwritable
from trueup.model.health import HealthReport, State
from trueup.model.memory import Drifted, Row
from trueup.model.plan import Action, Plan, When
from trueup.model.run import Outcome, RunState, Trigger
from trueup.model.source import Revision

LOOK_WHILE_PROGRESSING = 1.0
SAFE_LEASE = 45.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked of one walk. ``digest``: refuse unless the plan has it. ``approve``: carry out what guard would hold."""

    at: str = ""
    digest: str = ""
    approve: bool = False
    actor: str = ""


@dataclass(slots=True)
class Walk:
    """An application's walk under way."""

    course: Course
    runtime: Runtime
    desired: Desired
    row: Row
    wish: Wish = field(default_factory=Wish)


class Reconciler:
    """Walks applications. It keeps nothing between walks: what must be known is in the memory and at the targets."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.stage = equipment.telemetry.stage
        self.store = equipment.store.through
        self.wants = Wants(equipment)
        self.report = Reports(equipment.memory, equipment.store, equipment.telemetry, equipment.clock)

    async def walk(self, row: Row, wish: Wish = Wish()) -> Later:
        """One application's walk, from wherever it is as far as it goes without waiting.

        Raises only for a broken memory, and Outdated for another plan than the one that was wished for.
        """
        known = await self.store(self.memory.known, row.address)
        course = Course(row, known, wish.actor, wish.at)
        facts = {"application": row.address.application, "target": row.address.target, "revision": course.revision}
        if course.run is not None and not course.goes_on and not course.faults:
            with self.equipment.telemetry.about(course.run_id, {**facts, "revision": course.run.revision}):
                await self.report.superseded(course)
        with self.equipment.telemetry.about(course.run_id, facts):
            try:
                reason = await self.wants.reason_to_stay(course)
                if reason is not None:
                    with self.stage("report"):
                        await self.report.stays(course, reason.sync, reason.message)
                    return DONE
                rest = course.rests_until(time.time())
                return Later(rest, course.attempts) if rest else await self._walk(course, row, wish)
            except Unwritable:
                raise
            except TrueupError as error:
                if wish.digest and isinstance(error, Outdated):
                    # Another plan than the one that was asked for: whoever asked is told, and the application stands as it stood.
                    raise
                return await self._failed(course, error)
            except Exception as error:  # noqa: BLE001 - a plug-in may do anything, and must not stop the walks of others
                self.equipment.telemetry.broke("the walk broke", error)
                return await self._failed(course, refusal_of(error))

    async def _walk(self, course: Course, row: Row, wish: Wish) -> Later:
        with self.stage("render"):
            walk = Walk(course, await self.wants.runtime(course), await self.wants.desired(course), row, wish)
        resumed = course.goes_on
        if resumed and wish.digest not in ("", course.plan.digest):
            raise Outdated("another plan is carried out just now", hint="wait until its run has ended, and plan again")
        if not resumed and await self.wants.lives_on(course):
            await self.report.fallen(course)
            return DONE
        if not resumed:
            with self.stage("plan"):
                planned = await plan(walk.runtime, walk.desired, self.memory)
            stay = await self._decide(walk, planned)
            if stay is not None:
                return stay
        later = await self._carry_out(walk)
        if later is not None:
            return later
        ended = await self._finish(walk)
        # What moved while the run waited has only woken it: one look tells whether it was drift, and what of it still stands.
        looks = (resumed or bool(course.plan.differing != course.plan.changes)) and not course.removed
        return Later(time.time()) if looks and ended == DONE else ended

    async def _decide(self, walk: Walk, planned: Plan) -> Later | None:
        """Whether the plan is carried out: a run begins (None), or the walk ends here."""
        course, wish = walk.course, walk.wish
        if wish.digest and planned.digest != wish.digest:
            hint = "everything is as Git says by now" if planned.empty else "plan again, and look at what is different"
            raise Outdated("the world moved since this plan was made", hint=hint)
        if planned.empty and course.removed:
            return await self._fallen(walk)
        if planned.empty and course.settled:
            return await self._looked(walk, planned)
        with self.stage("guard"):
            approvals = course.known.approvals | {planned.digest} if wish.approve else course.known.approvals
            facts = Facts(course.removed, len(walk.desired.manifests), approvals, course.elsewhere, course.parting)
            hold = guard(planned, walk.desired.application.policy, facts)
        if hold is not None:
            await self.report.held(course, planned, hold, await self.store(self._written, course))
            return DONE
        if course.settled and course.trigger is not Trigger.PERSON:
            stay = await self._drifted(walk, planned)
            if stay is not None:
                return stay
        await self.report.begun(course, planned, await self.store(self._written, course))
        return None

    def _written(self, course: Course) -> Revision | None:
        """Author and subject of the revision."""
        followed = course.known.followed
        if followed is None or not course.revision:
            return None
        commit = self.equipment.following(followed.repository).mirror.commit(course.revision)
        return Revision(commit.id, commit.author, commit.date, commit.subject)

    async def _looked(self, walk: Walk, planned: Plan) -> Later:
        """A look that finds nothing to change makes no run; how the objects do is told all the same."""
        course = walk.course
        with self.stage("observe"):
            # What the plan found as Git says is the version that is meant, whoever wrote it.
            health = await observe(walk.runtime, walk.desired, {}, [action.key for action in planned.actions])
            left = await self._by_whom(walk, planned)
        await self.report.looked(course, health, left)
        # What is not well outside of a run is told again by the watch of its target; nobody comes back for it.
        return DONE

    async def _drifted(self, walk: Walk, planned: Plan) -> Later | None:
        """Drift is undone, unless the policy leaves it; two who fight over an object are slowed down."""
        course = walk.course
        if not course.policy.self_heal:
            self.equipment.telemetry.count("drift", healed="false")
            await self.report.drift_stands(course, await self._by_whom(walk, planned))
            return DONE
        wait = course.standing.heal_pause(time.time()) if course.standing else 0.0
        if wait <= 0:
            self.equipment.telemetry.count("drift", healed="true")
            return None
        await self.report.fought_over(course, await self._by_whom(walk, planned))
        return Later(time.time() + wait, course.attempts)

    async def _by_whom(self, walk: Walk, planned: Plan) -> tuple[Drifted, ...]:
        """What differs, with who did it where the target can tell."""
        owner = Owner(walk.course.address.repository, walk.course.address.application)
        return await by_whom(walk.runtime, owner, walk.course.drifted(planned, time.time()))

    async def _fallen(self, walk: Walk) -> Later:
        """Nothing of it is left at this target."""
        await self._bring_records_up_to_date(walk)
        await self.report.fallen(walk.course)
        return DONE

    # ------------------------------------------------------------------ carrying it out

    async def _carry_out(self, walk: Walk) -> Later | None:
        """Wave after wave, as long as nothing has to be waited for; None when all of the plan is done.

        What does not depend on a failure inside its wave goes on, and then all that failed is told together.
        """
        course = walk.course
        failed: list[Outcome] = []
        while batch := next_batch(course.plan, course.outcomes, failed):
            if starts_wave(course.plan, batch, course.outcomes):
                stay = await self._between_waves(walk)
                if stay is not None:
                    return stay
            if not await self._holds_lease(walk.row):
                return Later(time.time() + 1)
            failed += [outcome for outcome in await self._apply(walk, batch) if outcome.state == "failed"]
        return await self._after(walk, failed) if failed else None

    async def _apply(self, walk: Walk, batch: tuple[Action, ...]) -> list[Outcome]:
        """One batch. What was done of it is remembered also when it breaks off."""
        outcomes: list[Outcome] = []
        try:
            with self.stage("apply"):
                async for outcome in apply(walk.runtime, walk.desired, batch):
                    outcomes.append(outcome)  # noqa: PERF401 - one by one, since it may break off
        finally:
            if outcomes:
                await self.report.applied(walk.course, outcomes)
        return outcomes

    async def _holds_lease(self, row: Row) -> bool:
        """Whether the row is still ours. While the lease has long to run nobody else can have it, and nothing is asked."""
        now = time.time()
        return now < row.lease_until - SAFE_LEASE or await self.store(self.memory.renew, row, self.equipment.lease, now)

    async def _between_waves(self, walk: Walk) -> Later | None:
        """A wave begins when the one before is healthy, and only if nothing newer is wanted."""
        course = walk.course
        keys = [action.key for action in begun(course.plan, course.outcomes) if not action.leaves]
        with self.stage("observe"):
            health = await observe(walk.runtime, walk.desired, course.versions, keys)
        fresh = await self.store(self.memory.known, course.address)
        if course.is_overtaken_by(fresh):
            await self.report.superseded(course)
            return Later(time.time())
        return None if health.state in WELL else await self._unwell(walk, health)

    async def _after(self, walk: Walk, failed: list[Outcome]) -> Later:
        """What follows from failures: plan again, come back, or give up."""
        course, now = walk.course, time.time()
        message = f"{failed[0].key}: {failed[0].message}" + (f" (and {len(failed) - 1} more)" if len(failed) > 1 else "")
        if any(outcome.outdated for outcome in failed):
            await self.report.superseded(course, message)
            return Later(now + min(0.1 * 2**course.attempts, course.policy.retry.to), course.attempts + 1)
        refused = not all(outcome.unreachable for outcome in failed)
        final = all(outcome.final for outcome in failed)
        if not final and (not refused or course.may_be_refused_again()):
            wait = course.policy.retry.pause_before(course.attempts)
            if refused:
                course.rest(now + wait)
            await self.report.retried(course, message, wait)
            return Later(now + wait, course.attempts + 1)
        ended = await self._fails(walk, message)
        return _answered(course, ended) if any(outcome.final for outcome in failed) else ended

    async def _fails(self, walk: Walk, message: str) -> Later:
        """The run has failed: what its plan holds for that case is done, once and without waiting, and it ends."""
        course = walk.course
        for batch in on_failure(course.plan, course.outcomes):
            if not await self._holds_lease(walk.row):
                return Later(time.time() + 1)
            await self._apply(walk, batch)
        await self.report.ended(course, RunState.FAILED, message)
        return DONE

    # ------------------------------------------------------------------ until it is ready

    async def _finish(self, walk: Walk) -> Later:
        """All of the plan is done: the run ends when its objects are healthy, degraded, or out of time."""
        course = walk.course
        await self.report.carried_out(course)
        with self.stage("observe"):
            keys = [action.key for action in course.plan.actions if not action.leaves and action.when is When.ALWAYS]
            health = await observe(walk.runtime, walk.desired, course.versions, keys)
        course.saw(health)
        if moved := await self._written_over(walk, course.awaited(health)):
            await self.report.superseded(course, moved)
            return Later(time.time() + min(0.1 * 2**course.attempts, course.policy.retry.to), course.attempts + 1)
        if course.awaited(health).state not in WELL:
            return await self._unwell(walk, health)
        await self._bring_records_up_to_date(walk)
        with self.stage("report"):
            await self.report.ended(course, RunState.SUCCEEDED, "")
            if course.removed:
                await self.report.fallen(course)
        return DONE

    async def _written_over(self, walk: Walk, health: HealthReport) -> str:
        """What became of an object that this run made and somebody else changed: nobody waits for it any more. Empty: nothing."""
        if health.state not in (State.UNKNOWN, State.MISSING):
            return ""
        planned = await plan(walk.runtime, walk.desired, self.memory)
        changed = {action.key for action in planned.changes}
        return next((f"{each.key}: it moved since it was applied" for each in health.objects if each.key in changed), "")

    async def _unwell(self, walk: Walk, health: HealthReport) -> Later:
        course, now = walk.course, self.equipment.clock()
        course.saw(health)
        late = course.is_late(now)
        hopeless = course.written(health).state is State.DEGRADED
        if not hopeless and not late:
            await self.report.waits(course)
            return Later(time.time() + min(LOOK_WHILE_PROGRESSING, course.deadline - now), course.attempts)
        message = course.written(health).message if hopeless else course.awaited(health).message
        message = f"not healthy after {round(course.policy.timeout)}s: {message}" if late else message
        return _answered(course, await self._fails(walk, message))

    async def _bring_records_up_to_date(self, walk: Walk) -> None:
        """The ownership record at the target names the revision and the policy as they are now."""
        async for _ in walk.runtime.apply(walk.desired, ()):
            pass

    # ------------------------------------------------------------------ when it cannot be done

    async def _failed(self, course: Course, error: TrueupError) -> Later:
        """What could not be planned or reached: the place is tried again for ever, the author and the operator are told."""
        told = isinstance(error, DeclarationError | SettingsError | Refused) and error.where and error.where not in error.message
        message = f"{error.where}: {error.message}" if told else error.message
        wait = course.policy.retry.pause_before(course.attempts)
        due = time.time() + wait
        later = Later(due, course.attempts + 1)
        if isinstance(error, Unreachable):
            await self.report.unreachable(course, message)
            return later
        running = course.run is not None and course.run.state is RunState.RUNNING
        # Of a plan that is refused a person hears at once, and asks again when it may be otherwise.
        again = (
            isinstance(error, Refused) and course.attempts < course.policy.retry.limit and (running or course.trigger is not Trigger.PERSON)
        )
        if again:
            course.rest(due)
        if again and running:
            await self.report.retried(course, message, wait)
        else:
            await self.report.failed(course, message)
        return later if again else DONE


def _answered(course: Course, ended: Later) -> Later:
    """A revision that turned out bad is rolled back by itself, where the policy says so."""
    rolls_back = course.policy.rollback == "auto" and course.may_roll_back
    return Later(roll_back=course.run_id) if rolls_back and ended == DONE else ended
