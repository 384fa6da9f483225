"""The walk of a repository: fetch and discover, and who is woken by what was found."""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from trueup.engine.advance import Stepping, Surroundings
from trueup.engine.dating import dates
from trueup.engine.equipment import Equipment
from trueup.engine.fetch import accept, fetch, released
from trueup.engine.report import Reports
from trueup.model.errors import Held, TrueupError
from trueup.model.memory import Address, Advance, Declared, Followed, Waiting
from trueup.model.plan import Hold
from trueup.model.run import Trigger
from trueup.model.source import Repository

REPOSITORY_HOLDS: Final = ("rewound", "unsigned", "removal")
LOOK_FOR_THE_OTHER: Final = 0.1


class Follower:
    """Walks repositories. It keeps nothing between walks: what must be known is in the memory."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.stage = equipment.telemetry.stage
        self.store = equipment.store.through
        self.steps = equipment.steps.through
        self.report = Reports(equipment.memory, equipment.store, equipment.telemetry, equipment.clock)

    async def in_turn(self, repository: Repository, trigger: Trigger, polled: bool) -> Followed:
        """Follow under the repository's row: somebody else who fetches it just now is waited for, and what they find is ours too.

        ``polled``: a serve looks at it from time to time; only that one knows how often, so it takes the row up at once.
        """
        address, lease = Address(repository.identity), self.equipment.lease
        while True:
            await self.store(self.memory.free_dead, lease)
            row = await self.store(self.memory.claim_one, address, lease, time.time())
            if row is not None:
                break
            await asyncio.sleep(LOOK_FOR_THE_OTHER)
        try:
            followed = await self.follow(repository, trigger)
            if followed.inexact:
                await self.date(repository)
            return followed
        finally:
            if polled:
                await self.store(self.memory.postpone, row, lease, time.time(), 0)
            else:
                await self.store(self.memory.finish, row, lease)

    async def follow(self, repository: Repository, trigger: Trigger = Trigger.POLL) -> Followed:
        """Step the catalog to the repository's newest commit, and wake the applications that it touches. What holds it is in the answer.

        Raises Unreachable or SettingsError when the repository cannot be had; then everything stays as it is.
        """
        known = await self.store(self.memory.known, Address(repository.identity))
        before = known.followed or Followed(repository=repository)
        with self.equipment.telemetry.about("", {"repository": repository.identity}):
            fetched = await self._fetched(before)
            if fetched.head == before.commit and not before.awaits and not await self._is_offered_anew(repository.identity):
                return await self._unheld(fetched, before)
            try:
                step = await self._step(fetched, known.approvals)
            except Held as held:
                return await self._hold(fetched, held, before)
            step.trigger = trigger
            await self.store(self.memory.advance, step)
            await self._lift(repository.identity, known.approvals)
            self.report.followed(before, step)
            return step.followed

    async def _fetched(self, before: Followed) -> Followed:
        """The repository with the newest commit that is there. Why it cannot be had is remembered before it is raised."""
        repository = before.repository
        try:
            with self.stage("fetch"):
                head = await fetch(self.equipment.following(repository).mirror, repository.branch)
        except TrueupError as error:
            self.equipment.telemetry.count("fetches", result="failed")
            await self.store(self.memory.follow, msgspec.structs.replace(before, error=error.message, fetched_at=time.time()))
            raise
        self.equipment.telemetry.count("fetches", result="done")
        return msgspec.structs.replace(before, reference=head.name, head=head.commit, fetched_at=time.time(), error="")

    async def _step(self, fetched: Followed, approvals: Collection[str]) -> Advance:
        """The step to the commit that was fetched. Raises Held when it may not be followed."""
        following, identity = self.equipment.following(fetched.repository), fetched.repository.identity
        surroundings = Surroundings(
            following.mirror,
            self.memory,
            self.equipment.kinds,
            self.equipment.renders,
            lambda: frozenset(each.status.target for each in self.memory.standings(identity)),
            frozenset(released(approvals, "removal")),
        )
        await self.steps(accept, following.mirror, fetched.head, fetched.commit, following.rules, approvals)
        with self.stage("discover"):
            return await self.steps(lambda: Stepping(fetched, fetched.head, surroundings).advance())

    async def date(self, repository: Repository) -> int:
        """Find the revisions that the step to a long history left open, by walking all of it; how many there were. Nobody is woken."""
        mirror = self.equipment.following(repository).mirror
        followed = await self.store(self.memory.followed, repository.identity)
        if followed is None or not followed.inexact:
            return 0
        with self.equipment.telemetry.about("", {"repository": repository.identity}), self.stage("date"):
            open_ones = [each for each in await self.store(self.memory.applications, repository.identity) if not each.exact]
            inputs = {
                each.application.name: await self.store(self.memory.inputs, repository.identity, each.application.name)
                for each in open_ones
            }
            dated = await self.steps(dates, inputs, followed.commit, mirror, 0)
        for each in open_ones:
            await self._move_standing(each, dated[each.application.name][0])
        exact = msgspec.structs.replace(followed, inexact=False)
        revisions = {name: (revision, True) for name, (revision, _) in dated.items()}
        await self.store(self.memory.advance, Advance(followed=exact, revisions=revisions))
        return len(open_ones)

    async def _move_standing(self, declared: Declared, revision: str) -> None:
        """What was applied under the name of the head was this revision."""
        application = declared.application
        standing = await self.store(self.memory.standing, Address(application.repository, application.name, application.target))
        if standing is None or standing.status.revision != declared.revision:
            return
        status = msgspec.structs.replace(standing.status, revision=revision, desired_revision=revision)
        good = revision if standing.good == declared.revision else standing.good
        await self.store(self.memory.stand, msgspec.structs.replace(standing, status=status, good=good))

    async def _is_offered_anew(self, repository: str) -> bool:
        """Whether a target has something else for renders now than when applications were rendered for it."""
        renders = self.equipment.renders
        targets = await self.store(self.memory.targets, repository)
        if not renders.offering(targets):
            return False
        for target in (await self.store(renders.taken_from, repository, targets)).values():
            await self.equipment.offers.refresh(target)
        return bool(await self.store(renders.offered_anew, repository, targets))

    async def _unheld(self, fetched: Followed, before: Followed) -> Followed:
        """No news. A branch that is back at the accepted commit lifts what held it."""
        followed = msgspec.structs.replace(fetched, hold=None)
        if before.hold is not None:
            await self._lift(fetched.repository.identity, ())
        await self.store(self.memory.follow, followed)
        return followed

    async def _lift(self, identity: str, approvals: Iterable[str]) -> None:
        """The head was accepted: nothing holds it, and what was let through for it counts for no later one."""
        await self.store(self.memory.lift, identity, "", REPOSITORY_HOLDS)
        if approvals:
            await self.store(self.memory.withdraw, Address(identity))

    async def _hold(self, fetched: Followed, held: Held, before: Followed) -> Followed:
        followed = msgspec.structs.replace(fetched, hold=Hold(held.kind, held.message))
        identity = fetched.repository.identity
        if before.hold != followed.hold:
            self.equipment.telemetry.warn(f"held: {held.message}", kind=held.kind)
            await self.store(self.memory.lift, identity, "", [kind for kind in REPOSITORY_HOLDS if kind != held.kind])
        if before.hold != followed.hold or before.head != followed.head:
            head, accepted = fetched.head, fetched.commit
            waiting = Waiting(repository=identity, kind=held.kind, reason=held.message, digest=head, revision=head, good=accepted)
            await self.store(self.memory.hold, waiting)
        await self.store(self.memory.follow, followed)
        return followed
