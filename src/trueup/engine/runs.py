"""What is meant, walked to its end -> its runs as they move on: walked here, or by a serve and seen through the memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from trueup.engine.drain import Drain, is_news
from trueup.engine.equipment import Equipment
from trueup.engine.inspect import trouble_of
from trueup.engine.reconcile import Reconciler, Wish
from trueup.engine.report import UNREACHABLE
from trueup.engine.rollback import Rollbacks
from trueup.model.answer import RolledBack
from trueup.model.errors import DeclarationError, Fault, TrueupError
from trueup.model.memory import Address
from trueup.model.run import Run, RunState, Sync, Trigger
from trueup.toolkit.troubles import Troubles

LOOK: Final = 0.1
NOT_DONE: Final = (Sync.FAILED, Sync.UNKNOWN, Sync.OUT_OF_SYNC, Sync.HELD)


class Runs:
    """Has wishes come about. ``serving`` says whether a serve walks on this memory."""

    def __init__(self, equipment: Equipment, rollbacks: Rollbacks, serving: Callable[[], bool]) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.reconciler = Reconciler(equipment)
        self.rollbacks = rollbacks
        self.serving = serving

    async def own(self, wishes: dict[Address, Wish], wait: bool) -> AsyncIterator[Run]:
        """Walk here. Raises what stood in the way, and what was rolled back, after everything else was done."""
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
            async for each in self.own({address: Wish()}, wait):
                yield each
            problem = problem or _rolled_back(answer)
        if problem is not None:
            raise problem

    async def followed(self, wishes: dict[Address, Wish], wait: bool) -> AsyncIterator[Run]:
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
            await asyncio.sleep(LOOK)
        if waiting:
            async for each in self.own({address: wishes[address] for address in waiting}, wait):
                yield each

    async def demand_done(self, addresses: Sequence[Address], told: set[str], known_faults: Sequence[Fault]) -> None:
        """What was asked for and did not come about, without any of the runs that were told."""
        troubles = Troubles(known_faults)
        for address in addresses:
            known = await self.store(self.memory.known, address)
            status = known.standing.status if known.standing else None
            if known.declared is not None and known.declared.faults:
                troubles.add(DeclarationError(known.declared.faults))
            elif status is not None:
                untold = status.sync in NOT_DONE and status.last_run not in told
                if untold or status.message.startswith(UNREACHABLE):
                    troubles.add(trouble_of(status))
        troubles.raise_all()


def _rolled_back(answer: RolledBack) -> TrueupError:
    """What was to be applied turned out bad, and is not what runs."""
    done = f"was rolled back to {answer.good[:7]}" + (f" by {answer.commit[:7]}" if answer.commit else "")
    message = f"{answer.bad[:7]} of `{answer.application}` turned out bad and {done}"
    return TrueupError(message, hint=answer.message or f"`trueup history {answer.application}` tells both runs")
