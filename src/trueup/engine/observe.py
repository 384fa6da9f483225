"""Objects and the versions that were written -> how well they do. Looks, and never waits."""

from collections.abc import Iterable, Mapping

import msgspec

from trueup.model.contracts import Desired, Owner, Runtime
from trueup.model.health import Health, HealthReport, State, report
from trueup.model.manifest import Key
from trueup.model.memory import Drifted


async def observe(runtime: Runtime, desired: Desired, versions: Mapping[str, str], only: Iterable[Key] | None = None) -> HealthReport:
    """The health of the application's objects, or of ``only`` those. Raises Unreachable."""
    keys = [manifest.key for manifest in desired.manifests] if only is None else list(only)
    if not keys:
        return report(())
    seen = await runtime.health(desired, {key: versions.get(str(key), "") for key in keys})
    missing = Health(State.MISSING, "it is not there")
    return report((key, seen.get(key, missing)) for key in keys)


async def by_whom(runtime: Runtime, owner: Owner, drift: Iterable[Drifted]) -> tuple[Drifted, ...]:
    """The same drift with who did it and when, where the target can tell. Raises Unreachable."""
    told = []
    for each in drift:
        live = await runtime.live(owner, each.key)
        touch = live.changed_by[-1] if live and live.changed_by else None
        told.append(msgspec.structs.replace(each, by=touch.manager, since=touch.at or each.since) if touch else each)
    return tuple(told)
