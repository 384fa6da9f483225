"""When to walk: due rows of the queue, polls with jitter, what moves at the targets, and what another process asks for."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from trueup.engine.course import Later
from trueup.engine.equipment import Equipment, Following
from trueup.engine.reconcile import Reconciler
from trueup.engine.rollback import Rollbacks
from trueup.engine.watch import Watches
from trueup.model.errors import TrueupError
from trueup.model.memory import Address, Row
from trueup.model.run import Trigger

JITTER: Final = 0.1
LOOK_FOR_OTHERS: Final = 0.2
RENEW: Final = 20.0
RETAIN: Final = 3600.0
REPOSITORIES_AT_ONCE: Final = 8
APPLICATIONS_AT_ONCE: Final = 32


class Loop:
    """Runs until it is cancelled; then the walks under way end where they are, and their rows are free for whoever comes next."""

    def __init__(self, equipment: Equipment, reconciler: Reconciler, at_once: int = 8) -> None:
        self.equipment = equipment
        self.reconciler = reconciler
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.rollbacks = Rollbacks(equipment)
        self.watches = Watches(equipment, self.wake)
        self.at_once = at_once
        self.woken = asyncio.Event()
        self.walking: dict[Address, Row] = {}
        self._turns: dict[tuple[str, str], asyncio.Semaphore] = {}

    async def run(self, followings: Iterable[Following], retain: Callable[[], object]) -> None:
        """Follow these repositories for ever. ``retain`` drops old history, now and then."""
        following = {each.repository.identity: each for each in followings}
        await self.store(self.memory.free_dead, self.equipment.lease)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._wake_everything(following)
                tasks.create_task(self._claim_for_ever(tasks, following))
                tasks.create_task(self._listen_to_others())
                tasks.create_task(self._every(RENEW, self._renew))
                tasks.create_task(self._every(RETAIN, lambda: self.store(retain)))
                tasks.create_task(self.watches.run(following))
        finally:
            self.memory.free(self.equipment.lease)

    async def _wake_everything(self, following: dict[str, Following]) -> None:
        """After a start: fetch every repository, and look once at everything that was applied."""
        for identity in following:
            standings = await self.store(self.memory.standings, identity)
            addresses = [Address(identity, each.application.name, each.status.target) for each in standings]
            await self.store(self.memory.wake, addresses, Trigger.DRIFT, 0.0, -1)
            await self.store(self.memory.wake, [Address(identity)], Trigger.POLL)

    async def wake(self, addresses: Iterable[Address], trigger: Trigger) -> None:
        """Ask for walks now."""
        await self.store(self.memory.wake, list(addresses), trigger)
        self.equipment.telemetry.count("wakes", trigger=trigger)
        self.woken.set()

    # ------------------------------------------------------------------ claiming

    async def _claim_for_ever(self, tasks: asyncio.TaskGroup, following: dict[str, Following]) -> None:
        while True:
            self.woken.clear()
            repositories = await self._claim("repository", REPOSITORIES_AT_ONCE)
            applications = await self._claim("application", APPLICATIONS_AT_ONCE)
            for row in repositories:
                self._begin(tasks, row, self._follow(row, following))
            for row in applications:
                self._begin(tasks, row, self._walk(row))
            if not repositories and not applications:
                await self._rest()

    async def _claim(self, kind: str, most: int) -> list[Row]:
        busy = sum((not address.application) == (kind == "repository") for address in self.walking)
        if busy >= most:
            return []
        return await self.store(self.memory.claim, self.equipment.lease, time.time(), most - busy, kind)

    def _begin(self, tasks: asyncio.TaskGroup, row: Row, walk: Coroutine[Any, Any, None]) -> None:
        self.walking[row.address] = row
        tasks.create_task(self._guarded(row, walk), name=f"walk {row.address.application or row.address.repository}")

    async def _guarded(self, row: Row, walk: Coroutine[Any, Any, None]) -> None:
        """The one place that catches broadly: a fault of ours in one walk never stops the others. The row is tried again later."""
        try:
            await walk
        except Exception:
            self.equipment.telemetry.logger.exception("a walk of %s failed unexpectedly", row.address)
            await self.store(self.memory.postpone, row, self.equipment.lease, time.time() + 60.0, row.attempts + 1)
        finally:
            self.walking.pop(row.address, None)
            self.woken.set()

    async def _rest(self) -> None:
        """Until something is due, somebody wakes us, or a walk ends."""
        due = [await self.store(self.memory.next_due, kind) for kind in ("repository", "application")]
        soonest = min((each for each in due if each is not None), default=time.time() + 60.0)
        timeout = min(max(soonest - time.time(), 0.01), 60.0)
        if self._full():
            timeout = 60.0
        try:
            async with asyncio.timeout(timeout):
                await self.woken.wait()
        except TimeoutError:
            return

    def _full(self) -> bool:
        applications = sum(bool(address.application) for address in self.walking)
        return applications >= APPLICATIONS_AT_ONCE or len(self.walking) - applications >= REPOSITORIES_AT_ONCE

    # ------------------------------------------------------------------ walking

    async def _follow(self, row: Row, following: dict[str, Following]) -> None:
        each = following.get(row.address.repository)
        if each is None:
            await self.store(self.memory.finish, row, self.equipment.lease)
            return
        try:
            followed = await self.reconciler.follow(each.repository, row.trigger)
            self.watches.refresh()
            if followed.inexact:
                await self.reconciler.date(each.repository)
        except TrueupError as error:
            self.equipment.telemetry.warn(f"fetch failed: {error.message}", repository=each.repository.identity, hint=error.hint)
        await self.store(
            self.memory.postpone, row, self.equipment.lease, time.time() + each.poll * random.uniform(1 - JITTER, 1 + JITTER), 0
        )

    async def _walk(self, row: Row) -> None:
        turn = self._turns.setdefault((row.address.repository, row.address.target), asyncio.Semaphore(self.at_once))
        async with turn:
            later = await self.reconciler.walk(row)
        await self.settle(row, later)

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

    async def _listen_to_others(self) -> None:
        """A command in another process writes the same memory: its wake-ups are seen here."""
        seen = await self.store(self.memory.moved)
        while True:
            await asyncio.sleep(LOOK_FOR_OTHERS)
            now = await self.store(self.memory.moved)
            if now != seen:
                seen = now
                self.woken.set()

    async def _every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, object]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await do()

    async def _renew(self) -> None:
        for row in list(self.walking.values()):
            await self.store(self.memory.renew, row, self.equipment.lease, time.time())
