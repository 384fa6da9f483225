"""Plan, apply and health of one memory target."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

from trueup.model import wire
from trueup.model.application import Target
from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner, Touch
from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Body, Key
from trueup.model.plan import Action, Plan, Verb, plan_of
from trueup.model.run import Outcome
from trueup.runtimes.memory.planning import actions_of, changes_of, seen_of
from trueup.runtimes.memory.wanted import Wanted, wanted_of
from trueup.runtimes.memory.world import Record, World, concealed
from trueup.runtimes.memory.writing import unmarked, written

# How often a watch looks whether the file moved. A look takes microseconds, but waking up a process that sleeps can take a millisecond.
_LOOK_SECONDS = 0.5
_OUTDATED = "it changed since the plan was made"


class MemoryRuntime:
    """One memory target."""

    def __init__(self, target: Target, world: World, delay: float) -> None:
        self._target = target
        self._world = world
        self._delay = delay

    async def owned(self) -> list[Owned]:
        """What carries our mark."""
        return self._world.owned()

    async def plan(self, desired: Desired) -> Plan:
        """Compare what is desired with what the file holds."""
        application = desired.application
        wanted = wanted_of(desired)
        owner = Owner(application.repository, application.name)
        live = self._world.find(wanted)
        leaving = [record for record in self._world.belongings(owner) if record.key not in wanted]
        actions = actions_of(desired, wanted, live, leaving)
        return plan_of(application.name, self._target.name, application.repository, desired.revision, actions)

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Carry out the actions one by one, each in a transaction of its own."""
        owner = Owner(desired.application.repository, desired.application.name)
        wanted = wanted_of(desired)
        if not desired.removed:
            self._world.mark(owner, desired.revision, desired.application.policy)
        for action in actions:
            # A large batch lets others have their turn, even when nothing is to be waited for.
            await asyncio.sleep(self._delay)
            start = time.perf_counter()
            state, text, version = self._carry_out(desired, wanted.get(action.key), action)
            yield Outcome(
                action.key, action.verb, state, text, time.perf_counter() - start + self._delay, version, outdated=text == _OUTDATED
            )
        if desired.removed:
            self._world.forget(owner)

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """What the objects say of themselves, of that very version."""
        now = time.time()
        live = self._world.find(versions)
        return {key: _health(live.get(key), version, now) for key, version in versions.items()}

    def watch(self) -> AsyncIterator[Moved | Lost]:
        """What others changed, and what became ready, from now on."""
        return self._watched(self._world.last_move(), time.time())

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """The object as the file holds it."""
        record = self._world.find([key]).get(key)
        return Live(wire.plain(record.entry.body), record.entry.revision, record.entry.touches) if record else None

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """A line for each write."""
        told = 0
        while True:
            record = self._world.find([key]).get(key)
            if record is None:
                raise Refused(f"{key} keeps no log: it is not there", key=str(key), where=self._target.name)
            new = record.entry.written - told
            for line in record.entry.lines[-new:] if new else ():
                yield line
            told = record.entry.written
            if not follow:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Let go of the file."""
        self._world.close()

    async def tamper(self, key: Key, body: Body | None, manager: str = "somebody") -> None:
        """Do to the target what another hand would: write an object (one of nobody, where none was), or delete it with None."""
        record = self._world.find([key]).get(key)
        changes = changes_of(record.entry.body if record else {}, concealed(body or {}))
        touch = Touch(manager, wire.time_text(datetime.now(UTC), "milliseconds"), changes) if record and record.owner else None
        self._world.tamper(key, body, manager, touch)

    def _carry_out(self, desired: Desired, wanted: Wanted | None, action: Action) -> tuple[str, str, str]:
        with self._world.writing():
            live = self._world.find([action.key]).get(action.key)
            if _done(desired, wanted, action, live):
                return "done", "", live.entry.version if live else ""
            if action.seen != seen_of(live, desired.application.spec.ignore) or (wanted is None) != (action.desired == ""):
                return "failed", _OUTDATED, ""
            if wanted and (reason := wanted.refusal(action.verb, live)):
                return "failed", reason, ""
            return "done", "", self._write(desired, wanted, action, live)

    def _write(self, desired: Desired, wanted: Wanted | None, action: Action, live: Record | None) -> str:
        if wanted is not None:
            record = written(desired, wanted, action.verb, live)
            self._world.put(record)
            return record.entry.version
        if action.verb is Verb.DELETE or live is None:
            self._world.erase(action.key)
            return ""
        self._world.put(unmarked(live, desired.revision))
        return live.entry.version

    async def _watched(self, number: int, ready: float) -> AsyncIterator[Moved | Lost]:
        while True:
            moves = self._world.moves(number)
            if moves and moves[0][0] > number + 1:
                yield Lost("more moved than is remembered")
            for told, moved in moves:
                number = told
                yield moved
            now = time.time()
            for moved in self._world.ready_between(ready, now):
                yield moved
            ready = now
            await asyncio.sleep(_LOOK_SECONDS)


def _done(desired: Desired, wanted: Wanted | None, action: Action, live: Record | None) -> bool:
    """Whether somebody was here before with this very action: a walk that was interrupted between a write and its report."""
    owner = Owner(desired.application.repository, desired.application.name)
    if wanted is None:
        return live is None if action.verb is Verb.DELETE else live is None or live.owner is None
    return live is not None and live.owner == owner and wanted.digest == action.desired and not wanted.differs(live)


def _health(record: Record | None, version: str, now: float) -> Health:
    if record is None:
        return Health(State.MISSING, "it is not there")
    if version and record.entry.version != version:
        return Health(State.UNKNOWN, "another version was written since")
    specification = record.entry.body.get("spec")
    word = specification.get("health") if isinstance(specification, dict) else None
    ready = now >= record.entry.ready_at
    if record.entry.ready_at:
        word = State.HEALTHY if ready else word or State.PROGRESSING
    state = State(word or State.HEALTHY) if not word or word in list(State) else State.UNKNOWN
    reason = "spec.health says so" if ready else "spec.healthyAfter is not over"
    return Health(state, "" if state is State.HEALTHY else reason)
