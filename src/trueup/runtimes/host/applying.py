"""A batch of actions is carried out: recorded before it is done, done, and recorded as it then is."""

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from trueup.model.contracts import Desired
from trueup.model.errors import TrueupError
from trueup.model.manifest import Key
from trueup.model.plan import Action, Verb
from trueup.model.run import Outcome
from trueup.runtimes.host.member import Member, Wanted
from trueup.runtimes.host.planning import keeps, owner_of
from trueup.runtimes.host.reading import wanted_of
from trueup.runtimes.host.record import Entry, Record, Records
from trueup.runtimes.host.running import masked

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of an action: its outcome, and the entry to be recorded; None takes the object off the record."""

    outcome: Outcome
    key: Key
    entry: Entry | None


class Batch:
    """Actions of one application that do not depend on each other."""

    def __init__(self, records: Records, members: Mapping[str, Member], desired: Desired) -> None:
        self.records = records
        self.members = members
        self.desired = desired
        self.record = Record(owner=owner_of(desired))
        self.wanted: dict[Key, Wanted] = {}

    async def run(self, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Each outcome as it comes."""
        await asyncio.to_thread(self._begin, actions)
        slots = asyncio.Semaphore(_AT_ONCE)
        tasks = {asyncio.create_task(self._carry_out(action, slots)) for action in actions if action.verb is not Verb.UNCHANGED}
        try:
            while tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield self._note(task.result())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._finish)

    def _begin(self, actions: Sequence[Action]) -> None:
        """Write down what is going to be written, with the places of old and new: whatever happens now, it is known to be ours."""
        self.wanted = {each.key: each for each in wanted_of(self.desired)}
        self.record = self.records.load(self.record.owner)
        before = self.record
        intents = [self._intent(action) for action in actions if action.key in self.wanted and action.verb is not Verb.UNCHANGED]
        self.record = self.record.having(*intents)
        if self.record != before:
            self.records.save(self.record)
        self._take(actions)

    def _finish(self) -> None:
        policy = self.desired.application.policy
        final = msgspec.structs.replace(self.record, revision=self.desired.revision, policy=policy)
        if final != self.records.load(final.owner):
            self.records.save(final)

    def _intent(self, action: Action) -> Entry:
        entry = self.record.entry(action.key) or Entry(key=action.key)
        wanted = self.wanted[action.key]
        paths = self.members[action.key.kind].look(wanted, entry).paths
        return msgspec.structs.replace(
            entry,
            desired=wanted.manifest.digest,
            wave=wanted.manifest.wave,
            paths=tuple(dict.fromkeys((*entry.paths, *paths))),
            taken=(action.owner and self._owner_named(action.owner)) or entry.taken,
        )

    async def _carry_out(self, action: Action, slots: asyncio.Semaphore) -> _Done:
        began = time.monotonic()
        async with slots:
            try:
                done = await self._act(action)
            except TrueupError as error:
                done = self._failed(action, f"{error.message} ({error.hint})" if error.hint else error.message)
            except OSError as error:
                done = self._failed(action, _words(error))
        outcome = msgspec.structs.replace(done.outcome, seconds=round(time.monotonic() - began, 3))
        return _Done(outcome, done.key, done.entry)

    async def _act(self, action: Action) -> _Done:
        owner = self.record.owner.application
        member = self.members[action.key.kind]
        wanted = self.wanted.get(action.key)
        entry = self.record.entry(action.key) or Entry(key=action.key)
        if wanted is None:
            if not keeps(self.desired):
                look = await asyncio.to_thread(member.glance, owner, entry)
                if look.seen not in ("", action.seen):
                    return self._outdated(action)
                await member.remove(owner, entry)
            return _Done(Outcome(action.key, action.verb, "done"), action.key, None)
        look = await asyncio.to_thread(member.look, wanted, entry)
        if look.seen != action.seen and not look.same:
            return self._outdated(action)
        put = await member.put(wanted, entry)
        return _Done(Outcome(action.key, action.verb, "done", version=put.version), action.key, self._settled(put, wanted))

    def _settled(self, entry: Entry, wanted: Wanted) -> Entry:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = masked(wanted.manifest.body["spec"])
        return msgspec.structs.replace(entry, body=body, revision=self.desired.revision, at=now)

    def _note(self, done: _Done) -> Outcome:
        if done.outcome.state == "done":
            self.record = self.record.having(done.entry) if done.entry else self.record.lacking(done.key)
        return done.outcome

    def _failed(self, action: Action, message: str) -> _Done:
        return _Done(Outcome(action.key, action.verb, "failed", message=message), action.key, None)

    def _outdated(self, action: Action) -> _Done:
        message = "it moved since the plan was made"
        return _Done(Outcome(action.key, action.verb, "failed", message=message, outdated=True), action.key, None)

    def _take(self, actions: Sequence[Action]) -> None:
        """Take adopted objects off the records of their former owners; ours names them already."""
        names = {action.owner for action in actions if action.owner}
        for record in self.records.all() if names else ():
            if record.owner != self.record.owner and str(record.owner) in {self._owner_named(name) for name in names}:
                mine = {path for entry in self.record.entries for path in entry.paths}
                gone = [entry.key for entry in record.entries if self._is_taken(record, entry, mine)]
                if gone:
                    self.records.save(record.lacking(*gone))

    def _is_taken(self, record: Record, entry: Entry, mine: set[str]) -> bool:
        ours = self.record.entry(entry.key)
        same_place = record.owner.application == self.record.owner.application and ours is not None and ours.taken == str(record.owner)
        return same_place or any(path in mine for path in entry.paths)

    def _owner_named(self, name: str) -> str:
        """An action names an application of the same repository by its name alone."""
        return name if " of " in name else f"{name} of {self.record.owner.repository}"


def _words(error: OSError) -> str:
    words = (error.strerror or str(error)) + (f": {error.filename}" if error.filename else "")
    return f"{words} (free some space; the next walk finishes)" if error.errno in (errno.ENOSPC, errno.EDQUOT) else words
