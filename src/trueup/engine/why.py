"""Why an object, or one field of it, is as it is: what Git says and since which commit, what is live, and who changed it since."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from trueup.engine.course import Course
from trueup.engine.equipment import Equipment
from trueup.engine.past import Moment, Past
from trueup.engine.trail import ABSENT, Setting, Subject, Trail, line_of, newest_well, same
from trueup.engine.want import Wants
from trueup.model import wire
from trueup.model.answer import Why
from trueup.model.contracts import Live, Owner, Touch
from trueup.model.errors import DeclarationError, Unreachable, UsageError
from trueup.model.manifest import Key
from trueup.model.plan import Change
from trueup.model.run import Outcome, Run, RunState, Trigger
from trueup.toolkit.difference import changes, resolve, steps
from trueup.toolkit.git.history import Line

APPLIED = (RunState.SUCCEEDED, RunState.ROLLED_BACK)
PAGE = 50


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one application. ``depth``: how many commits may be looked at."""

    course: Course
    subject: Subject
    depth: int
    progress: Callable[[int], None]


class Reasons:
    """Finds the commit that set a thing, and proves it."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.work = equipment.work.through
        self.wants = Wants(equipment)

    async def why(self, course: Course, key: str, field: str, depth: int, progress: Callable[[int], None]) -> Why:
        """The answer. Raises UsageError for an object or field that is neither in Git nor live."""
        question = Question(course, Subject(course.key(key), field), depth, progress)
        live = await self._live(course, question.subject.key)
        why, body = await self._in_git(question)
        return _with_live(why, question, body, live)

    async def _live(self, course: Course, key: Key) -> Live | None:
        runtime = await self.wants.runtime(course)
        return await runtime.live(Owner(course.address.repository, course.address.application), key)

    # ------------------------------------------------------------------ what Git says

    async def _in_git(self, question: Question) -> tuple[Why, object]:
        """The half of the answer that Git gives, and the whole object as Git has it (None when it has not), secrets masked."""
        course, subject = question.course, question.subject
        nothing = Why(application=course.address.application, key=subject.key, field=subject.field)
        known = course.known
        if known.declared is None or known.followed is None or course.removed:
            return nothing, None
        past = await self.work(Past, self.equipment, known.followed.repository, known.declared.application)
        now = await self.work(newest_well, past, known.declared.revision or known.followed.commit, question.depth)
        body = wire.plain(now.manifests[subject.key].body) if subject.key in now.manifests else None
        if subject.value(now) is ABSENT:
            return nothing, body
        setting = await self._setting(question, past, now)
        run = await self._run(question, setting) if setting.exact else None
        answer = msgspec.structs.replace(
            nothing,
            desired=subject.of(body),
            commit=setting.commit.id,
            author=setting.commit.author,
            date=setting.commit.date,
            subject=setting.commit.subject,
            file=setting.place.file,
            line=setting.place.line,
            exact=setting.exact,
            run=run.id if run else "",
            applied_at=(run.finished_at or run.started_at) if run else None,
        )
        return answer, body

    async def _setting(self, question: Question, past: Past, now: Moment) -> Setting:
        """The commit that set it: where blame points, when that is proven, or else by walking back."""
        proven = await self._blamed(question.subject, past, now)
        trail = await self.work(Trail, past, question.subject, now.commit, question.depth, proven)
        while (setting := await self.work(trail.step)) is None:
            question.progress(trail.looked)
        question.progress(trail.looked)
        return setting

    async def _blamed(self, subject: Subject, past: Past, now: Moment) -> str:
        """The commit that Git's blame names for the line; empty when a render of it and of its parent does not prove it."""
        place = await self.work(line_of, subject, now, past.mirror)
        if not place.line:
            return ""
        try:
            blame = await past.mirror.blame(Line(now.commit, place.file, place.line), first_parent=True)
        except (DeclarationError, Unreachable):
            return ""
        proves = await self.work(_proves, past, subject, now, blame.commit.id)
        return blame.commit.id if proves else ""

    # ------------------------------------------------------------------ which run applied it

    async def _run(self, question: Question, setting: Setting) -> Run | None:
        """The first successful run that this object was a part of with the commit in it; else the first that brought the commit."""
        found = await self._runs_with(question, setting.commit.id)
        acted = [run for run in found if run.trigger is not Trigger.DRIFT and _acted(run.outcomes, question.subject.key)]
        return acted[-1] if acted else found[-1] if found else None

    async def _runs_with(self, question: Question, commit: str) -> list[Run]:
        """Successful runs of revisions that contain the commit, newest first."""
        address = question.course.address
        followed = question.course.known.followed
        if followed is None:
            return []
        mirror = self.equipment.following(followed.repository).mirror
        contain: dict[str, bool] = {}
        found: list[Run] = []
        before = ""
        while page := await self.store(self.memory.runs, address.repository, address.application, before, PAGE):
            before = page[-1].id
            for run in page:
                if run.target != address.target or run.state not in APPLIED:
                    continue
                if run.revision not in contain:
                    contain[run.revision] = mirror.has(run.revision) and await self.work(mirror.contains, run.revision, commit)
                if contain[run.revision]:
                    found.append(run)
        return found


def _with_live(why: Why, question: Question, body: object, live: Live | None) -> Why:
    """The answer with what is live, and who changed it. ``body`` is the object as Git has it."""
    course, subject = question.course, question.subject
    there, value = resolve(live.body, subject.field) if live else (False, None)
    if not why.commit and not there:
        raise _unknown(subject, live.body if live else body)
    touches = tuple(touch for touch in live.changed_by if _concerns(touch, subject, live)) if live else ()
    if why.commit and not touches and course.settled and not course.bad:
        moved = _moved(subject, body, live)
        touches = (Touch("unknown", "", moved),) if moved else ()
    return msgspec.structs.replace(why, live=wire.plain(value), changed_by=touches)


def _proves(past: Past, subject: Subject, now: Moment, commit: str) -> bool:
    """Whether the value is the same at this commit, and is not at its first parent."""
    value, there = subject.value(now), past.at(commit)
    if there.faults or not same(subject.value(there), value):
        return False
    parent = past.mirror.commit(commit).parent
    before = past.at(parent) if parent else Moment("")
    return not before.faults and not same(subject.value(before), value)


def _acted(outcomes: tuple[Outcome, ...], key: Key) -> bool:
    return any(outcome.key == key and outcome.state == "done" for outcome in outcomes)


def _moved(subject: Subject, desired: object, live: Live | None) -> tuple[Change, ...]:
    """What is live and not as Git says; what the target adds of its own, or keeps nothing of, is no difference."""
    mine = steps(desired, subject.field)
    untold = [steps(desired, path) for path in live.untold if resolve(desired, path)[0]] if live else []
    told = [change for change in changes(desired, live.body if live else None) if change.before is not None]
    found = [(steps(desired, change.path), Change(change.path, change.before, change.after)) for change in told]
    return tuple(change for path, change in found if _overlap(mine, path) and not any(path[: len(each)] == each for each in untold))


def _concerns(touch: Touch, subject: Subject, live: Live) -> bool:
    """Whether a change by another hand is of this field, of something in it, or of what it is in."""
    if not subject.field or not touch.changes:
        return True
    mine = steps(live.body, subject.field)
    return any(_overlap(mine, steps(live.body, change.path)) for change in touch.changes)


def _overlap(one: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _unknown(subject: Subject, body: object) -> UsageError:
    """Nobody knows this object or field: what there is in the last part of its path that there is."""
    if body is None:
        return UsageError(f"`{subject.key}` is neither in Git nor live", hint="`trueup status` tells how its application stands")
    for step in steps(body, subject.field):
        body = body[step]  # type: ignore[index]  # steps looked
    listed = [f"[{place}]" for place in range(len(body))] if isinstance(body, list) else []
    names = sorted(map(str, body)) if isinstance(body, dict) else listed
    hint = f"there is {', '.join(names[:20])}" if names else "its path goes on below a value that holds no others"
    return UsageError(f"`{subject.key}` has no field `{subject.field}`", hint=hint)
