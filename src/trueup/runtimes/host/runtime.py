"""One host target: what is desired against what is there, and the way from one to the other."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner
from trueup.model.errors import Refused, TrueupError
from trueup.model.health import Health, State
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, plan_of
from trueup.model.run import Outcome
from trueup.runtimes.host.applying import Batch
from trueup.runtimes.host.logs import lines_of
from trueup.runtimes.host.member import Member
from trueup.runtimes.host.planning import Planner
from trueup.runtimes.host.record import Record, Records
from trueup.runtimes.host.running import Ways


@dataclass(slots=True)
class HostRuntime:
    """Satisfies ``Runtime`` for the machine that it runs on."""

    target: str
    records: Records
    members: Mapping[str, Member]
    ways: Ways

    async def owned(self) -> list[Owned]:
        """What carries our mark below the root."""
        records = await asyncio.to_thread(self.records.all)
        return [Owned(each.owner, each.revision, tuple(entry.key for entry in each.entries), each.policy) for each in records]

    async def plan(self, desired: Desired) -> Plan:
        """Say what would change; change nothing."""
        actions = await asyncio.to_thread(Planner(self.records, self.members, desired).actions)
        application = desired.application
        return plan_of(application.name, self.target, application.repository, desired.revision, actions)

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Carry out a batch, all of it at once; tell each outcome as it comes."""
        batch = Batch(self.records, self.members, desired)
        async for outcome in batch.run(actions):
            yield outcome

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """How these objects do, each at the version that is given."""
        return await asyncio.to_thread(self._healths, owner_of(desired), dict(versions))

    def watch(self) -> AsyncIterator[Moved | Lost] | None:
        """What moves."""
        return None

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """An object as it is."""
        return None

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """The log of a service or a job, each line with its time."""
        if key.kind not in ("Service", "Job"):
            raise Refused(f"{key} keeps no log", key=str(key), hint="services and jobs have logs")
        async for line in lines_of(self.ways.keepers(owner.application, key.kind, key.name).folder, follow):
            yield line

    async def close(self) -> None:
        """Nothing is held; what runs goes on."""

    def _healths(self, owner: Owner, versions: dict[Key, str]) -> dict[Key, Health]:
        record = self.records.load(owner)
        return {key: self._health(record, key, version) for key, version in versions.items()}

    def _health(self, record: Record, key: Key, version: str) -> Health:
        entry = record.entry(key)
        member = self.members.get(key.kind)
        if entry is None or member is None:
            return Health(State.MISSING, "it is not there")
        try:
            return member.health(record.owner.application, entry, version)
        except (TrueupError, OSError) as error:
            return Health(State.DEGRADED, str(error))


def owner_of(desired: Desired) -> Owner:
    """The application as an owner."""
    return Owner(desired.application.repository, desired.application.name)
