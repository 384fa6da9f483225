"""Services: a keeper for each, started anew only when what it runs, or what it uses, changed."""

import asyncio
import signal
from dataclasses import dataclass

import msgspec

from trueup.model.health import Health, State
from trueup.model.manifest import Key, digest_of
from trueup.model.plan import Change, Effect
from trueup.runtimes.host.job import Jobs
from trueup.runtimes.host.keepers import Instance, Keepers
from trueup.runtimes.host.manifests import Job, Service, ServiceSpec, used
from trueup.runtimes.host.member import Look, Wanted
from trueup.runtimes.host.record import Entry
from trueup.runtimes.host.running import (
    Ways,
    differences,
    masked,
    moved,
    parts_of,
    readiness_of,
    version_of,
    with_last_words,
)


@dataclass(frozen=True, slots=True)
class _Stand:
    """What runs of one service: the start that is wanted, what else runs, what lost its keeper."""

    current: Instance | None
    others: tuple[Instance, ...]
    orphans: tuple[Instance, ...]
    last: Instance | None

    @property
    def handing_over(self) -> bool:
        """Whether the wanted start will stop the others by itself."""
        return self.current is not None and all(each.token in self.current.predecessors for each in self.others)

    @property
    def seen(self) -> str:
        """A digest of it; empty when nothing runs."""
        running = [each for each in (self.current, *self.others) if each]
        plain = [[each.token, each.version, True] for each in running] + [[each.token, each.version, False] for each in self.orphans]
        return digest_of(sorted(plain)) if plain else ""


@dataclass(frozen=True, slots=True)
class Services:
    """The member for ``kind: Service``."""

    ways: Ways
    jobs: Jobs

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        environment = self.ways.environment(wanted)
        stand = _stand(self._keepers(wanted.application, wanted.key), version_of(wanted, environment))
        before = entry.body if entry else None
        changes = tuple(differences(before or None, masked(wanted.manifest.body["spec"])))
        if stand.current or _finished(stand.last, version_of(wanted, environment)):
            same = not stand.orphans and (not stand.others or stand.handing_over)
            return Look(stand.seen, same, changes if not same else (), reason="" if same else "stops what else runs of it")
        newest = stand.others[-1] if stand.others else stand.last
        if newest is None or entry is None:
            return Look(stand.seen, False, changes)
        parts = moved(newest.uses, parts_of(wanted, environment))
        if not parts:
            return Look(stand.seen, False, (Change("status.phase", "stopped", "running"),), Effect.RESTART, _why_down(newest))
        effect = Effect.SIGNAL if stand.others and self._reloads(wanted, parts) else Effect.RESTART
        uses = tuple(Change(f"uses[{name}]", newest.uses.get(name), None) for name in sorted(parts - {""}))
        return Look(stand.seen, False, changes + uses, effect, _because(parts))

    def glance(self, owner: str, entry: Entry) -> Look:
        stand = _stand(self._keepers(owner, entry.key), "")
        return Look(stand.seen, False, (Change("status.phase", "running" if stand.seen else "stopped", None),))

    async def put(self, wanted: Wanted, entry: Entry) -> Entry:
        spec = _spec(wanted)
        environment = await asyncio.to_thread(self.ways.environment, wanted)
        version = version_of(wanted, environment)
        keepers = self._keepers(wanted.application, wanted.key)
        for use in wanted.uses:
            if isinstance(use.document, Job):
                await self.jobs.finished(use)
        stand = await asyncio.to_thread(_stand, keepers, version)
        recorded = msgspec.structs.replace(entry, version=version)
        if stand.current or _finished(stand.last, version):
            await self._stop(keepers, (*stand.others, *stand.orphans))
            return recorded
        parts = parts_of(wanted, environment)
        newest = stand.others[-1] if stand.others else None
        if newest and not stand.orphans and self._reloads(wanted, moved(newest.uses, parts)):
            await keepers.reload(newest, version, parts, signal.Signals[self._signal(wanted, moved(newest.uses, parts))])
            return recorded
        order = await asyncio.to_thread(self.ways.order, wanted, environment)
        order |= {"readiness": readiness_of(spec.readiness), "restart": spec.restart, "port": spec.port is not None, "limit": 0}
        await self._replace(keepers, stand, order, spec.update == "startFirst")
        return recorded

    async def remove(self, owner: str, entry: Entry) -> None:
        keepers = self._keepers(owner, entry.key)
        await keepers.clear()
        await asyncio.to_thread(keepers.forget)

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        stand = _stand(self._keepers(owner, entry.key), version or entry.version)
        current = stand.current
        if current is None:
            return _without(stand, version)
        if current.failing:
            return Health(State.DEGRADED, with_last_words(current.reason, current))
        if not current.ready:
            return Health(State.PROGRESSING, current.reason or "starting")
        if stand.others:
            return Health(State.PROGRESSING, "stops the version before")
        return Health(State.HEALTHY, _restarts(current))

    async def _replace(self, keepers: Keepers, stand: _Stand, order: dict[str, object], start_first: bool) -> None:
        stay = tuple(each for each in stand.others if each.ready and start_first)
        await self._stop(keepers, tuple(each for each in stand.others + stand.orphans if each not in stay))
        if not stay:
            # Nothing of it may run twice, even when the files that tell of it were lost.
            await keepers.clear()
        await asyncio.to_thread(keepers.tidy, 1)
        await keepers.start(order | {"predecessors": [each.token for each in stay]})

    async def _stop(self, keepers: Keepers, those: tuple[Instance, ...]) -> None:
        for instance in those:
            await keepers.stop(instance)

    def _keepers(self, application: str, key: Key) -> Keepers:
        return self.ways.keepers(application, "Service", key.name)

    def _reloads(self, wanted: Wanted, parts: set[str]) -> bool:
        uses = {str(key): use for key, use in used(wanted.document).items()}
        return bool(parts) and all(name in uses and uses[name].on_change == "reload" for name in parts)

    def _signal(self, wanted: Wanted, parts: set[str]) -> str:
        uses = {str(key): use for key, use in used(wanted.document).items()}
        return uses[min(parts)].signal


def _spec(wanted: Wanted) -> ServiceSpec:
    assert isinstance(wanted.document, Service)
    return wanted.document.spec


def _stand(keepers: Keepers, version: str) -> _Stand:
    instances = keepers.instances()
    kept = [each for each in instances if each.kept]
    current = next((each for each in reversed(kept) if each.version == version and each.phase != "stopping"), None)
    return _Stand(
        current,
        tuple(each for each in kept if each is not current),
        tuple(each for each in instances if each.orphaned),
        instances[-1] if instances else None,
    )


def _finished(last: Instance | None, version: str) -> bool:
    """Whether it ended as its ``restart`` allows, and so is not missed."""
    return last is not None and last.version == version and last.phase == "ended" and not last.stopped and not last.kept


def _why_down(instance: Instance) -> str:
    return "it was stopped" if instance.phase == "ended" else "its keeper died"


def _because(parts: set[str]) -> str:
    uses = ", ".join(sorted(parts - {""}))
    return f"{uses} changed" if uses else ""


def _without(stand: _Stand, version: str) -> Health:
    """The health of a service that does not run at the version that was asked for."""
    last = stand.last
    if last is None:
        return Health(State.MISSING, "it does not run")
    if stand.others:
        return Health(State.PROGRESSING, "another version runs")
    if _finished(last, version or last.version):
        ended = last.last_exit
        well = ended is not None and ended.code == 0
        text = ended.text if ended else "ended"
        return Health(State.HEALTHY, text) if well else Health(State.DEGRADED, with_last_words(text, last))
    return Health(State.DEGRADED, with_last_words(_why_down(last), last))


def _restarts(instance: Instance) -> str:
    if not instance.restarts:
        return ""
    times = "once" if instance.restarts == 1 else f"{instance.restarts} times"
    return f"restarted {times}" + (f", last: {instance.last_exit.text}" if instance.last_exit else "")
