"""A few applications walked to their end in this process: what ``trueup apply`` does where no ``serve`` runs."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from trueup.engine.course import DONE, Later
from trueup.engine.equipment import Equipment
from trueup.engine.reconcile import Reconciler, Wish
from trueup.engine.report import UNREACHABLE
from trueup.engine.watch import Watches
from trueup.model.errors import TrueupError
from trueup.model.memory import Address, Row, Standing
from trueup.model.run import Run, RunState, Sync, Trigger
from trueup.toolkit.telemetry import Telemetry

AT_ONCE: Final = 8
LOOK: Final = 0.2


class Drain:
    """Walks the rows of some addresses until none of them is left in the queue."""

    def __init__(self, equipment: Equipment, reconciler: Reconciler, wishes: Mapping[Address, Wish]) -> None:
        self.equipment = equipment
        self.reconciler = reconciler
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.telemetry: Telemetry = equipment.telemetry
        self.wishes = dict(wishes)
        self.repository = next(iter(wishes)).repository if wishes else ""
        self.told: asyncio.Queue[Run | TrueupError | None] = asyncio.Queue()
        self.rolled_back: list[tuple[Address, str]] = []
        self._begun = time.time()
        self._unwalked = set(wishes)
        self._later: dict[Address, float] = {}
        self._walking: dict[Address, Row] = {}
        self._shown: dict[str, Run] = {}
        self._woken = asyncio.Event()
        self._pending: set[Address] = set()
        self._open: deque[Address] = deque()

    async def run(self, wait: bool) -> None:
        """Walk until all are done; without ``wait`` once each. Runs are told on ``told``, a None at the end."""
        await self.store(self.memory.free_dead, self.equipment.lease)
        watching = asyncio.create_task(self._watch())
        renewing = asyncio.create_task(self._renew())
        try:
            async with asyncio.TaskGroup() as tasks:
                while await self._step(tasks, wait):
                    pass
        finally:
            watching.cancel()
            renewing.cancel()
            self.told.put_nowait(None)

    async def _step(self, tasks: asyncio.TaskGroup, wait: bool) -> bool:
        self._woken.clear()
        # What was asked for is walked here once, also when a serve has walked the row meanwhile: it knows nothing of the wish.
        if not self._open:
            await self._look_for_open()
        begun = 0
        while self._open and len(self._walking) < AT_ONCE:
            address = self._open.popleft()
            if address in self._walking or address not in self.wishes:
                continue
            row = await self.store(self.memory.claim_one, address, self.equipment.lease, time.time())
            if row is not None:
                begun += 1
                row = self._as_asked(row)
                self._walking[address] = row
                tasks.create_task(self._walk(row, wait))
        if not begun and not self._pending and not self._walking:
            return False
        if not begun:
            await self._rest(self._pending)
        return True

    async def _look_for_open(self) -> None:
        """What is in the queue and due; asked only when all that was found before is under way, for the answer is as long as the queue."""
        self._pending = (set(await self.store(self.memory.pending, self.repository)) | self._unwalked) & set(self.wishes)
        now = time.time()
        self._open.extend(sorted(each for each in self._pending if each not in self._walking and self._later.get(each, 0.0) <= now))

    def _as_asked(self, row: Row) -> Row:
        first = row.address in self._unwalked
        self._unwalked.discard(row.address)
        return msgspec.structs.replace(row, trigger=Trigger.PERSON) if first and row.trigger is not Trigger.ROLLBACK else row

    async def _rest(self, pending: Iterable[Address]) -> None:
        soonest = min((self._later[address] for address in pending if address in self._later), default=time.time() + LOOK)
        try:
            async with asyncio.timeout(min(max(soonest - time.time(), 0.01), LOOK)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _walk(self, row: Row, wait: bool) -> None:
        address, wish = row.address, self.wishes[row.address]
        refused = False
        try:
            later = await self.reconciler.walk(row, wish)
        except TrueupError as error:
            self.told.put_nowait(error)
            refused = True
            later = await self._as_it_was(address)
        standing = None if refused else await self._tell(address)
        await self._settle(row, later)
        if not wait or refused or self._gives_up(standing) or await self._has_ended(wish, standing):
            # What is not ready yet stays in the queue, for a serve or for the next command.
            self.wishes.pop(address, None)
        self._walking.pop(address, None)
        self._woken.set()

    async def _as_it_was(self, address: Address) -> Later:
        """Nothing was done: a run that is under way still has to go on, by whoever comes next."""
        known = await self.store(self.memory.known, address)
        return DONE if known.run is None else Later(time.time())

    async def _has_ended(self, wish: Wish, standing: Standing | None) -> bool:
        """Whether nothing more comes of the wish: its run has failed, or the one plan that was wished for was carried out."""
        run = await self.store(self.memory.run, standing.status.last_run) if standing and standing.status.last_run else None
        if run is None or run.finished_at is None or run.finished_at.timestamp() < self._begun - 0.01:
            return False
        return run.plan == wish.digest if wish.digest else run.state is RunState.FAILED

    def _gives_up(self, standing: Standing | None) -> bool:
        """A target that does not answer is tried for ever, but nobody waits for ever at a terminal."""
        if standing is None or not standing.status.message.startswith(UNREACHABLE):
            return False
        return time.time() > self._begun + standing.application.policy.timeout

    async def _settle(self, row: Row, later: Later) -> None:
        if later.roll_back:
            self.rolled_back.append((row.address, later.roll_back))
        if later.due is None:
            self._later.pop(row.address, None)
            await self.store(self.memory.finish, row, self.equipment.lease)
        else:
            self._later[row.address] = later.due
            await self.store(self.memory.postpone, row, self.equipment.lease, later.due, later.attempts)

    async def _tell(self, address: Address) -> Standing | None:
        standing = await self.store(self.memory.standing, address)
        run = await self.store(self.memory.run, standing.status.last_run) if standing and standing.status.last_run else None
        if run is None:
            recent = await self.store(self.memory.runs, address.repository, address.application, "", 1)
            run = recent[0] if recent else None
        if run is not None and is_news(run, standing, self._begun) and self._shown.get(run.id) != run:
            self._shown[run.id] = run
            self.told.put_nowait(run)
        return standing

    async def _watch(self) -> None:
        """What moves at the targets wakes at once; without it a walk would come back only at its deadline."""
        watches = Watches(self.equipment, self._wake)
        meant = {address.target for address in self.wishes}
        targets = [target for target in await self.store(self.memory.targets, self.repository) if target.name in meant]
        await asyncio.gather(*(watches.keep_watching(target, finds=False) for target in targets))

    async def _wake(self, addresses: Iterable[Address], trigger: Trigger) -> None:
        for address in addresses:
            if address in self.wishes:
                self._later.pop(address, None)
        self._woken.set()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(20)
            for row in list(self._walking.values()):
                await self.store(self.memory.renew, row, self.equipment.lease, time.time())


def is_news(run: Run, standing: Standing | None, since: float) -> bool:
    """Whether a run is part of what was done since then; one that still waits for a person is, whenever it was made."""
    if run.state is RunState.HELD and standing is not None and standing.status.sync is Sync.HELD:
        return True
    return run.finished_at is None or run.finished_at.timestamp() > since - 0.01
