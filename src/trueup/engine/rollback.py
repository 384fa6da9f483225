"""Back to a good revision by a revert commit, so that Git and what runs agree.

The bad revision is held back first. So whatever happens after that (a push that is refused, the death of this process), what runs goes
back to the good revision and stays there; and a push that went well before the death is known again by the trailers of its commit.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from trueup.engine.course import WELL, Course
from trueup.engine.dating import dates
from trueup.engine.equipment import Equipment
from trueup.engine.follow import Follower
from trueup.engine.past import Past
from trueup.engine.revert import Revert, Undo, message_of, revert_of, undo_of
from trueup.model.answer import RolledBack
from trueup.model.errors import Held, Outdated, Refused, TrueupError, UsageError
from trueup.model.memory import Address, Declared, Followed, Row, Waiting
from trueup.model.run import Run, RunState, Trigger
from trueup.model.selection import Rollback
from trueup.model.wire import time_text
from trueup.toolkit.git.draft import Draft, commit_of
from trueup.toolkit.git.mirror import Mirror

BAD_REVISION: Final = "bad revision"
TRIES: Final = 5
SHORT: Final = 7
RECENT_RUNS: Final = 1000


class Case(msgspec.Struct, frozen=True):
    """One rollback: from the bad revision to the good one. ``run`` is the run that brought the bad one, empty when none did."""

    request: Rollback
    address: Address
    followed: Followed
    declared: Declared
    bad: str
    good: str
    run: str = ""

    @property
    def undo(self) -> Undo:
        """What the commit will say of itself."""
        return Undo(self.address.application, self.bad, self.good)

    @property
    def branch(self) -> str:
        """The full name of the branch that is followed; empty when it is none."""
        return self.followed.reference if self.followed.reference.startswith("refs/heads/") else ""

    @property
    def again(self) -> str:
        """What goes on where this one ends."""
        return f"`trueup rollback {self.address.application}` pushes the revert commit"


class Rollbacks:
    """Makes revert commits and holds bad revisions back."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.work = equipment.work.through
        self.follower = Follower(equipment)

    async def roll_back(self, course: Course, request: Rollback) -> RolledBack:
        """What a person asked for. Raises UsageError when it is not clear where to go back to, or when others go back with it unasked."""
        undone = await self._undone(course)
        if undone is not None and undone.good.startswith(request.to):
            return undone
        case = await self._case(course, request)
        revert = await self._revert(case)
        if not revert.files:
            message = f"the files of `{request.application}` are already as they were at {case.good[:SHORT]}"
            return RolledBack(application=request.application, bad="", good=case.good, message=message)
        _expect_alone(case, revert)
        return await self._carry_out(case)

    async def answer(self, address: Address, run: str) -> RolledBack:
        """A run whose revision turned out bad, where the policy says ``rollback: auto``. Once for each bad revision.

        Raises UsageError when there is nothing to go back to any more.
        """
        bad = await self.store(self.memory.run, run)
        course = await self._course(address)
        undone = await self._undone(course)
        if undone is not None and bad is not None and undone.bad == bad.revision:
            return undone
        declared = course.known.declared
        if bad is None or declared is None or declared.revision != bad.revision:
            raise UsageError(f"`{address.application}` has a newer revision by now", hint="that one is walked instead")
        for earlier in await self._runs(address):
            if earlier.state is RunState.ROLLED_BACK and earlier.revision == bad.revision:
                raise UsageError(
                    f"{bad.revision[:SHORT]} of `{address.application}` was rolled back before, and let in again",
                    hint=f"`trueup rollback {address.application}` rolls it back once more",
                )
        request = Rollback(application=address.application, reason=bad.message, actor="trueup")
        case = msgspec.structs.replace(await self._case(course, request), run=run)
        if not (await self._revert(case)).files:
            raise UsageError(f"the files of `{address.application}` are already as they were at {case.good[:SHORT]}")
        return await self._carry_out(case)

    async def _course(self, address: Address) -> Course:
        known = await self.store(self.memory.known, address)
        return Course(Row(address, 0, 0.0, Trigger.ROLLBACK, 0, 0.0), msgspec.structs.replace(known, run=None, plan=None))

    async def _runs(self, address: Address) -> list[Run]:
        """The last runs there, newest first."""
        runs = await self.store(self.memory.runs, address.repository, address.application, "", RECENT_RUNS)
        return [run for run in runs if run.target == address.target]

    # ------------------------------------------------------------------ from where to where

    async def _undone(self, course: Course) -> RolledBack | None:
        """The rollback that was made before, and by whose commit; None when the present revision is not one.

        Somebody may have died between the push and the report: then it is remembered now that this commit is the revert.
        """
        known, name = course.known, course.address.application
        if known.followed is None or known.declared is None or known.declared.faults:
            return None
        commit = await self.work(self._mirror(known.followed).commit, known.declared.revision)
        undo = undo_of(commit)
        if undo is None or undo.application != name or not await self.work(self._is_back, known.followed, known.declared, undo.good):
            return None
        hold = course.waiting(BAD_REVISION)
        if hold is not None and hold.revision == undo.bad and hold.commit != commit.id:
            await self.store(self.memory.hold, msgspec.structs.replace(hold, commit=commit.id))
        message = f"it was rolled back by this commit before; `--to` goes back further than {undo.good[:SHORT]}"
        branch = known.followed.reference.removeprefix("refs/heads/")
        return RolledBack(application=name, bad=undo.bad, good=undo.good, commit=commit.id, branch=branch, message=message)

    def _is_back(self, followed: Followed, declared: Declared, good: str) -> bool:
        """Whether the files are as they were at a commit: anybody can write words into a message."""
        if not self._mirror(followed).has(good):
            return False
        past = Past(self.equipment, followed.repository, declared.application)
        try:
            return not revert_of(past, self.memory, followed.commit, good).files
        except UsageError:
            return False

    async def _case(self, course: Course, request: Rollback) -> Case:
        followed, declared, name = course.known.followed, course.known.declared, request.application
        if followed is None or declared is None or course.removed:
            raise UsageError(f"`{name}` is not declared any more", hint="take the commit back that removed it, with git revert")
        if followed.hold is not None:
            hint = "`trueup release --repository` lets the new head in"
            raise Held(followed.hold.reason, kind=followed.hold.kind, where=followed.repository.url, hint=hint)
        case = Case(request=request, address=course.address, followed=followed, declared=declared, bad=declared.revision, good="")
        if declared.faults:
            case = msgspec.structs.replace(case, bad=await self.work(self._last_touch, case, followed.commit))
        good = await self._asked_for(case) if request.to else await self._last_good(course, case)
        runs = [run for run in await self._runs(course.address) if run.revision == case.bad]
        brought = [run for run in runs if run.trigger is not Trigger.DRIFT] or runs
        return msgspec.structs.replace(case, good=good, run=brought[0].id if brought else "")

    def _last_touch(self, case: Case, commit: str) -> str:
        """The application's own revision as of a commit, be it right or wrong."""
        mirror = self._mirror(case.followed)
        inputs = Past(self.equipment, case.followed.repository, case.declared.application).at(commit).inputs
        return dates({"": inputs}, commit, mirror, 0)[""][0]

    async def _asked_for(self, case: Case) -> str:
        """The revision that a person named, as the application's own: a commit that touched others only is none."""
        mirror, to, head = self._mirror(case.followed), case.request.to, case.followed.commit
        commit = await self._complete(mirror, to)
        if not await self.work(_is_on_line, mirror, head, commit):
            hint = "`trueup history` and `git log --first-parent` list where one can go back to"
            raise UsageError(f"{to} is not on the first-parent line of the followed branch", where=case.followed.repository.url, hint=hint)
        good = await self.work(self._last_touch, case, commit)
        if good == case.bad:
            raise UsageError(f"{to} is what `{case.request.application}` has now", hint="name an earlier one with --to")
        return good

    async def _complete(self, mirror: Mirror, revision: str) -> str:
        try:
            return await self.work(mirror.complete, revision)
        except UsageError as unknown:
            try:
                head = await mirror.head(revision)
            except TrueupError:
                raise unknown from None
            return head.commit

    async def _last_good(self, course: Course, case: Case) -> str:
        """The last revision that was healthy, other than the present one."""
        held = course.bad.good if course.bad else ""
        remembered = course.standing.good if course.standing else ""
        well = [run.revision for run in await self._runs(course.address) if run.state is RunState.SUCCEEDED and run.health.state in WELL]
        mirror = self._mirror(case.followed)
        for revision in dict.fromkeys((held, remembered, *well)):
            if revision not in ("", case.bad) and await self.work(_is_on_line, mirror, case.followed.commit, revision):
                return revision
        hint = "name the revision to go back to with --to"
        raise UsageError(f"no earlier healthy run of `{case.request.application}` is remembered", hint=hint)

    async def _revert(self, case: Case) -> Revert:
        past = await self.work(Past, self.equipment, case.followed.repository, case.declared.application)
        return await self.work(revert_of, past, self.memory, case.followed.commit, case.good)

    # ------------------------------------------------------------------ the hold, and then the push

    async def _carry_out(self, case: Case) -> RolledBack:
        await self._hold(case, case.again)
        answer = RolledBack(application=case.address.application, bad=case.bad, good=case.good)
        try:
            done = await self._propose(case, answer) if case.request.pull_request else await self._push(case, answer)
        except _Overtaken:
            raise
        except TrueupError as error:
            done = await self._kept(case, answer, error)
        await self.store(self.memory.wake, [case.address], Trigger.ROLLBACK, 0.0, 1)
        facts = {"application": case.address.application, "revision": case.bad, "good": case.good, "commit": done.commit}
        self.equipment.telemetry.info("rolled back", **facts, branch=done.branch, run=case.run)
        return done

    async def _hold(self, case: Case, finish: str, commit: str = "") -> None:
        """``finish`` is what a person does when nothing more comes of it, as after a sudden death."""
        waiting = Waiting(
            repository=case.address.repository,
            application=case.address.application,
            kind=BAD_REVISION,
            reason=f"{case.request.reason}; {finish}" if case.request.reason else finish,
            revision=case.bad,
            good=case.good,
            commit=commit,
            run=case.run,
            actor=case.request.actor or "trueup",
            at=time_text(datetime.now(UTC)),
        )
        await self.store(self.memory.hold, waiting)

    async def _kept(self, case: Case, answer: RolledBack, error: TrueupError) -> RolledBack:
        """No commit could be pushed: the hold says why, and how to finish."""
        name = case.address.application
        finish = "finish with `git revert`" + ("" if case.request.pull_request else f", or with `trueup rollback {name} --pull-request`")
        commit = ""
        if isinstance(error, UsageError):
            finish = f"finish with `trueup rollback {name} --with-others`"
        elif error.retry:
            # It may have arrived all the same, and then it will be known as ours.
            holds = await self.store(self.memory.holds, case.address.repository, name)
            commit = next((hold.commit for hold in holds if hold.kind == BAD_REVISION), "")
            finish = f"`trueup rollback {name}` tries again"
        message = f"no revert commit could be pushed: {error.message}; {finish}"
        await self._hold(case, message, commit)
        self.equipment.telemetry.warn(message, application=name, revision=case.bad)
        return msgspec.structs.replace(answer, message=message)

    async def _push(self, case: Case, answer: RolledBack) -> RolledBack:
        """Onto the branch that is followed; when somebody was quicker, on top of what they pushed."""
        if not case.branch:
            what = f"the tag {case.followed.reference.removeprefix('refs/tags/')}" if case.followed.reference else "a single commit"
            raise Refused(f"{what} is followed, and no branch")
        mirror = self._mirror(case.followed)
        for _ in range(TRIES):
            revert, commit = await self._written(case)
            await self._let_in(case, commit)
            try:
                await mirror.push(commit, case.branch, case.followed.commit)
            except Outdated:
                followed = await self._follow(case)
                undone = await self._undone(await self._course(case.address))
                if undone is not None and undone.bad == case.bad:
                    return undone
                case = await self._caught_up(case, followed)
                continue
            await self._followed_by(case)
            branch = case.branch.removeprefix("refs/heads/")
            return msgspec.structs.replace(answer, commit=commit, branch=branch, files=tuple(sorted(revert.files)))
        raise Outdated(f"the branch moved {TRIES} times while the commit was made")

    async def _propose(self, case: Case, answer: RolledBack) -> RolledBack:
        """Onto a branch of its own, for a review. One that is there from an earlier try is left as it is."""
        branch = f"trueup/rollback-{case.address.application.replace('..', '-')}-{case.bad[:SHORT]}"
        mirror = self._mirror(case.followed)
        revert, commit = await self._written(case)
        try:
            await mirror.push(commit, f"refs/heads/{branch}", "")
        except Outdated as error:
            head = await mirror.head(branch)
            if undo_of(await self.work(mirror.commit, head.commit)) != case.undo:
                raise Refused(f"there is another branch {branch}, which has to go first") from error
            commit = head.commit
        await self._hold(case, f"merge the branch {branch}", commit)
        message = f"merge the branch {branch} to finish; until then {case.good[:SHORT]} is what runs"
        return msgspec.structs.replace(answer, commit=commit, branch=branch, files=tuple(sorted(revert.files)), message=message)

    async def _written(self, case: Case) -> tuple[Revert, str]:
        """The revert, and its commit, to which nothing refers yet but the hold. Raises UsageError."""
        mirror, revert = self._mirror(case.followed), await self._revert(case)
        _expect_alone(case, revert)
        subject = (await self.work(mirror.commit, case.bad)).subject
        message = message_of(case.undo, subject, case.request.reason)
        draft = Draft(case.followed.commit, revert.files, message, self.equipment.person)
        commit = await self.work(commit_of, mirror.objects, draft)
        await self._hold(case, case.again, commit)
        return revert, commit

    # ------------------------------------------------------------------ what others push meanwhile

    async def _caught_up(self, case: Case, followed: Followed) -> Case:
        """The same on the branch's new head. Raises Outdated when the application has another revision there."""
        fresh = await self.store(self.memory.declared, case.address.repository, case.address.application)
        if followed.hold is not None:
            raise Held(followed.hold.reason, kind=followed.hold.kind, where=followed.repository.url)
        if fresh is None or (fresh.revision != case.bad and not case.declared.faults):
            await self.store(self.memory.lift, case.address.repository, case.address.application, (BAD_REVISION,))
            name = case.address.application
            raise _Overtaken(f"`{name}` has a newer revision by now", hint="look at that one, and roll back again if it is bad too")
        return msgspec.structs.replace(case, followed=followed, declared=fresh)

    async def _let_in(self, case: Case, commit: str) -> None:
        """Where every commit must be signed, ours is let in because it is known to be ours; before anybody can meet it."""
        if self.equipment.following(case.followed.repository).rules.signing_keys:
            await self.store(self.memory.approve, Address(case.address.repository), f"unsigned {commit}", "trueup")

    async def _followed_by(self, case: Case) -> None:
        """Step to our own commit at once; when that cannot be, the next fetch will."""
        try:
            await self._follow(case)
        except TrueupError as error:
            self.equipment.telemetry.warn(f"fetch failed: {error.message}", repository=case.address.repository, hint=error.hint)

    async def _follow(self, case: Case) -> Followed:
        """Fetch and discover in turn with everybody else."""
        repository = case.followed.repository
        polled = Address(repository.identity) in await self.store(self.memory.pending, repository.identity)
        return await self.follower.in_turn(repository, Trigger.ROLLBACK, polled)

    def _mirror(self, followed: Followed) -> Mirror:
        return self.equipment.following(followed.repository).mirror


class _Overtaken(Outdated):
    """Somebody changed the application meanwhile: it is another revision that is good or bad now."""


def _expect_alone(case: Case, revert: Revert) -> None:
    if not revert.others or case.request.with_others:
        return
    files = sorted({file for each in revert.others.values() for file in each})
    names = " and ".join(sorted(revert.others))
    what = ", ".join(f"`{file}`" for file in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    verb = "is an input" if len(files) == 1 else "are inputs"
    raise UsageError(
        f"{what} {verb} of {names} too", hint=f"with --with-others {names} {'goes' if len(revert.others) == 1 else 'go'} back as well"
    )


def _is_on_line(mirror: Mirror, head: str, commit: str) -> bool:
    return mirror.contains(head, commit) and any(each == commit for each in _line(mirror, head))


def _line(mirror: Mirror, head: str) -> Iterator[str]:
    return (each.id for each in mirror.first_parents(head))
