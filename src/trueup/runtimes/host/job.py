"""Jobs: a command that runs once per content, and never again silently when nobody knows how it ended."""

import asyncio
from dataclasses import dataclass

from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Key, digest_of
from trueup.model.plan import Change
from trueup.runtimes.host.keepers import Instance, Keepers
from trueup.runtimes.host.manifests import Job, JobSpec
from trueup.runtimes.host.member import Look, Wanted
from trueup.runtimes.host.record import Entry
from trueup.runtimes.host.running import Ways, differences, shown_spec, version_of, with_last_words
from trueup.runtimes.host.thread import in_thread

_UNKNOWN = "outcome unknown"


@dataclass(frozen=True, slots=True)
class Jobs:
    """The member for ``kind: Job``."""

    ways: Ways

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        version = version_of(wanted, self.ways.environment(wanted))
        last = _last(self._keepers(wanted.application, wanted.key))
        # What the folder of the job tells, unless somebody removed it: then the record knows that it once ran.
        lost = last is None and entry is not None and entry.written == version
        ran = lost or (last is not None and last.version == version and not _never_ran(last))
        seen = digest_of("lost") if lost else _seen(last)
        why = ""
        if ran and _spec(wanted).retry_unknown and (last is None or _unknown(last)):
            why = f"{_UNKNOWN}: it runs again, as `retryUnknown` says"
        changes = differences(last.spec, shown_spec(wanted)) if last else differences(None, shown_spec(wanted))
        if why or (last and last.version == version):
            changes = [Change("status.phase", "unknown" if why else "prepared", "running")]
        same = ran and not why
        return Look(seen, same, () if same else tuple(changes), reason=why, version=version, written=version if ran else "")

    def glance(self, owner: str, entry: Entry) -> Look:
        last = _last(self._keepers(owner, entry.key))
        return Look(_seen(last), False, (Change("status.phase", last.phase if last else "unknown", None),))

    async def put(self, wanted: Wanted, entry: Entry) -> None:
        spec = _spec(wanted)
        environment = await in_thread(self.ways.environment, wanted)
        keepers = self._keepers(wanted.application, wanted.key)
        order = await in_thread(self.ways.order, wanted, environment)
        for use in wanted.uses:
            if isinstance(use.document, Job):
                await self.finished(use)
        await keepers.settle()
        if not await in_thread(_open, keepers, order["version"], spec.retry_unknown):
            return
        await keepers.clear()
        if not await in_thread(_open, keepers, order["version"], spec.retry_unknown):
            # A keeper of a walk that was broken off began it at the last moment: what became of it is for a person to see.
            return
        await in_thread(keepers.tidy, 2)
        readiness = {"kind": "none", "interval": 1.0, "timeout": 1.0}
        await keepers.start(order | {"readiness": readiness, "restart": "never", "port": False, "limit": spec.timeout})

    async def remove(self, owner: str, entry: Entry) -> None:
        keepers = self._keepers(owner, entry.key)
        await keepers.clear()
        await in_thread(keepers.forget)

    async def finished(self, wanted: Wanted) -> None:
        """Wait until a job that something else uses has ended. Raises Refused when it did not end well."""
        keepers = self._keepers(wanted.application, wanted.key)
        version = version_of(wanted, await in_thread(self.ways.environment, wanted))
        while True:
            last = await in_thread(_last, keepers)
            if last is None or last.version != version or not last.kept:
                break
            await asyncio.sleep(0.1)
        health = _judged(last, version)
        if health.state is not State.HEALTHY:
            hint = "it waits for this job; what ran before was left alone"
            raise Refused(f"{wanted.key} did not end well: {health.message}", key=str(wanted.key), hint=hint)

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        return _judged(_last(self._keepers(owner, entry.key)), version or entry.version)

    def _keepers(self, application: str, key: Key) -> Keepers:
        return self.ways.keepers(application, "Job", key.name)


def _spec(wanted: Wanted) -> JobSpec:
    assert isinstance(wanted.document, Job)
    return wanted.document.spec


def _last(keepers: Keepers) -> Instance | None:
    instances = keepers.instances()
    return instances[-1] if instances else None


def _open(keepers: Keepers, version: str, retry_unknown: bool) -> bool:
    """Whether it has still to run at this version."""
    last = _last(keepers)
    return last is None or last.version != version or _never_ran(last) or (retry_unknown and _unknown(last))


def _never_ran(last: Instance) -> bool:
    """Whether its keeper ended before it could start the command."""
    return last.phase == "prepared" and not last.kept


def _unknown(last: Instance) -> bool:
    """Whether it was started, and nobody is left who could tell how it ended."""
    return last.result is None and not _never_ran(last) and not last.kept and not last.orphaned


def _seen(last: Instance | None) -> str:
    return digest_of([last.token, last.version, _unknown(last)]) if last else ""


def _judged(last: Instance | None, version: str) -> Health:
    if last is None or (last.version == version and _unknown(last)):
        hint = "it is not run again by itself; change it, or set `retryUnknown: true`"
        return Health(State.DEGRADED, f"{_UNKNOWN}: nobody saw how it ended; {hint}")
    if last.version != version or _never_ran(last):
        return Health(State.PROGRESSING, "it has not run at this version")
    if last.result is None:
        return Health(State.PROGRESSING, "running" if last.kept else "running without its keeper")
    if last.result.code == 0:
        return Health(State.HEALTHY)
    return Health(State.DEGRADED, with_last_words(last.result.text, last))
