"""A batch of actions is carried out: recorded before it is done, done, and recorded as it then is."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from trueup.model.contracts import Desired
from trueup.model.errors import TrueupError, Unreachable
from trueup.model.manifest import Key
from trueup.model.plan import Action, Verb
from trueup.model.run import Outcome
from trueup.model.wire import time_text
from trueup.runtimes.host.fault import words_of
from trueup.runtimes.host.member import Look, Member, Wanted
from trueup.runtimes.host.planning import explained, keeps, others_for, owners_in, whole_record
from trueup.runtimes.host.reading import wanted_of
from trueup.runtimes.host.record import Entry, Record, Records
from trueup.runtimes.host.running import masked
from trueup.runtimes.host.thread import in_thread
from trueup.toolkit.together import as_they_come

_AT_ONCE = 8
_OUTDATED = "it moved since the plan was made"


@asynccontextmanager
async def _alone(records: Records, application: str) -> AsyncIterator[None]:
    held: list[int] = []
    try:
        # Whoever is cancelled while it waits may hold it all the same.
        await in_thread(lambda: held.append(records.lock(application)))
        yield
    finally:
        for lock in held:
            records.unlock(application, lock)


@dataclass(slots=True)
class Batch:
    """Actions of one application that do not depend on each other."""

    records: Records
    members: Mapping[str, Member]
    desired: Desired
    record: Record = field(init=False)
    wanted: dict[Key, Wanted] = field(init=False, default_factory=dict)
    outdated: set[Key] = field(init=False, default_factory=set)

    async def run(self, actions: Sequence[Action]) -> AsyncGenerator[Outcome, None]:
        """Each outcome as it comes. Raises Unreachable."""
        acting = [action for action in actions if action.verb is not Verb.UNCHANGED]
        try:
            async with _alone(self.records, self.desired.application.name):
                await in_thread(self._begin, acting)
                async with aclosing(self._outcomes(acting)) as outcomes:
                    async for outcome in outcomes:
                        yield outcome
        except OSError as error:
            # Nothing is done that cannot be recorded first.
            if not acting:
                raise Unreachable(words_of(error), where=str(self.records.folder)) from error
            for action in acting:
                yield Outcome(action.key, action.verb, "failed", message=words_of(error))

    async def _outcomes(self, acting: Sequence[Action]) -> AsyncGenerator[Outcome, None]:
        slots = asyncio.Semaphore(_AT_ONCE)
        try:
            async with aclosing(as_they_come(self._carry_out(action, slots) for action in acting)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            await self._finish(bool(acting))

    def _begin(self, actions: Sequence[Action]) -> None:
        """Look once more, and write down what is going to be written, with the places of old and new: whatever happens then, it is ours."""
        self.wanted = {each.key: each for each in wanted_of(self.desired)}
        others = others_for(self.records, self.desired, self.wanted.values())
        self.record = whole_record(self.records, self.desired, others)
        before = self.record
        taken: list[tuple[Record, Key]] = []
        for action in actions:
            look = self._looked(action)
            if look is None or action.key not in self.wanted:
                continue
            former = owners_in(others, self.record.owner, action.key, look) if action.verb is Verb.ADOPT else []
            taken += former
            self.record = self.record.having(self._intent(action, look, former))
        if self.record != before:
            self.records.save(self.record)
        for owner, key in taken:
            self.records.save(self.records.load(owner.owner).lacking(key))

    def _looked(self, action: Action) -> Look | None:
        """What is there, when the action still fits it; else it is outdated."""
        wanted, entry = self.wanted.get(action.key), self.record.entry(action.key)
        member = self.members[action.key.kind]
        try:
            if wanted is None:
                look = member.glance(self.record.owner.application, entry) if entry else Look("", True)
                fits = look.seen in ("", action.seen) or keeps(self.desired)
            else:
                look = member.look(wanted, entry)
                fits = look.seen == action.seen or (look.same and explained(entry, look))
        except (TrueupError, OSError):
            # The action itself will meet it again, and tell.
            return None
        if not fits or (wanted is None and entry is None and self._given_away(action.key)):
            self.outdated.add(action.key)
            return None
        return look

    def _given_away(self, key: Key) -> bool:
        me = str(self.record.owner)
        return any(entry.key == key and entry.taken == me for other in self.records.others(self.record.owner) for entry in other.entries)

    def _intent(self, action: Action, look: Look, former: list[tuple[Record, Key]]) -> Entry:
        wanted = self.wanted[action.key]
        entry = self.record.entry(action.key) or Entry(key=action.key)
        return msgspec.structs.replace(
            entry,
            desired=wanted.manifest.digest,
            version=look.version,
            revision=self.desired.revision,
            wave=wanted.manifest.wave,
            paths=tuple(dict.fromkeys((*look.paths, *entry.paths))),
            written=look.written,
            algorithm=look.algorithm,
            body=masked(wanted.manifest.body["spec"]),
            at=time_text(datetime.now(UTC)),
            taken=str(former[0][0].owner) if former else entry.taken,
        )

    async def _carry_out(self, action: Action, slots: asyncio.Semaphore) -> Outcome:
        began = time.monotonic()
        outcome = Outcome(action.key, action.verb, "failed")
        async with slots:
            try:
                outcome = await self._act(action)
            except (TrueupError, OSError) as error:
                outcome = msgspec.structs.replace(outcome, message=words_of(error))
        return msgspec.structs.replace(outcome, seconds=round(time.monotonic() - began, 3))

    async def _act(self, action: Action) -> Outcome:
        if action.key in self.outdated:
            return Outcome(action.key, action.verb, "failed", message=_OUTDATED, outdated=True)
        member = self.members[action.key.kind]
        wanted, entry = self.wanted.get(action.key), self.record.entry(action.key)
        if wanted is None:
            if entry and not keeps(self.desired):
                await member.remove(self.record.owner.application, entry)
            self.record = self.record.lacking(action.key)
            return Outcome(action.key, action.verb, "done")
        look = await in_thread(member.look, wanted, entry)
        if look.seen != action.seen and not look.same:
            return Outcome(action.key, action.verb, "failed", message=_OUTDATED, outdated=True)
        entry = entry or Entry(key=action.key)
        if not look.same:
            await member.put(wanted, entry)
            look = await in_thread(member.look, wanted, entry)
        self.record = self.record.having(msgspec.structs.replace(entry, paths=look.paths, written=look.written))
        return Outcome(action.key, action.verb, "done", version=look.version)

    async def _finish(self, acted: bool) -> None:
        """What was done, of which revision, under which policy; nothing is written when that is known already."""
        try:
            await in_thread(self._settle)
        except OSError:
            # What was done is on record as begun, and the next walk finds it done.
            if not acted:
                raise

    def _settle(self) -> None:
        final = msgspec.structs.replace(self.record, revision=self.desired.revision, policy=self.desired.application.policy)
        if final != self.records.load(final.owner):
            self.records.save(final)
