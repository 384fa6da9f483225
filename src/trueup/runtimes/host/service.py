"""Services: a keeper for each, started anew only when what it runs, or what it uses, changed."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trueup.model.health import Health, State
from trueup.model.manifest import Key, digest_of
from trueup.model.plan import Change, Effect
from trueup.runtimes.host.job import Jobs
from trueup.runtimes.host.keeper.process import boot_id
from trueup.runtimes.host.keepers import Instance, Keepers
from trueup.runtimes.host.manifests import Job, Service, ServiceSpec, used
from trueup.runtimes.host.member import Look, Wanted
from trueup.runtimes.host.record import Entry
from trueup.runtimes.host.running import (
    SPEC,
    Ways,
    differences,
    moved,
    parts_of,
    readiness_of,
    shown_spec,
    version_of,
    with_last_words,
)
from trueup.runtimes.host.thread import in_thread


@dataclass(frozen=True, slots=True)
class _Stand:
    """What runs of one service: the start that is wanted, what else runs, what lost its keeper, and the last start of all."""

    current: Instance | None
    others: tuple[Instance, ...]
    orphans: tuple[Instance, ...]
    last: Instance | None

    @property
    def handing_over(self) -> bool:
        """Whether the wanted start will stop the others by itself."""
        return self.current is not None and all(each.token in self.current.predecessors for each in self.others)

    @property
    def newest(self) -> Instance | None:
        """The newest start that runs, or else the last that did."""
        return self.others[-1] if self.others else self.last

    def seen(self, ours: bool) -> str:
        """A digest of it. Empty when nothing is there; what ran once and does not is there only for whom it belongs to."""
        running = [[each.token, each.version, True] for each in (self.current, *self.others) if each]
        lost = [[each.token, each.version, False] for each in self.orphans]
        ended = [[self.last.token, self.last.version, False]] if ours and self.last else []
        return digest_of(sorted(running + lost) or ended) if running or lost or ended else ""


@dataclass(frozen=True, slots=True)
class Services:
    """The member for ``kind: Service``."""

    ways: Ways
    jobs: Jobs

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        parts = parts_of(wanted, self.ways.environment(wanted))
        version = digest_of(parts)
        stand = _stand(self._keepers(wanted.application, wanted.key), version)
        seen = stand.seen(entry is not None)
        if stand.current or _finished(stand.last, version):
            same = not stand.orphans and (not stand.others or stand.handing_over)
            surplus = Change("status.running", 1 + len(stand.others) + len(stand.orphans), 1)
            return Look(seen, same, () if same else (surplus,), reason="" if same else "more of it runs than should", version=version)
        newest = stand.newest if seen else None
        if newest is None:
            return Look(seen, False, tuple(differences(None, shown_spec(wanted))), version=version)
        names = moved(newest.uses, parts)
        if not names:
            changes = (Change("status.phase", "stopped", "running"),)
            return Look(seen, False, changes, Effect.RESTART, _why_down(newest), version=version)
        effect = Effect.SIGNAL if stand.others and _reloads(wanted, names) else Effect.RESTART
        return Look(seen, False, _changes(wanted, newest, names), effect, _because(names), version=version)

    def glance(self, owner: str, entry: Entry) -> Look:
        seen = _stand(self._keepers(owner, entry.key), "").seen(True)
        return Look(seen, False, (Change("status.phase", "running" if seen else "stopped", None),))

    async def put(self, wanted: Wanted, entry: Entry) -> None:
        spec = _spec(wanted)
        environment = await in_thread(self.ways.environment, wanted)
        version = version_of(wanted, environment)
        keepers = self._keepers(wanted.application, wanted.key)
        for use in wanted.uses:
            if isinstance(use.document, Job):
                await self.jobs.finished(use)
        await keepers.settle()
        stand = await in_thread(_stand, keepers, version)
        if stand.current or _finished(stand.last, version):
            await _stop(keepers, (*stand.others, *stand.orphans))
            return
        parts = parts_of(wanted, environment)
        newest = stand.others[-1] if stand.others else None
        if newest and not stand.orphans and _reloads(wanted, moved(newest.uses, parts)):
            await keepers.reload(newest, version, parts, signal.Signals[_signal(wanted, moved(newest.uses, parts))])
            return
        order = await in_thread(self.ways.order, wanted, environment)
        order |= {"readiness": readiness_of(spec.readiness), "restart": spec.restart, "port": spec.port is not None, "limit": 0}
        await _replace(keepers, stand, order, spec.update == "startFirst")

    async def remove(self, owner: str, entry: Entry) -> None:
        keepers = self._keepers(owner, entry.key)
        await keepers.clear()
        await in_thread(keepers.forget)

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        stand = _stand(self._keepers(owner, entry.key), version or entry.version)
        current = stand.current
        if current is None:
            return _without(stand, version or entry.version)
        if current.failing:
            return Health(State.DEGRADED, with_last_words(current.reason, current))
        if not current.ready:
            return Health(State.PROGRESSING, current.reason or "starting")
        if stand.others:
            return Health(State.PROGRESSING, "the version before is being stopped")
        return Health(State.HEALTHY, _restarts(current))

    def _keepers(self, application: str, key: Key) -> Keepers:
        return self.ways.keepers(application, "Service", key.name)


async def _replace(keepers: Keepers, stand: _Stand, order: dict[str, Any], start_first: bool) -> None:
    stay = tuple(each for each in stand.others if each.ready and start_first)
    await _stop(keepers, (each for each in stand.others + stand.orphans if each not in stay))
    if not stay:
        # Nothing of it may run twice, even when the files that tell of it were lost.
        await keepers.clear()
    await in_thread(keepers.tidy, 1)
    await keepers.start(order | {"predecessors": [each.token for each in stay]})


async def _stop(keepers: Keepers, those: Iterable[Instance]) -> None:
    for instance in those:
        await keepers.stop(instance)


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


def _reloads(wanted: Wanted, names: set[str]) -> bool:
    """Whether all that changed are objects whose change is told by a signal."""
    uses = {str(key): use for key, use in used(wanted.document).items()}
    return bool(names) and all(name in uses and uses[name].on_change == "reload" for name in names)


def _signal(wanted: Wanted, names: set[str]) -> str:
    return {str(key): use for key, use in used(wanted.document).items()}[min(names)].signal


def _changes(wanted: Wanted, newest: Instance, names: set[str]) -> tuple[Change, ...]:
    own = differences(newest.spec, shown_spec(wanted)) if SPEC in names else []
    return (*own, *(Change(f"uses[{name}]", "as it was", "as it is now") for name in sorted(names - {SPEC})))


def _finished(last: Instance | None, version: str) -> bool:
    """Whether it ended as its ``restart`` allows, and so is not missed."""
    return last is not None and last.version == version and last.phase == "ended" and not last.stopped and not last.kept


def _why_down(instance: Instance) -> str:
    if instance.boot != boot_id():
        return "the machine was restarted"
    return "it was stopped" if instance.phase == "ended" else "its keeper died"


def _because(names: set[str]) -> str:
    uses = ", ".join(sorted(names - {SPEC}))
    return f"{uses} changed" if uses else ""


def _without(stand: _Stand, version: str) -> Health:
    """The health of a service that does not run at the version that was asked for."""
    last = stand.last
    if last is None:
        return Health(State.MISSING, "it does not run")
    if stand.others:
        return Health(State.PROGRESSING, "another version runs")
    if _finished(last, version):
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
