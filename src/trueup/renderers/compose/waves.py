"""Dependencies between services -> the wave in which each is applied: health is waited for between waves."""

import itertools
from collections.abc import Mapping
from typing import Any, Final

from trueup.toolkit.waves import batches

_WAITING: Final = ("service_healthy", "service_completed_successfully")


def waves_of(services: Mapping[str, Any]) -> dict[str, int]:
    """Each service's wave: one more than what it waits for, and not before what it only follows. None when they wait for each other."""
    waves: dict[str, int] = {}
    try:
        ordered = batches({name: service.get("depends_on") or () for name, service in services.items()})
    except ValueError:
        return waves
    for name in itertools.chain(*ordered):
        dependencies: Mapping[str, Any] = services[name].get("depends_on") or {}
        after = [waves[other] + (told.get("condition") in _WAITING) for other, told in dependencies.items() if other in waves]
        waves[name] = max(after, default=0)
    return waves
