"""What moves at the targets -> who is to be looked at. And what is found there that the memory does not know."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Set
from typing import Final

from trueup.engine.equipment import Equipment, Following
from trueup.model.application import Application, ApplicationSpec, Target
from trueup.model.contracts import Lost, Moved, Owned, Runtime
from trueup.model.errors import TrueupError
from trueup.model.memory import Address, Standing
from trueup.model.run import Status, Trigger

LOOK: Final = 30.0
LONGEST_PAUSE: Final = 60.0

Wake = Callable[[Iterable[Address], Trigger], Awaitable[None]]


class Watches:
    """One watch for each declared target. ``begun`` is called whenever one of them was begun, or could not be."""

    def __init__(self, equipment: Equipment, wake: Wake, begun: Callable[[], None] = lambda: None) -> None:
        self.equipment = equipment
        self.begun = begun
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.wake = wake
        self._changed = asyncio.Event()
        self._watching: dict[tuple[str, str], tuple[Target, asyncio.Task[None]]] = {}
        self._expected: set[tuple[str, str]] = set()

    @property
    def expected(self) -> list[tuple[str, str]]:
        """The targets, by repository and name, whose watch is about to begin.

        A walk there waits for it: what a watch knows costs one request for each kind, what is asked for without it one for each object.
        """
        return sorted(self._expected)

    @property
    def targets(self) -> Set[tuple[str, str]]:
        """Every target that is declared, by repository and name."""
        return self._watching.keys()

    async def refresh(self, following: Mapping[str, Following]) -> None:
        """The declarations may have changed: look which targets there are."""
        self._expected.update({(each.repository, each.name) for each in await self._targets(following)} - self._watching.keys())
        self._changed.set()

    async def _targets(self, following: Mapping[str, Following]) -> list[Target]:
        return [target for identity in following for target in await self.store(self.memory.targets, identity)]

    async def run(self, following: Mapping[str, Following]) -> None:
        """Watch every target of these repositories, for as long as it is declared."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                targets = await self._targets(following)
                for target in targets:
                    self._ensure(tasks, target)
                self._leave({(target.repository, target.name) for target in targets})
                await self._changed.wait()

    def _ensure(self, tasks: asyncio.TaskGroup, target: Target) -> None:
        name = (target.repository, target.name)
        known = self._watching.get(name)
        if known and known[0].spec == target.spec and not known[1].done():
            return
        if known:
            known[1].cancel()
        self._watching[name] = (target, tasks.create_task(self.keep_watching(target), name=f"watch {target.name}"))

    def _leave(self, declared: set[tuple[str, str]]) -> None:
        for name in self._watching.keys() - declared:
            self._watching.pop(name)[1].cancel()
        if self._expected - declared:
            self._expected &= declared
            self.begun()

    async def keep_watching(self, target: Target, finds: bool = True) -> None:
        """A target that cannot be watched is tried again, at most once a minute; the walks tell its trouble.

        What moved meanwhile nobody has heard of: as soon as it can be watched again, everything there is looked at once. So a watch that
        breaks before it lasted as long as the pause before it is no end of the trouble.
        """
        wait, deaf = 1.0, False
        while True:
            began = math.inf
            try:
                runtime = await self.equipment.targets.open(target)
                stream = runtime.watch()
                self._is_begun(target)
                if finds:
                    await self.find(target, runtime)
                if deaf:
                    await self._look_at_everything(target)
                began, deaf = time.monotonic(), False
                await self._watch(target, runtime, stream)
            except TrueupError as error:
                self.equipment.telemetry.warn(f"cannot watch: {error.message}", target=target.name)
            except Exception as error:  # noqa: BLE001
                # Somebody's plug-in may do anything; its target is tried again, and the others are watched all the same.
                self.equipment.telemetry.broke(f"the watch of target {target.name} broke", error)
            self._is_begun(target)
            deaf = True
            wait = 1.0 if time.monotonic() - began > wait else wait
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_PAUSE)

    def _is_begun(self, target: Target) -> None:
        if (target.repository, target.name) in self._expected:
            self._expected.discard((target.repository, target.name))
            self.begun()

    async def _watch(self, target: Target, runtime: Runtime, stream: AsyncIterator[Moved | Lost] | None) -> None:
        if stream is None:
            while True:
                await asyncio.sleep(LOOK)
                await self._look_at_everything(target)
        async for event in stream:
            if isinstance(event, Lost):
                self.equipment.telemetry.info(f"watch lost: {event.reason}", target=target.name)
                await self.find(target, runtime)
                await self._look_at_everything(target)
            else:
                await self._moved(target, event)

    async def _moved(self, target: Target, event: Moved) -> None:
        if event.owner.repository == target.repository:
            await self.wake([Address(target.repository, event.owner.application, target.name)], Trigger.DRIFT)

    async def _look_at_everything(self, target: Target) -> None:
        standings = await self.store(self.memory.standings, target.repository)
        mine = [Address(target.repository, each.application.name, target.name) for each in standings if each.status.target == target.name]
        await self.wake(mine, Trigger.DRIFT)

    async def find(self, target: Target, runtime: Runtime) -> None:
        """Learn what carries our mark at the target and is not known here, as after a loss of the memory."""
        ours = [owned for owned in await runtime.owned() if owned.owner.repository == target.repository]
        # At once for each one: a walk meanwhile may have written how it stands.
        found = [await self.store(self._learn, target, owned) for owned in ours]
        new = [address for address in found if address is not None]
        if new:
            await self.wake(new, Trigger.DRIFT)

    def _learn(self, target: Target, owned: Owned) -> Address | None:
        """Where it stands, when that was not known."""
        address = Address(target.repository, owned.owner.application, target.name)
        if self.memory.standing(address) is not None:
            return None
        self.memory.stand(_standing(target, owned))
        return address


def _standing(target: Target, owned: Owned) -> Standing:
    name = owned.owner.application
    application = Application(target.repository, name, ApplicationSpec(target=target.name, policy=owned.policy), file="")
    status = Status(repository=target.repository, application=name, target=target.name, revision=owned.revision)
    return Standing(application=application, status=status)
