"""One service from one version to the next: made before anything stops, taken back when it does not do well.

The new container is made beside the old one, under the name ``NAME.new``. The old one stays, stopped and as ``NAME.old``, until every
container of the service does well; otherwise it is started again and the new ones go. Whoever is interrupted leaves these names, and
``settle`` goes on from them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from trueup.model.errors import Refused
from trueup.runtimes.compose.company import Company, Parted
from trueup.runtimes.compose.confiding import secret_volumes
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.engine import Absent, Clash, Engine
from trueup.runtimes.compose.look import Deed, Step
from trueup.runtimes.compose.ports import takes_a_place
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.units import seconds
from trueup.runtimes.compose.wellness import trouble_of

OLD: Final = ".old"
NEW: Final = ".new"
MONITOR: Final = 2.0
"""For how long, in seconds, a container without a health check must run, where ``update_config`` does not say."""
_REPLACING: Final = (Deed.RECREATE, Deed.CREATE)


class DidBadly(Refused):
    """A version did not do well, and the one before goes on."""


class GaveWay(DidBadly):
    """The same, and what ran was stopped for it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a container of the service is made, and what else changes with it.

    ``create`` makes the container of a step, without starting it, under a name; its identity. ``forward`` lets the mounts lead to the new
    content, ``back`` to the content before.
    """

    create: Callable[[Step, str], Awaitable[str]]
    forward: Callable[[], Awaitable[None]] | None = None
    back: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How an update goes: ``deploy.update_config``."""

    start_first: bool = False
    parallelism: int = 1
    delay: float = 0.0
    monitor: float = MONITOR
    failure_action: str = "rollback"

    @classmethod
    def of(cls, service: Service) -> "Pace":
        """What a service says. Raises ValueError for a duration that is none."""
        told = service.deploy.get("update_config") or {}
        return cls(
            told.get("order") == "start-first" and not takes_a_place(service.spec),
            int(told.get("parallelism", 1)),
            seconds(told.get("delay") or 0),
            seconds(told["monitor"]) if told.get("monitor") else MONITOR,
            str(told.get("failure_action") or "rollback"),
        )


@dataclass(slots=True)
class _Swap:
    """One container on its way."""

    step: Step
    new: str
    started: bool = False
    stopped: bool = False


@dataclass(slots=True)
class Update:
    """Carries out the steps of one service. ``patience``: for how long, in seconds, a health check may take to say that all is well.

    ``company``: other services that ports of the host are exchanged with, which are updated at the same time.
    """

    engine: Engine
    service: Service
    recipe: Recipe
    patience: float
    company: Company | None = None
    pace: Pace = field(init=False)
    swaps: list[_Swap] = field(init=False, default_factory=list)
    restarted: list[Step] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace.of(self.service)

    async def run(self, steps: Sequence[Step]) -> str:
        """Do it; what is worth saying about it. Raises Refused with the reason, and then what ran before runs again."""
        try:
            await self._make([step for step in steps if step.deed in _REPLACING])
            if self.company is not None:
                await self.company.gather()
        except Refused:
            await self._unmake()
            raise
        if self.recipe.forward is not None:
            await self.recipe.forward()
        troubles = await self._start(steps) if self.company is None else await self._start_in_company(steps, self.company)
        fault = GaveWay if self._was_felt else DidBadly if any(step.container for step in steps) else Refused
        if troubles and self.pace.failure_action == "rollback":
            hindered = await self._take_back()
            if hindered:
                troubles += [f"the version before could not come back: {each}" for each in hindered]
                fault = Refused
            elif any(step.container is not None and step.container.runs for step in steps):
                troubles.append("the version before runs again")
        else:
            await self._finish([] if troubles else steps)
        if troubles:
            raise fault("; ".join(dict.fromkeys(troubles)), hint=f"look at the logs of {self.service.key}")
        return ""

    async def _start(self, steps: Sequence[Step]) -> list[str]:
        """Bring all over, some at a time; what is wrong then."""
        troubles: list[str] = []
        for batch in self._batches(steps):
            troubles += [trouble for trouble in await asyncio.gather(*map(self._advance, batch)) if trouble]
            if troubles and self.pace.failure_action != "continue":
                break
        return troubles

    async def _start_in_company(self, steps: Sequence[Step], company: Company) -> list[str]:
        """The same, once all of them have let go of their ports; what is wrong with any of them."""
        troubles: list[str] = []
        try:
            await asyncio.gather(*map(self._set_aside, self.swaps))
            await company.gather()
            troubles = await self._start(steps)
            others = await company.verdict(self.service.name, "; ".join(troubles))
        except Refused as error:
            company.leave()
            others = error.message
        return [*troubles, others] if others else troubles

    @property
    def _was_felt(self) -> bool:
        """Whether anything that ran was stopped."""
        touched = [*(swap.step for swap in self.swaps if swap.stopped), *self.restarted]
        return any(step.container is not None and step.container.runs for step in touched)

    async def _make(self, steps: Sequence[Step]) -> None:
        """Make every new container; nothing is stopped before all of them are there."""
        for step in steps:
            # Where nothing is yet, nothing has to be told apart; and what is interrupted then is gone on with.
            name = step.name + NEW if step.container else step.name
            if step.container:
                await self._remove(name)
            self.swaps.append(_Swap(step, await self.recipe.create(step, name)))

    def _batches(self, steps: Sequence[Step]) -> Iterable[Sequence[Step]]:
        acting = [step for step in steps if step.deed in (*_REPLACING, Deed.RESTART)]
        size = self.pace.parallelism or len(acting)
        return [acting[start : start + size] for start in range(0, len(acting), size or 1)]

    async def _advance(self, step: Step) -> str:
        """Bring one container over; what is wrong with it then, or nothing."""
        began = time.monotonic()
        if step.deed is Deed.RESTART:
            self.restarted.append(step)
            trouble = await self._attempt(step.container.id if step.container else "", "restart")
        else:
            try:
                trouble = await self._exchange(next(each for each in self.swaps if each.step is step))
            except Refused as error:
                trouble = error.message
        if not trouble and self.pace.delay:
            await asyncio.sleep(max(0.0, self.pace.delay - (time.monotonic() - began)))
        return trouble

    async def _exchange(self, swap: _Swap) -> str:
        if not self.pace.start_first:
            await self._set_aside(swap)
        swap.started = True
        if self.service.stopped:
            await self._set_aside(swap)
            await rename(self.engine, swap.new, swap.step.name)
            return ""
        if swap.step.container is None:
            return await self._first_start(swap)
        trouble = await self._attempt(swap.new, "start")
        if not trouble:
            await self._set_aside(swap)
            await rename(self.engine, swap.new, swap.step.name)
        return trouble

    async def _first_start(self, swap: _Swap) -> str:
        """Without a version before there is nothing to go back to: its health is told like that of anything that runs."""
        try:
            await self.engine.post(f"/containers/{swap.new}/start")
        except Refused as error:
            swap.started = False
            return error.message
        return ""

    async def _set_aside(self, swap: _Swap) -> None:
        old = swap.step.container
        if old is None or swap.stopped:
            return
        swap.stopped = True
        await self.engine.post(f"/containers/{old.id}/stop")
        await rename(self.engine, old.id, swap.step.name + OLD)

    async def _attempt(self, container: str, verb: str) -> str:
        try:
            await self.engine.post(f"/containers/{container}/{verb}")
        except Refused as error:
            return error.message
        return await trouble_of(self.engine, container, self.pace.monitor, self.patience)

    async def _take_back(self) -> list[str]:
        """What ran before runs again, and the new containers go; what was refused of that, which keeps none of the others from it."""
        # A new one that has none before it is the only one there is. A person, or the next revision, decides about it.
        back = [swap for swap in self.swaps if swap.step.container is not None or not swap.started]
        refused = [await _refusal(self.recipe.back())] if self.recipe.back is not None else []
        refused += [await _refusal(self._remove(swap.new)) for swap in back]
        if self.company is not None:
            # Nobody's old container can have its port again while another's new one has it.
            with suppress(Parted):
                await self.company.gather()
        refused += [await _refusal(self._run_again(swap)) for swap in back]
        again = [step.container.id for step in self.restarted if step.container is not None]
        refused += [await _refusal(self.engine.post(f"/containers/{each}/restart")) for each in again]
        return [each for each in refused if each]

    async def _run_again(self, swap: _Swap) -> None:
        old = swap.step.container
        if old is not None and swap.stopped:
            await rename(self.engine, old.id, old.name)
            if old.runs:
                await self.engine.post(f"/containers/{old.id}/start")

    async def _unmake(self) -> None:
        for swap in self.swaps:
            await self._remove(swap.new)

    async def _remove(self, new: str) -> None:
        with suppress(Absent):
            await self.engine.delete(f"/containers/{new}", force=True, v=True)

    async def _finish(self, steps: Sequence[Step]) -> None:
        """The containers of the version before go, and those that are too many."""
        for swap in self.swaps:
            if not swap.started:
                await self._remove(swap.new)
            elif swap.step.container is not None and swap.stopped:
                await rename(self.engine, swap.new, swap.step.name)
                await discard(self.engine, swap.step.container)
        await asyncio.gather(*(discard(self.engine, step.container) for step in steps if step.deed is Deed.REMOVE))


def leftovers(containers: Iterable[Container]) -> list[Container]:
    """The containers that an update which was broken off left beside the others."""
    return [each for each in containers if each.name.endswith((OLD, NEW))]


async def settle(engine: Engine, containers: Sequence[Container]) -> bool:
    """Go on from where an update of a service was broken off: one container of each name is left. Whether there was anything to do.

    The version before comes back unless the new one runs under its name and does not do badly.
    """
    left = leftovers(containers)
    present = {each.name: each for each in containers}
    # What is new goes first: it may hold the port that the one before wants.
    for each in sorted(left, key=lambda each: each.name.endswith(OLD)):
        name = each.name.removesuffix(NEW).removesuffix(OLD)
        current = present.get(name)
        if each.name.endswith(NEW) or (current is not None and current.runs and not _is_unwell(current.state)):
            await discard(engine, each)
            continue
        if current is not None:
            await discard(engine, current)
        await rename(engine, each.id, name)
        if not _had_ended(each, present.get(name), present.get(name + NEW)):
            # What it had on the host somebody may have by now. The update that follows makes another one.
            with suppress(Refused):
                await engine.post(f"/containers/{each.id}/start")
    return bool(left)


async def discard(engine: Engine, container: Container | None) -> None:
    """Stop and remove a container, as often as one likes. Its volumes stay, with or without a name, but for those of its secrets."""
    if container is None:
        return
    with suppress(Absent):
        await engine.post(f"/containers/{container.id}/stop")
        await engine.delete(f"/containers/{container.id}", force=True)
    for volume in secret_volumes(container):
        with suppress(Absent, Clash):
            await engine.delete(f"/volumes/{volume}")


async def rename(engine: Engine, container: str, name: str) -> None:
    """Give a container a name; it may have it already."""
    found = await engine.get(f"/containers/{container}/json")
    if str(found["Name"]).lstrip("/") != name:
        await engine.post(f"/containers/{container}/rename", None, name=name)


async def _refusal(doing: Awaitable[object]) -> str:
    """Do it; what was refused of it, or nothing."""
    try:
        await doing
    except Refused as error:
        return error.message
    return ""


def _had_ended(old: Container, *newer: Container | None) -> bool:
    """Whether it did not run any more when the one after it was made: a job that was done is not done again."""
    made = [_time(each.body.get("Created")) for each in newer if each is not None]
    return bool(made) and _time(old.state.get("FinishedAt")) < min(made)


def _time(text: object) -> datetime:
    return datetime.fromisoformat(str(text or "0001-01-01T00:00:00Z"))


def _is_unwell(state: Mapping[str, Any]) -> bool:
    return (state.get("Health") or {}).get("Status") == "unhealthy" or bool(state.get("Restarting"))
