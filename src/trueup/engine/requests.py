"""What the surfaces ask of the engine: the command line, the server, and whoever embeds it."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec

from trueup.engine.course import Course
from trueup.engine.decisions import Decisions
from trueup.engine.equipment import Equipment, Following
from trueup.engine.follow import Follower
from trueup.engine.inspect import Inspections
from trueup.engine.loop import Loop
from trueup.engine.preview import Previews
from trueup.engine.proposal import Proposals
from trueup.engine.reconcile import Reconciler, Wish
from trueup.engine.rollback import Rollbacks
from trueup.engine.runs import Runs
from trueup.engine.watch import Watches
from trueup.engine.why import Reasons
from trueup.model.answer import Rendered, RolledBack, Why
from trueup.model.contracts import Live, Tree
from trueup.model.errors import Fault, Held, SettingsError, TrueupError, Unreachable, UsageError
from trueup.model.memory import Address, Drifted, Followed, Waiting
from trueup.model.plan import Hold, Plan
from trueup.model.run import Run, RunState, Status, Trigger
from trueup.model.selection import Order, Rollback, Selection
from trueup.model.source import Repository
from trueup.toolkit.git.remote import place


class Engine:
    """One engine on one memory. Everything that it answers is a noun of the model; it prints nothing."""

    def __init__(self, equipment: Equipment, serving: Callable[[], bool], at_once: int = 8, fetches: int = 8) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.follower = Follower(equipment)
        self.previews = Previews(equipment)
        self.proposals = Proposals(equipment, self.previews)
        self.inspections = Inspections(equipment, self.previews)
        self.rollbacks = Rollbacks(equipment)
        self.reasons = Reasons(equipment)
        self.decisions = Decisions(equipment)
        self.runs = Runs(equipment, self.rollbacks, serving)
        self.serving = serving
        self.loop = Loop(equipment, Reconciler(equipment), at_once, fetches)

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
        walks = self.runs.followed(wishes, order.wait) if ordinary and self.serving() else self.runs.own(wishes, order.wait)
        async for run in walks:
            told.add(run.id)
            yield run
        # Nobody is named: then what is wrong anywhere stood in the way, also in what was never known.
        await self.runs.demand_done(addresses, told, () if selection.names or selection.labels else followed.faults)
        if followed.hold is not None:
            raise _kept_out(followed, followed.hold)

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
            async for run in self.runs.own({course.address: Wish(actor=request.actor)}, wait=True):
                last = run
            if last is not None and last.state in (RunState.FAILED, RunState.HELD):
                raise _unfinished(answer, last)
        return answer

    async def pause(self, repository: Repository, application: str, reason: str, actor: str) -> None:
        """Nothing is applied to it until it is released."""
        course = await self.course(repository, application)
        await self.decisions.pause(course, reason, actor)

    async def release(self, repository: Repository, application: str, actor: str) -> list[Waiting]:
        """Lift what a person may lift: pauses and bad revisions of an application; for no name, what keeps the repository's head out."""
        if application:
            return await self.decisions.release(await self.course(repository, application))
        if not self.serving():
            await self.follow(repository)
        lifted = await self.decisions.let_in(repository, actor)
        if self.serving():
            await self.decisions.wake([Address(repository.identity)])
        elif lifted:
            await self.follow(repository)
        return lifted

    async def waiting(self, repository: Repository, application: str = "") -> list[Waiting]:
        """Everything that waits for a person, in the whole repository or of one application."""
        return await self.decisions.waiting(repository, application)

    async def approve(self, repository: Repository, application: str, digest: str, actor: str) -> Waiting:
        """Approve what waits, by the plan's digest (or the beginning of it); without one, what alone waits. Raises UsageError."""
        if application:
            return await self.decisions.approve(repository, application, digest, actor)
        lifted = await self.release(repository, "", actor)
        if not lifted:
            raise UsageError("nothing of this repository waits for approval", hint="`trueup status` shows what is held")
        return lifted[0]

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


def _kept_out(followed: Followed, hold: Hold) -> Held:
    """The repository's newest commit waits for a person."""
    return Held(hold.reason, kind=hold.kind, where=followed.repository.url, hint="`trueup release --repository` lets it in")
