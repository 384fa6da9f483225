"""Dependencies between services -> the wave in which each is applied: health is waited for between waves."""

from collections.abc import Mapping
from typing import Any, Final

_WAITING: Final = ("service_healthy", "service_completed_successfully")


def waves_of(services: Mapping[str, Any]) -> dict[str, int]:
    """Each service's wave: one more than what it waits for, and not before what it only follows. Cycles count nothing."""
    waves: dict[str, int] = {}
    for name in services:
        _wave(name, services, waves, ())
    return waves


def _wave(name: str, services: Mapping[str, Any], waves: dict[str, int], trail: tuple[str, ...]) -> int:
    if name not in waves and name in services and name not in trail:
        dependencies: Mapping[str, Any] = services[name].get("depends_on") or {}
        waves[name] = max(
            (
                _wave(other, services, waves, (*trail, name)) + (told.get("condition") in _WAITING)
                for other, told in dependencies.items()
                if other in services
            ),
            default=0,
        )
    return waves.get(name, 0)
