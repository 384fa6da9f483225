"""What the surfaces ask of the engine: the command line, the server, and whoever embeds it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from trueup.engine.course import Course
from trueup.engine.drain import Drain, is_news
from trueup.engine.equipment import Equipment, Following
from trueup.engine.follow import REPOSITORY_HOLDS, Follower
from trueup.engine.inspect import Inspections, trouble_of
from trueup.engine.loop import Loop
from trueup.engine.preview import Previews
from trueup.engine.proposal import Proposals
from trueup.engine.reconcile import Reconciler, Wish
from trueup.engine.report import UNREACHABLE
from trueup.engine.rollback import Rollbacks
from trueup.engine.watch import Watches
from trueup.engine.why import Reasons
from trueup.model.answer import Rendered, RolledBack, Why
from trueup.model.contracts import Live, Tree
from trueup.model.errors import DeclarationError, Fault, Held, SettingsError, TrueupError, Unreachable, UsageError
from trueup.model.memory import Address, Drifted, Followed, Waiting
from trueup.model.plan import Hold, Plan
from trueup.model.run import Run, RunState, Status, Sync, Trigger
from trueup.model.selection import Order, Rollback, Selection
from trueup.model.source import Repository
from trueup.toolkit.git.remote import place
from trueup.toolkit.troubles import Troubles

FOLLOW_OTHERS = 0.1
NOT_DONE = (Sync.FAILED, Sync.UNKNOWN, Sync.OUT_OF_SYNC, Sync.HELD)


class Engine:
    """One engine on one memory. Everything that it answers is a noun of the model; it prints nothing."""

    def __init__(self, equipment: Equipment, serving: Callable[[], bool], at_once: int = 8, fetches: int = 8) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.follower = Follower(equipment)
        self.reconciler = Reconciler(equipment)
        self.previews = Previews(equipment)
        self.proposals = Proposals(equipment, self.previews)
        self.inspections = Inspections(equipment, self.previews)
        self.rollbacks = Rollbacks(equipment)
        self.reasons = Reasons(equipment)
        self.serving = serving
        self.loop = Loop(equipment, self.reconciler, at_once, fetches)

    # ------------------------------------------------------------------ fetching

    async def follow(self, repository: Repository) -> Followed:
        """Step to the repository's newest commit; what holds it back is in the answer. Raises Unreachable or SettingsError."""
        followed = await self.follower.in_turn(repository, Trigger.POLL, self.serving())
        await self._find_what_was_forgotten(repository)
        return followed

    async def _find_what_was_forgotten(self, repository: Repository) -> None:
        """A memory that knows of nothing asks the targets once what of ours is there."""
        if await self.store(self.memory.standings, repository.identity, None, 1):
            return
        watches = Watches(self.equipment, self._wake)
        for target in await self.store(self.memory.targets, repository.identity):
            try:
                await watches.find(target, await self.equipment.targets.open(target))
            except TrueupError as error:
                self.equipment.telemetry.warn(f"cannot look at the target: {error.message}", target=target.name)

    async def _wake(self, addresses: Iterable[Address], trigger: Trigger) -> None:
        await self.store(self.memory.wake, addresses, trigger)

    async def _accepted(self, repository: Repository, revision: str) -> str:
        """A full commit that the followed branch contains. Raises UsageError, or Unreachable for a name that the remote does not have."""
        following = self.equipment.following(repository)
        followed = await self.store(self.memory.followed, repository.identity)
        commit = await self._commit(repository, revision)
        if followed is None or not await self.equipment.work.through(following.mirror.contains, followed.commit, commit):
            raise UsageError(f"{commit[:7]} is not on the followed branch", where=repository.url, hint="push it, and have it merged")
        return commit

    # ------------------------------------------------------------------ plan and apply

    async def plan(self, repository: Repository, selection: Selection, revision: str = "", tree: Tree | None = None) -> AsyncIterator[Plan]:
        """What would change, application after application.

        Raises what stood in the way of some (every fault of what is meant in one DeclarationError), after the plans of all others.
        """
        followed = await self.follow(repository)
        self._demand_unheld(followed)
        commit = await self._commit(repository, revision) if revision and tree is None else followed.commit
        elsewhere = tree is not None or commit != followed.commit
        if tree is not None:
            plans = self.proposals.tree(repository, selection, tree)
        elif elsewhere:
            plans = self.proposals.commit(repository, selection, commit)
        else:
            plans = self.previews.head(repository, selection)
        found = False
        async for each in plans:
            found = True
            yield each
        if not found and not elsewhere and followed.hold is not None:
            raise _kept_out(followed, followed.hold)

    async def _commit(self, repository: Repository, revision: str) -> str:
        """A full commit, fetched when it is not here: a branch, a tag, or (the beginning of) a hash."""
        mirror = self.equipment.following(repository).mirror
        try:
            return await self.equipment.work.through(mirror.complete, revision)
        except UsageError:
            head = await mirror.head(revision)
            await mirror.fetch(head)
            return head.commit

    def _demand_unheld(self, followed: Followed) -> None:
        if followed.hold is not None and not followed.commit:
            raise Held(followed.hold.reason, kind=followed.hold.kind, where=followed.repository.url)

    async def apply(self, repository: Repository, selection: Selection, order: Order) -> AsyncIterator[Run]:
        """Walk what is meant to its end; each run as it begins, moves on and ends. Where a serve runs, it walks and this one follows.

        Raises what stood in the way, after everything else was done.
        """
        followed = await self.follow(repository)
        self._demand_unheld(followed)
        at = await self._accepted(repository, order.revision) if order.revision else ""
        digests = dict(order.digests)
        addresses = await (self.previews.declared if at and not digests else self.previews.addresses)(repository, selection)
        wishes = {each: Wish(at, digests.get(each.application, ""), order.yes, order.actor) for each in addresses}
        told: set[str] = set()
        ordinary = not at and not digests and not order.yes
        walks = self._followed_runs(wishes, order.wait) if ordinary and self.serving() else self._own_runs(wishes, order.wait)
        async for run in walks:
            told.add(run.id)
            yield run
        # Nobody is named: then what is wrong anywhere stood in the way, also in what was never known.
        await self._demand_done(addresses, told, () if selection.names or selection.labels else followed.faults)
        if followed.hold is not None:
            raise _kept_out(followed, followed.hold)

    async def _own_runs(self, wishes: dict[Address, Wish], wait: bool) -> AsyncIterator[Run]:
        drain = Drain(self.equipment, self.reconciler, wishes)
        walking = asyncio.create_task(drain.run(wait))
        problem: TrueupError | None = None
        try:
            while (told := await drain.told.get()) is not None:
                if isinstance(told, TrueupError):
                    problem = problem or told
                else:
                    yield told
            await walking
        finally:
            walking.cancel()
        for address, run in drain.rolled_back:
            try:
                answer = await self.rollbacks.answer(address, run)
            except TrueupError as error:
                problem = problem or error
                continue
            async for each in self._own_runs({address: Wish()}, wait):
                yield each
            problem = problem or _rolled_back(answer)
        if problem is not None:
            raise problem

    async def _followed_runs(self, wishes: dict[Address, Wish], wait: bool) -> AsyncIterator[Run]:
        """The runs of a serve, seen through the memory. When it dies, this process goes on by itself."""
        begun = time.time()
        shown: dict[str, Run] = {}
        waiting = set(wishes)
        await self.store(self.memory.wake, list(wishes), Trigger.PERSON, 0.0, 1)
        while waiting and self.serving():
            pending = set(await self.store(self.memory.pending, next(iter(wishes)).repository))
            for address in sorted(waiting):
                standing = await self.store(self.memory.standing, address)
                run = await self.store(self.memory.run, standing.status.last_run) if standing and standing.status.last_run else None
                if run is not None and is_news(run, standing, begun) and shown.get(run.id) != run:
                    shown[run.id] = run
                    yield run
                applied = run is not None and (run.state is not RunState.RUNNING or (standing is not None and standing.applied))
                if address not in pending or (not wait and applied):
                    waiting.discard(address)
            await asyncio.sleep(FOLLOW_OTHERS)
        if waiting:
            async for each in self._own_runs({address: wishes[address] for address in waiting}, wait):
                yield each

    async def _demand_done(self, addresses: Sequence[Address], told: set[str], known_faults: Sequence[Fault]) -> None:
        """What was asked for and did not come about, without any of the runs that were told."""
        troubles = Troubles(known_faults)
        for address in addresses:
            known = await self.store(self.memory.known, address)
            status = known.standing.status if known.standing else None
            if known.declared is not None and known.declared.faults:
                troubles.add(DeclarationError(known.declared.faults))
            elif status is not None and not known_faults:
                untold = status.sync in NOT_DONE and status.last_run not in told
                if untold or status.message.startswith(UNREACHABLE):
                    troubles.add(trouble_of(status))
        troubles.raise_all()

    # ------------------------------------------------------------------ how things stand

    async def statuses(self, repository: Repository, selection: Selection) -> list[Status]:
        """How what is meant stands, looked up at the targets now; where a serve runs, as it knows it."""
        if self.serving():
            return await self.remembered(repository, selection)
        await self.follow(repository)
        return await self.inspections.statuses(repository, selection)

    async def remembered(self, repository: Repository, selection: Selection) -> list[Status]:
        """How what is meant stood when it was looked at last."""
        return await self.inspections.remembered(repository, selection)

    async def drift(self, repository: Repository, selection: Selection) -> AsyncIterator[tuple[Status, Drifted]]:
        """What differs at the targets though Git did not change, looked up now; where a serve runs, what it left as it is.

        Raises what could not be looked up, after all else was told.
        """
        if not self.serving():
            await self.follow(repository)
        looked = self.inspections.seen_drift if self.serving() else self.inspections.drift
        async for each in looked(repository, selection):
            yield each

    async def history(self, repository: Repository, application: str = "", before: str = "", limit: int = 50) -> list[Run]:
        """Runs, newest first."""
        return await self.store(self.memory.runs, repository.identity, application, before, limit)

    # ------------------------------------------------------------------ looking at what Git says, and at what is live

    async def check(self, tree: Tree, path: str) -> list[Fault]:
        """Every fault of the declarations and manifests below a path, without any target."""
        return await self.inspections.check(tree, path)

    async def render(self, repository: Repository, selection: Selection, revision: str = "") -> list[tuple[str, list[Rendered]]]:
        """What applications render to, secrets masked; without a name or label, all of them."""
        await self.follow(repository)
        commit = await self._commit(repository, revision) if revision else ""
        everything = msgspec.structs.replace(selection, everything=True)
        return await self.inspections.render(repository, everything, commit)

    async def why(self, repository: Repository, application: str, key: str, field: str, depth: int, progress: Callable[[int], None]) -> Why:
        """Why an object, or one field of it, is as it is."""
        await self.follow(repository)
        course = await self.course(repository, application)
        return await self.reasons.why(course, key, field, depth, progress)

    async def live(self, repository: Repository, application: str, key: str) -> Live | None:
        """An object as it is at the target."""
        return await self.inspections.live(await self.course(repository, application), key)

    async def logs(self, repository: Repository, application: str, key: str, follow: bool) -> AsyncIterator[str]:
        """Log lines of an object; without a key, of the application's only object that keeps a log."""
        if await self.store(self.memory.followed, repository.identity) is None:
            await self.follow(repository)
        async for line in self.inspections.logs(await self.course(repository, application), key, follow):
            yield line

    async def course(self, repository: Repository, application: str) -> Course:
        """What is known of one application. Raises UsageError when there is none of this name."""
        addresses = await self.previews.addresses(repository, Selection(names=(application,)))
        return await self.previews.course(addresses[0])

    # ------------------------------------------------------------------ what a person decides

    async def rollback(self, repository: Repository, request: Rollback) -> RolledBack:
        """Back to a good revision by a revert commit, which is pushed and followed; where no serve runs, until the good one is healthy.

        Raises what became of that run when it did not end well.
        """
        try:
            await self.follow(repository)
        except (Unreachable, SettingsError):
            # Then Git hears of it later: what runs can go back all the same.
            if await self.store(self.memory.followed, repository.identity) is None:
                raise
        course = await self.course(repository, request.application)
        answer = await self.rollbacks.roll_back(course, request)
        if not self.serving():
            last = None
            async for run in self._own_runs({course.address: Wish(actor=request.actor)}, wait=True):
                last = run
            if last is not None and last.state in (RunState.FAILED, RunState.HELD):
                raise _unfinished(answer, last)
        return answer

    async def pause(self, repository: Repository, application: str, reason: str, actor: str) -> None:
        """Nothing is applied to it until it is released."""
        course = await self.course(repository, application)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        waiting = Waiting(repository=repository.identity, application=application, kind="paused", reason=reason, actor=actor, at=at)
        await self.store(self.memory.hold, waiting)
        await self._wake([course.address], Trigger.PERSON)

    async def release(self, repository: Repository, application: str, actor: str) -> list[Waiting]:
        """Lift what a person may lift: pauses and bad revisions of an application; for no name, what keeps the repository's head out."""
        if not application and not self.serving():
            await self.follow(repository)
        holds = await self.waiting(repository, application)
        if application:
            lifted = [hold for hold in holds if hold.kind in ("paused", "bad revision")]
            await self.store(self.memory.lift, repository.identity, application, ("paused", "bad revision"))
            await self._wake([(await self.course(repository, application)).address], Trigger.PERSON)
            return lifted
        lifted = [hold for hold in holds if not hold.application and hold.kind in REPOSITORY_HOLDS]
        for hold in lifted:
            await self.store(self.memory.approve, Address(repository.identity), f"{hold.kind} {hold.digest}", actor)
        await self.store(self.memory.lift, repository.identity, "", REPOSITORY_HOLDS)
        if lifted and not self.serving():
            await self.follow(repository)
        await self._wake([Address(repository.identity)] if self.serving() else [], Trigger.PERSON)
        return lifted

    async def waiting(self, repository: Repository, application: str = "") -> list[Waiting]:
        """Everything that waits for a person, in the whole repository or of one application."""
        return await self.store(self.memory.holds, repository.identity, application or None)

    async def approve(self, repository: Repository, application: str, digest: str, actor: str) -> Waiting:
        """Approve what waits, by the plan's digest (or the beginning of it); without one, what alone waits. Raises UsageError."""
        if not application:
            lifted = await self.release(repository, "", actor)
            if not lifted:
                raise UsageError("nothing of this repository waits for approval", hint="`trueup status` shows what is held")
            return lifted[0]
        held = [hold for hold in await self.waiting(repository, application) if hold.kind == "approval" and hold.digest.startswith(digest)]
        if not held:
            raise UsageError(f"nothing of `{application}` waits for approval", hint="`trueup plan` shows what would change")
        if len(held) > 1:
            choices = ", ".join(f"{hold.digest[:12]} ({hold.target})" for hold in held)
            raise UsageError(f"{len(held)} plans of `{application}` wait", hint=f"choose one with --digest: {choices}")
        address = Address(repository.identity, application, held[0].target)
        await self.store(self.memory.approve, address, held[0].digest, actor)
        await self._wake([address], Trigger.PERSON)
        return held[0]

    # ------------------------------------------------------------------ serving

    async def serve(self, followings: Sequence[Following], retain: Callable[[], object]) -> None:
        """The loop, until it is cancelled."""
        self.loop.following = {each.repository.identity: each for each in followings}
        # What is lacking is told at the start, not when an application needs it.
        await self.equipment.steps.through(self.equipment.lacking)
        for each in await self.warnings():
            self.equipment.telemetry.info(each)
        await self.loop.run(followings, retain)

    async def trigger(self, url: str = "") -> int:
        """Wake the fetch of the repositories that are served and live at this URL, however it is written, or of all. How many there are."""
        served = [each.repository for each in self.loop.following.values()]
        meant = [Address(each.identity) for each in served if not url or place(each.url) == place(url)]
        await self.loop.wake(meant, Trigger.PUSH, 1)
        return len(meant)

    async def ready(self) -> list[str]:
        """Why it is not ready: repositories that are to be served and were never read, and what this machine lacks."""
        reasons = [] if self.loop.following else ["nothing is served yet"]
        for identity, each in self.loop.following.items():
            followed = await self.store(self.memory.followed, identity)
            if followed is None or (not followed.commit and followed.hold is None):
                reasons.append(f"{each.repository.url}: {(followed and followed.error) or 'not read yet'}")
        return [*reasons, *await self.equipment.steps.through(self.equipment.lacking)]

    async def warnings(self) -> list[str]:
        """What this machine gives in a weaker way than it might."""
        return list(await self.equipment.steps.through(self.equipment.weaker))


def _unfinished(answer: RolledBack, run: Run) -> TrueupError:
    """A rollback whose own run did not end well."""
    done = f"went back to {answer.good[:7]}" + (f" by {answer.commit[:7]}" if answer.commit else "")
    message = f"`{answer.application}` {done}, but its run is {run.state}: {run.message}"
    if run.state is RunState.HELD:
        return Held(message, kind=run.hold.kind if run.hold else "approval", hint=f"`trueup approve {answer.application}`")
    return TrueupError(message, hint=f"`trueup history {answer.application}` tells both runs")


def _rolled_back(answer: RolledBack) -> TrueupError:
    """What was to be applied turned out bad, and is not what runs."""
    done = f"was rolled back to {answer.good[:7]}" + (f" by {answer.commit[:7]}" if answer.commit else "")
    message = f"{answer.bad[:7]} of `{answer.application}` turned out bad and {done}"
    return TrueupError(message, hint=answer.message or f"`trueup history {answer.application}` tells both runs")


def _kept_out(followed: Followed, hold: Hold) -> Held:
    """The repository's newest commit waits for a person."""
    return Held(hold.reason, kind=hold.kind, where=followed.repository.url, hint="`trueup release --repository` lets it in")
