"""One host target: what is desired against what is there, and the way from one to the other."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner
from trueup.model.errors import Refused, TrueupError, Unreachable
from trueup.model.health import Health, State
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, plan_of
from trueup.model.run import Outcome
from trueup.runtimes.host.applying import Batch
from trueup.runtimes.host.ground import Ground
from trueup.runtimes.host.live import live_of
from trueup.runtimes.host.logs import lines_of
from trueup.runtimes.host.member import Member
from trueup.runtimes.host.planning import Planner, owner_of
from trueup.runtimes.host.record import Record, Records
from trueup.runtimes.host.running import Ways
from trueup.runtimes.host.thread import in_thread
from trueup.runtimes.host.watch import Watch


@dataclass(slots=True)
class HostRuntime:
    """Satisfies ``Runtime`` for the machine that it runs on."""

    target: str
    records: Records
    members: Mapping[str, Member]
    ground: Ground
    ways: Ways

    async def owned(self) -> list[Owned]:
        """What carries our mark below the root."""
        records = await in_thread(self._all_records)
        return [Owned(each.owner, each.revision, tuple(entry.key for entry in each.entries), each.policy) for each in records]

    async def plan(self, desired: Desired) -> Plan:
        """Say what would change; change nothing."""
        self._reach()
        actions = await in_thread(Planner(self.records, self.members, desired).actions)
        application = desired.application
        return plan_of(application.name, self.target, application.repository, desired.revision, actions)

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Carry out a batch, all of it at once; tell each outcome as it comes."""
        self._reach()
        async with aclosing(Batch(self.records, self.members, desired).run(actions)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """How these objects do, each at the version that is given."""
        self._reach()
        return await in_thread(self._healths, owner_of(desired), dict(versions))

    def watch(self) -> AsyncIterator[Moved | Lost]:
        """What moves, told by inotify and pidfds; where they run out, by looking every two seconds."""
        return Watch(self.records, self.ways).moves()

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """An object as it is; None when it is not there."""
        self._reach()
        entry = (await in_thread(self.records.load, owner)).entry(key)
        return await in_thread(live_of, entry, owner.application, self.ground, self.ways) if entry else None

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """The log of a service or a job, each line with its time."""
        if key.kind not in ("Service", "Job"):
            raise Refused(f"{key} keeps no log", key=str(key), hint="services and jobs have logs")
        async for line in lines_of(self.ways.keepers(owner.application, key.kind, key.name).folder, follow):
            yield line

    async def close(self) -> None:
        """Nothing is held; what runs goes on."""

    def _reach(self) -> None:
        """Without its folder nothing may be concluded: a disk that is not mounted is no empty host. Raises Unreachable."""
        if not self.records.root.is_dir() or not os.access(self.records.root, os.R_OK | os.W_OK | os.X_OK):
            hint = "mount it, or give it back to the user that Trueup runs as"
            raise Unreachable(f"the folder {self.records.root} is not there, or may not be used", where=self.target, hint=hint)

    def _all_records(self) -> list[Record]:
        self._reach()
        return self.records.all()

    def _healths(self, owner: Owner, versions: dict[Key, str]) -> dict[Key, Health]:
        record = self.records.load(owner)
        return {key: self._health(record, key, version) for key, version in versions.items()}

    def _health(self, record: Record, key: Key, version: str) -> Health:
        entry = record.entry(key)
        if entry is None:
            return Health(State.MISSING, "it is not there")
        try:
            return self.members[key.kind].health(record.owner.application, entry, version)
        except (TrueupError, OSError) as error:
            return Health(State.DEGRADED, str(error))
