"""Plan, apply and health of one engine."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing

from trueup.model.application import Policy
from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner
from trueup.model.errors import Refused
from trueup.model.health import Health
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, plan_of
from trueup.model.run import Outcome
from trueup.runtimes.compose.applying import Batch
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.health import Doctor
from trueup.runtimes.compose.holding import holdings
from trueup.runtimes.compose.live import live_service, live_thing
from trueup.runtimes.compose.logs import followed, logs
from trueup.runtimes.compose.planning import Planner
from trueup.runtimes.compose.scene import Stage
from trueup.runtimes.compose.watch import Watch


class ComposeRuntime:
    """One Docker Engine, for everything that runs there."""

    def __init__(self, name: str, engine: Engine, stage: Stage) -> None:
        self._name = name
        self._engine = engine
        self._stage = stage
        self._picture = stage.picture
        self._watch = Watch(stage.picture)

    async def owned(self) -> list[Owned]:
        """What carries our mark, by labels and records."""
        shot = await self._picture.look()
        records = await self._picture.records(shot)
        keys: dict[Owner, list[Key]] = {}
        revisions: dict[Owner, str] = {}
        for key, holding in holdings(shot.labelled, records).items():
            if holding.marks.owner is not None:
                keys.setdefault(holding.marks.owner, []).append(key)
                revisions.setdefault(holding.marks.owner, holding.marks.revision)
        standings = {each.owner: each for record in records.values() for each in record.standings}
        owners = dict.fromkeys([*standings, *keys])
        return [
            Owned(owner, standings[owner].revision, tuple(sorted(keys.get(owner, ()))), standings[owner].policy)
            if owner in standings
            else Owned(owner, revisions[owner], tuple(sorted(keys[owner])), Policy())
            for owner in owners
        ]

    async def plan(self, desired: Desired) -> Plan:
        """What is desired against what is there."""
        scene = await self._stage.scene(desired)
        application = desired.application
        return plan_of(application.name, self._name, application.repository, desired.revision, Planner(scene).actions())

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Carry out, at most eight objects at once."""
        with self._watch.writing({action.key for action in actions}):
            batch = await Batch.begun(self._stage, desired)
            async with aclosing(batch.run(actions)) as outcomes:
                async for outcome in outcomes:
                    yield outcome

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """By what the engine says of containers."""
        return await Doctor(self._engine, await self._stage.glimpse(desired)).judge(versions)

    def watch(self) -> AsyncIterator[Moved | Lost]:
        """The engine's events."""
        return self._watch.moves()

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """What runs, as Compose would write it."""
        shot = await self._picture.look()
        if key.kind != "Service":
            return live_thing(shot, await self._picture.record(key.namespace, shot), key)
        containers = await self._stage.containers(key)
        return live_service(shot, key, containers) if containers else None

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """The lines of all containers of a service."""
        if key.kind != "Service":
            raise Refused(f"{key} keeps no log", key=str(key), hint="ask for the log of a service")
        containers = await self._stage.containers(key)
        if not containers:
            raise Refused(f"{key} has no containers", key=str(key), hint="look at its health: `trueup status`")
        found = followed(self._engine, lambda: self._stage.containers(key)) if follow else logs(self._engine, containers)
        async with aclosing(found) as lines:
            async for line in lines:
                yield line

    async def close(self) -> None:
        """Let go of the connections."""
        await self._engine.close()
