"""Two builds of the same kustomization with charts -> a fault for each object that comes out different."""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from trueup.model.application import Application
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Key, Manifest, digest_of
from trueup.toolkit import steadiness
from trueup.toolkit.steadiness import LeftAlone

KEPT: Final = 4096
TICK: Final = 1.1
_CLOCK: Final = re.compile(rb"\{\{[^}]*\b(now|date|htmlDate|ago|unixEpoch)\b")


class Steady:
    """Remembers what was built twice. Only charts can come out different, for kustomize itself has no clock and no chance."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def demand(
        self, application: Application, files: Mapping[str, bytes], first: list[Manifest], build: Callable[[], list[Manifest]]
    ) -> None:
        """Build once more what is seen for the first time. Raises DeclarationError with what differs."""
        seen = digest_of([[path, hashlib.sha256(content).hexdigest()] for path, content in sorted(files.items())])
        if seen in self._seen:
            return
        if any(_CLOCK.search(content) for content in files.values()):
            time.sleep(TICK)
        if faults := list(_unsteady(application, first, build())):
            raise DeclarationError(faults)
        self._seen[seen] = None
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)


def _unsteady(application: Application, first: Sequence[Manifest], again: Sequence[Manifest]) -> Iterator[Fault]:
    rules = [LeftAlone(rule.key, rule.field) for rule in application.spec.ignore if not rule.manager]
    origins = {_keys(application, each.key): each.origin for each in first}
    bodies = [{_keys(application, each.key): each.body for each in manifests} for manifests in (first, again)]
    for keys, fields in steadiness.unsteady(bodies[0], bodies[1], rules):
        hint = "set the value in Git instead of a random one or the time, or leave the field alone with `ignore`"
        yield Fault(origins[keys].file, origins[keys].line, 0, f"{keys[0]} comes out different each time: {fields}", hint)


def _keys(application: Application, key: Key) -> tuple[str, ...]:
    return str(key), str(Key(key.kind, key.name, key.group, key.namespace or application.spec.namespace))
