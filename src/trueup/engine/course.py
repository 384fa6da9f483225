"""The course of one walk: what it decides, and what is to be remembered of it. Pure: it reads and writes nothing."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from trueup.engine.aim import Aim
from trueup.model.health import HealthReport, State
from trueup.model.memory import Drifted, Known, Row, Standing, Waiting
from trueup.model.plan import Hold, Plan, Verb
from trueup.model.run import Outcome, Run, RunState, Status, Sync, Trigger, new_run_id
from trueup.model.source import Revision
from trueup.model.wire import time_text

WELL: Final = (State.HEALTHY, State.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Later:
    """How a walk ends. ``due`` (seconds since the epoch): come back then; None: the row is finished.

    ``roll_back`` names the run whose revision turned out bad and is to be rolled back by itself.
    """

    due: float | None = None
    attempts: int = 0
    roll_back: str = ""


DONE: Final = Later()


class Course(Aim):
    """One walk of one address: what it is to make true, and how run and standing change on the way."""

    def __init__(self, row: Row, known: Known, actor: str = "", at: str = "") -> None:
        super().__init__(row.address, known, at)
        self.trigger = row.trigger
        self.attempts = row.attempts
        self.actor = actor
        self.renderer = ""
        self.run = known.run
        self.run_id = known.run.id if known.run else new_run_id()
        self.plan = known.plan if known.plan is not None else Plan(application="", target="", repository="", revision="")
        self.standing = known.standing or self._new_standing()
        self.health = self.standing.health if self.standing else HealthReport()

    def _new_standing(self) -> Standing | None:
        application = self.application
        if application is None:
            return None
        status = Status(repository=self.address.repository, application=application.name, target=self.address.target)
        return Standing(application=application, status=status)

    @property
    def goes_on(self) -> bool:
        """Whether the run that has not ended is for what is wanted now."""
        if self.run is None or self.known.plan is None:
            return False
        if self.removed:
            # Its revision is the head's, which moves; what was to bring the application here is another matter.
            return self.known.plan.removal
        return self.run.revision == self.revision

    @property
    def by_hand(self) -> bool:
        """Whether a person asked for the run that goes on, or is to begin."""
        trigger = self.run.trigger if self.run is not None and self.goes_on else self.trigger
        return trigger is Trigger.PERSON

    # ------------------------------------------------------------------ how it stands

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What was done of the plan so far."""
        return self.run.outcomes if self.run else ()

    @property
    def versions(self) -> dict[str, str]:
        """What was written, by key."""
        return self.standing.versions if self.standing else {}

    @property
    def deadline(self) -> float:
        """When the run must be healthy, in seconds since the epoch; 0 when nothing waits."""
        return self.standing.deadline if self.standing else 0.0

    @property
    def may_roll_back(self) -> bool:
        """Whether a bad end may be answered by a rollback: once for each bad revision, and never for a rollback's own run."""
        bad = self.waiting("bad revision")
        own = self.run is not None and self.run.trigger is Trigger.ROLLBACK
        good = self.standing.good if self.standing else ""
        if own or self.removed or self.at or not good or good == self.revision:
            return False
        return bad is None or bad.revision != self.revision

    def give_time(self, now: float) -> None:
        """Something was done: what was done has all of the time from now on to become healthy."""
        if self.standing is not None:
            self.standing = msgspec.structs.replace(self.standing, deadline=now + self.policy.timeout)

    def is_late(self, now: float) -> bool:
        """Whether the run is out of time. One whose clock was set back gets no more time than it had from the start."""
        if self.standing is not None:
            limit = now + self.policy.timeout
            self.standing = msgspec.structs.replace(self.standing, deadline=min(self.standing.deadline, limit))
        return now >= self.deadline

    def stands(self, sync: Sync, message: str, health: HealthReport | None = None) -> Standing | None:
        """How it stands now, for a walk that changes nothing. None when there is nothing to say."""
        if self.standing is None:
            return None
        if health is not None:
            self.saw(health)
        self.standing = self._with_status(self.standing, sync, message or self.health.message)
        return self.standing

    def saw(self, health: HealthReport) -> None:
        """How the objects do."""
        self.health = health
        if self.standing is not None:
            self.standing = msgspec.structs.replace(self.standing, health=health)

    def _with_status(self, standing: Standing, sync: Sync, message: str) -> Standing:
        declared = self.known.declared
        status = msgspec.structs.replace(
            standing.status,
            desired_revision=declared.revision if declared and not self.removed else "",
            sync=sync,
            health=standing.health.state,
            message=message,
            last_run=self.run.id if self.run else standing.status.last_run,
        )
        return msgspec.structs.replace(standing, status=status)

    # ------------------------------------------------------------------ the run

    def begin(self, plan: Plan, written: Revision | None, now: float) -> Run:
        """A run begins; with it, what the application's policy is from now on."""
        standing, application = self.standing, self.application
        if standing is None or application is None:
            raise ValueError("a walk without an application has no run")
        self.plan = plan
        self.run = self._new_run(plan, written, now)
        heals = self.run.trigger is Trigger.DRIFT
        begun = msgspec.structs.replace(
            standing,
            application=application,
            applied=False,
            drift=(),
            versions=self._versions_before(plan),
            digest=self.digest,
            refusals=0,
            heals=(standing.heals + 1 if standing.healed_lately(now) else 1) if heals else standing.heals,
            healed_at=now if heals else standing.healed_at,
            # What goes is what was applied last, until it is gone.
            status=standing.status if self.removed else msgspec.structs.replace(standing.status, revision=self.revision),
        )
        self.standing = self._with_status(begun, Sync.PROGRESSING, "")
        return self.run

    def _versions_before(self, plan: Plan) -> dict[str, str]:
        """What is there already, by key, at whatever version: a walk that broke off may have written it, and nobody told which one.

        The outcomes of this run say which version it wrote.
        """
        there = (str(action.key) for action in plan.actions if action.verb is not Verb.CREATE or str(action.key) in self.versions)
        return dict.fromkeys(there, "")

    def _new_run(self, plan: Plan, written: Revision | None, now: float) -> Run:
        declared = self.known.declared
        trigger = self._run_trigger()
        hold = self.waiting("bad revision") if trigger is Trigger.ROLLBACK else None
        return Run(
            id=self.run_id,
            repository=self.address.repository,
            application=self.address.application,
            target=self.address.target,
            revision=self.revision,
            revision_exact=declared.exact if declared and self.digest else True,
            author=written.author if written else "",
            subject=written.subject if written else "",
            actor=self.actor or "trueup",
            trigger=trigger,
            of=hold.run if hold else "",
            plan=plan.digest,
            renderer=self.renderer,
            started_at=instant(now),
        )

    def _run_trigger(self) -> Trigger:
        if self.settled:
            return Trigger.PERSON if self.trigger is Trigger.PERSON else Trigger.DRIFT
        hold = self.waiting("bad revision")
        if hold and not self.at and (self.bad or hold.commit == self.revision):
            return Trigger.ROLLBACK
        if self.trigger is Trigger.ROLLBACK:
            # The fetch after a rollback brings whatever else was pushed meanwhile.
            return Trigger.POLL
        if self.trigger is Trigger.DRIFT:
            begun = self.standing is not None and self.standing.status.revision == self.revision
            return Trigger.RETRY if begun else Trigger.POLL
        return self.trigger

    def hold(self, plan: Plan, hold: Hold, written: Revision | None, now: float) -> tuple[Run, Waiting]:
        """A run that waits for a person before it changes anything."""
        run = self._new_run(plan, written, now)
        self.run = msgspec.structs.replace(run, state=RunState.HELD, message=hold.reason, hold=hold, finished_at=instant(now))
        if self.standing is not None:
            self.standing = self._with_status(self.standing, Sync.HELD, hold.reason)
        waiting = Waiting(
            repository=self.address.repository,
            application=self.address.application,
            target=self.address.target,
            kind=hold.kind,
            reason=hold.reason,
            digest=plan.digest,
            revision=self.revision,
            run=self.run.id,
            actor=self.actor or "trueup",
            at=time_text(self.run.started_at, "milliseconds"),
        )
        return self.run, waiting

    def add(self, outcomes: list[Outcome]) -> None:
        """Outcomes came: the run holds the newest of each action, the standing the versions that were written."""
        if self.run is None or self.standing is None:
            raise ValueError("no run has begun")
        merged = {(outcome.key, outcome.verb): outcome for outcome in (*self.run.outcomes, *outcomes)}
        self.run = msgspec.structs.replace(self.run, outcomes=tuple(merged.values()))
        versions = dict(self.standing.versions)
        leaving = {action.key for action in self.plan.actions if action.leaves}
        for outcome in outcomes:
            if outcome.state == "done" and outcome.key in leaving:
                versions.pop(str(outcome.key), None)
            elif outcome.state == "done" and outcome.version:
                versions[str(outcome.key)] = outcome.version
        self.standing = msgspec.structs.replace(self.standing, versions=versions)

    def rest(self, until: float) -> None:
        """It was refused, and is tried again then (seconds since the epoch)."""
        if self.standing is not None:
            self.standing = msgspec.structs.replace(self.standing, refused=self.head, rests_until=until)

    def rests_until(self, now: float) -> float:
        """Until when what was refused is left alone, whatever moves at the target meanwhile; 0: it may be tried.

        A person does not wait, nor does another commit, be it one that mends the target's declaration.
        """
        standing = self.known.standing
        if standing is None or standing.refused != self.head or self.trigger is Trigger.PERSON:
            return 0.0
        # A clock that was set back may have the time far in the future.
        return standing.rests_until if 0 < standing.rests_until - now <= self.policy.retry.to else 0.0

    def may_be_refused_again(self) -> bool:
        """Count a refusal; whether there may be another. A target that does not answer is tried for ever, and does not count."""
        if self.standing is None:
            return False
        self.standing = msgspec.structs.replace(self.standing, refusals=self.standing.refusals + 1)
        return self.standing.refusals <= self.policy.retry.limit

    def carry_out(self) -> None:
        """Everything of the plan is done."""
        if self.standing is not None:
            self.standing = msgspec.structs.replace(self.standing, applied=True)

    def end(self, state: RunState, message: str, now: float) -> Run:
        """The run ends."""
        if self.run is None or self.standing is None:
            raise ValueError("no run has begun")
        ended_at, own = instant(now), self.awaited(self.health)
        self.run = msgspec.structs.replace(self.run, state=state, message=message, finished_at=ended_at, health=own)
        good = self.revision if state is RunState.SUCCEEDED and self.health.state in WELL else self.standing.good
        ended = msgspec.structs.replace(self.standing, good=good, deadline=0.0)
        self.standing = self._with_status(ended, self._sync(state), message or self._held_back() or self.health.message)
        return self.run

    def awaited(self, health: HealthReport) -> HealthReport:
        """What the run waits for: when drift is undone, for what was written. The rest does as it did before, and was judged then."""
        return self.written(health) if self.run is not None and self.run.trigger is Trigger.DRIFT else health

    def written(self, health: HealthReport) -> HealthReport:
        """The health of what the run writes. What else is degraded may get well by it, and is given the time."""
        return health.of({action.key for action in self.plan.changes})

    def _held_back(self) -> str:
        return f"{self.bad.revision[:7]} is held back: {self.bad.reason}" if self.bad else ""

    def _sync(self, state: RunState) -> Sync:
        if self.bad:
            return Sync.HELD
        if state in (RunState.SUPERSEDED, RunState.RUNNING):
            return Sync.PROGRESSING
        return Sync.SYNCED if self.standing and self.standing.applied else Sync.FAILED

    def forget_run(self) -> None:
        """The run has ended, and this walk may begin another."""
        self.run = None
        self.run_id = new_run_id()
        self.plan = Plan(application="", target="", repository="", revision="")

    def drifted(self, plan: Plan, now: float) -> tuple[Drifted, ...]:
        """What differs and is left alone; what was seen before keeps the time when it was."""
        earlier = {each.key: each for each in self.standing.drift} if self.standing else {}
        at = time_text(instant(now), "milliseconds")
        return tuple(
            Drifted(key=action.key, changes=action.changes, since=earlier[action.key].since if action.key in earlier else at)
            for action in plan.differing
        )


def instant(now: float | None = None) -> datetime:
    """A time as the contract writes it: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
