"""When to walk: due rows of the queue, polls with jitter, what moves at the targets, and what another process asks for."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from trueup.engine.course import Later
from trueup.engine.equipment import Equipment, Following
from trueup.engine.follow import Follower
from trueup.engine.reconcile import Reconciler
from trueup.engine.rollback import Rollbacks
from trueup.engine.watch import Watches
from trueup.model.errors import TrueupError
from trueup.model.memory import Address, Row
from trueup.model.run import Trigger

JITTER: Final = 0.1
LOOK_FOR_OTHERS: Final = 0.2
JUST_NOW: Final = 1.0
LOOK_FOR_THE_DEAD: Final = 5.0
SET_BACK: Final = 1.0
RENEW: Final = 20.0
RETAIN: Final = 3600.0
SLOW_FETCH: Final = 3.0
REPOSITORIES_AT_ONCE: Final = 64
APPLICATIONS_AT_ONCE: Final = 256
LONGEST_PAUSE: Final = 10.0

Walk = Callable[[Row], Coroutine[Any, Any, None]]


class Loop:
    """Runs until it is cancelled; then the walks under way end where they are, and their rows are free for whoever comes next."""

    def __init__(self, equipment: Equipment, reconciler: Reconciler, at_once: int = 8, fetches: int = 8) -> None:
        self.equipment = equipment
        self.reconciler = reconciler
        self.follower = Follower(equipment)
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.rollbacks = Rollbacks(equipment)
        self.woken = asyncio.Event()
        self.watches = Watches(equipment, self.wake, self.woken.set)
        self.at_once = at_once
        self.fetches = fetches
        self.following: Mapping[str, Following] = {}
        self.walking: dict[Address, Row] = {}
        self._since: dict[Address, float] = {}
        self._ahead = _ahead()

    async def run(self, followings: Iterable[Following], retain: Callable[[], object]) -> None:
        """Follow these repositories for ever. ``retain`` drops old history, now and then."""
        self.following = {each.repository.identity: each for each in followings}
        await self.store(self.memory.free_dead, self.equipment.lease)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._wake_everything()
                await self.watches.refresh(self.following)
                self._keep(tasks, lambda: self._claim_for_ever(tasks))
                self._keep(tasks, self._listen_to_others)
                self._keep(tasks, lambda: self._every(LOOK_FOR_THE_DEAD, self._free_dead))
                self._keep(tasks, lambda: self._every(RENEW, self._renew))
                self._keep(tasks, lambda: self._every(RETAIN, lambda: self.store(retain)))
                self._keep(tasks, lambda: self.watches.run(self.following))
        finally:
            # Behind what the cancelled tasks still had asked for, or a row could be claimed after this.
            await self.store(self.memory.free, self.equipment.lease)

    async def _wake_everything(self) -> None:
        """After a start: fetch every repository, and look once at everything that was applied."""
        for identity in self.following:
            standings = await self.store(self.memory.standings, identity)
            addresses = [Address(identity, each.application.name, each.status.target) for each in standings]
            await self.store(self.memory.wake, addresses, Trigger.DRIFT, 0.0, -1)
            await self.store(self.memory.wake, [Address(identity)], Trigger.POLL)

    async def wake(self, addresses: Iterable[Address], trigger: Trigger, priority: int = 0) -> None:
        """Ask for walks now."""
        await self.store(self.memory.wake, list(addresses), trigger, 0.0, priority)
        self.equipment.telemetry.count("wakes", trigger=trigger)
        self.woken.set()

    # ------------------------------------------------------------------ claiming

    async def _claim_for_ever(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self.woken.clear()
            now = time.time()
            full, room = self._room_for_applications()
            # All in one go, for this is asked after each walk.
            repositories, applications, due = await self.store(self._claim, now, self._room_for_repositories(), full, room)
            for row in repositories:
                self._begin(tasks, row, self._follow)
            for row in applications:
                self._begin(tasks, row, self._walk)
            if not repositories and not applications:
                await self._rest(due)

    def _claim(self, now: float, fetches: int, full: list[tuple[str, str]], walks: int) -> tuple[list[Row], list[Row], float]:
        """What may begin now, of either kind; when that is nothing, when the next one is due. Asks the memory, in its own thread."""
        claim, lease = self.memory.claim, self.equipment.lease
        repositories = claim(lease, now, fetches, "repository") if fetches > 0 else []
        applications = claim(lease, now, walks, "application", full) if walks > 0 else []
        if repositories or applications:
            return repositories, applications, now
        due = [self.memory.next_due(kind, now) for kind in ("repository", "application")]
        return [], [], min((each for each in due if each is not None), default=now + 60.0)

    def _room_for_repositories(self) -> int:
        """A fetch that takes long does not count: a remote that does not answer holds up nobody else's."""
        return min(self.fetches - self._quick_fetches(), REPOSITORIES_AT_ONCE - sum(not address.application for address in self.walking))

    def _quick_fetches(self) -> int:
        return sum(time.monotonic() - since < SLOW_FETCH for address, since in self._since.items() if not address.application)

    def _room_for_applications(self) -> tuple[list[tuple[str, str]], int]:
        """The targets at which no more may be walked at once, and how many elsewhere: one that does not answer holds up nobody else's."""
        busy = Counter((address.repository, address.target) for address in self.walking if address.application)
        full = [target for target, count in busy.items() if count >= self.at_once] + self.watches.expected
        if self.watches.targets and self.watches.targets <= set(full):
            # Who asks all the same has the memory look at everything that waits, after each walk.
            return full, 0
        rooms = (self.at_once - count for count in busy.values() if count < self.at_once)
        return full, min([self.at_once, APPLICATIONS_AT_ONCE - busy.total(), *rooms])

    def _begin(self, tasks: asyncio.TaskGroup, row: Row, walk: Walk) -> None:
        self.walking[row.address] = row
        self._since[row.address] = time.monotonic()
        tasks.create_task(self._guarded(row, walk), name=f"walk {row.address.application or row.address.repository}")

    async def _guarded(self, row: Row, walk: Walk) -> None:
        """A fault of ours in one walk never stops the others, and a memory that cannot be written is waited for. Then it is tried again."""
        try:
            try:
                await walk(row)
            except TrueupError as error:
                self._endure(error)
                await self._persist(lambda: self._put_back(row, min(2.0**row.attempts, 60.0)))
            except Exception as error:  # noqa: BLE001 - see above
                self.equipment.telemetry.broke(f"a walk of {row.address.application or row.address.repository} broke", error)
                await self._persist(lambda: self._put_back(row, 60.0))
        finally:
            self.walking.pop(row.address, None)
            self._since.pop(row.address, None)
            self.woken.set()

    async def _put_back(self, row: Row, pause: float) -> None:
        await self.store(self.memory.postpone, row, self.equipment.lease, time.time() + pause, row.attempts + 1)

    async def _rest(self, soonest: float) -> None:
        """Until something is due, somebody wakes us, or a walk ends. What was due when we looked waits for a walk to end."""
        longest = SLOW_FETCH if self._quick_fetches() >= self.fetches else 60.0
        try:
            async with asyncio.timeout(min(max(soonest - time.time(), 0.01), longest)):
                await self.woken.wait()
        except TimeoutError:
            return

    # ------------------------------------------------------------------ walking

    async def _follow(self, row: Row) -> None:
        each = self.following.get(row.address.repository)
        if each is None:
            await self.store(self.memory.finish, row, self.equipment.lease)
            return
        try:
            followed = await self.follower.follow(each.repository, row.trigger)
            await self.watches.refresh(self.following)
            if followed.inexact:
                await self.follower.date(each.repository)
        except TrueupError as error:
            self.equipment.telemetry.warn(f"fetch failed: {error.message}", repository=each.repository.identity, hint=error.hint)
        await self.store(
            self.memory.postpone, row, self.equipment.lease, time.time() + each.poll * random.uniform(1 - JITTER, 1 + JITTER), 0
        )

    async def _walk(self, row: Row) -> None:
        await self.settle(row, await self.reconciler.walk(row))

    async def settle(self, row: Row, later: Later) -> None:
        """Finish the row, or leave it until it is due; and answer a revision that turned out bad."""
        if later.due is None:
            await self.store(self.memory.finish, row, self.equipment.lease)
        else:
            await self.store(self.memory.postpone, row, self.equipment.lease, later.due, later.attempts)
        if later.roll_back:
            await self._roll_back(row, later.roll_back)

    async def _roll_back(self, row: Row, run: str) -> None:
        try:
            await self.rollbacks.answer(row.address, run)
        except TrueupError as error:
            self.equipment.telemetry.warn(f"rollback failed: {error.message}", hint=error.hint)
        await self.wake([Address(row.address.repository), row.address], Trigger.ROLLBACK)

    # ------------------------------------------------------------------ what goes on beside

    def _keep(self, tasks: asyncio.TaskGroup, do: Callable[[], Coroutine[Any, Any, object]]) -> None:
        tasks.create_task(self._persist(do))

    async def _persist(self, do: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Do it, again and again while the memory cannot be had: a full disk is waited for, a damaged file is not."""
        pause = 0.5
        while True:
            try:
                await do()
                return
            except TrueupError as error:
                self._endure(error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _endure(self, error: TrueupError) -> None:
        if not error.retry:
            raise error
        self.equipment.telemetry.warn(error.message, where=error.where, hint=error.hint)

    async def _listen_to_others(self) -> None:
        """A command in another process writes the same memory: its wake-ups are seen here."""
        seen, written = await self.store(self.memory.moved), 0.0
        while True:
            await asyncio.sleep(LOOK_FOR_OTHERS)
            before, written = written, self.memory.written_at()
            # The time of a write is known to a few milliseconds: what was written just now may have been followed by more.
            if written != before or time.time() - written < JUST_NOW:
                now = await self.store(self.memory.moved)
                if now != seen:
                    seen = now
                    self.woken.set()
            await self._mind_the_clock()

    async def _mind_the_clock(self) -> None:
        """A clock that is set back would put off by as much whatever is due: then all of it is due now."""
        ahead = _ahead()
        if ahead < self._ahead - SET_BACK:
            self.equipment.telemetry.warn("the clock was set back", seconds=round(self._ahead - ahead))
            await self.wake(await self.store(self.memory.pending), Trigger.POLL)
        self._ahead = ahead

    async def _free_dead(self) -> None:
        """A command that was killed leaves its rows to whoever looks next."""
        if await self.store(self.memory.free_dead, self.equipment.lease):
            self.woken.set()

    async def _every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, object]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await do()

    async def _renew(self) -> None:
        for row in list(self.walking.values()):
            await self.store(self.memory.renew, row, self.equipment.lease, time.time())


def _ahead() -> float:
    """How far the clock that people set is ahead of the one that nobody sets."""
    return time.time() - time.monotonic()
