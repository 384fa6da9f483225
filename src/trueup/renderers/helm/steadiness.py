"""Two renders of the same chart -> a fault for each object that comes out different."""

from collections.abc import Iterator, Sequence

from trueup.model.application import Application
from trueup.model.errors import Fault
from trueup.model.manifest import Key, Manifest
from trueup.toolkit import steadiness
from trueup.toolkit.steadiness import LeftAlone


def unsteady(application: Application, first: Sequence[Manifest], again: Sequence[Manifest]) -> Iterator[Fault]:
    """The faults. A rule that names a manager says nothing here: whose a field is shows at the target only."""
    rules = [LeftAlone(rule.key, rule.field) for rule in application.spec.ignore if not rule.manager]
    origins = {_keys(application, each.key): each.origin for each in first}
    bodies = [{_keys(application, each.key): each.body for each in manifests} for manifests in (first, again)]
    for keys, fields in steadiness.unsteady(bodies[0], bodies[1], rules):
        hint = "set the value in Git instead of a random one or the time, or leave the field alone with `ignore`"
        yield Fault(origins[keys].file, origins[keys].line, 0, f"{keys[0]} comes out different each time: {fields}", hint)


def _keys(application: Application, key: Key) -> tuple[str, ...]:
    return str(key), str(Key(key.kind, key.name, key.group, key.namespace or application.spec.namespace))
