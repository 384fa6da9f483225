"""Objects and the versions that were written -> how well they do. Looks, and never waits."""

from collections.abc import Iterable, Mapping

from trueup.model.contracts import Desired, Runtime
from trueup.model.health import Health, HealthReport, State, report
from trueup.model.manifest import Key


async def observe(runtime: Runtime, desired: Desired, versions: Mapping[str, str], only: Iterable[Key] | None = None) -> HealthReport:
    """The health of the application's objects, or of ``only`` those. Raises Unreachable."""
    keys = [manifest.key for manifest in desired.manifests] if only is None else list(only)
    if not keys:
        return report(())
    seen = await runtime.health(desired, {key: versions.get(str(key), "") for key in keys})
    missing = Health(State.MISSING, "it is not there")
    return report((key, seen.get(key, missing)) for key in keys)
