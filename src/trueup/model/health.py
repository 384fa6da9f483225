"""How well an object does, from best to worst."""

from collections.abc import Container, Iterable
from enum import StrEnum

import msgspec

from trueup.model.manifest import Key


class State(StrEnum):
    """Best to worst, in the order in which they are written here."""

    HEALTHY = "healthy"
    SUSPENDED = "suspended"
    PROGRESSING = "progressing"
    UNKNOWN = "unknown"
    MISSING = "missing"
    DEGRADED = "degraded"


_ORDER = {state: place for place, state in enumerate(State)}


class Health(msgspec.Struct, frozen=True):
    """One object's health; ``message`` says why in one line, and is empty when there is nothing to say."""

    state: State
    message: str = ""


class ObjectHealth(msgspec.Struct, frozen=True):
    """The health of one object, by its key."""

    key: Key
    state: State
    message: str = ""


class HealthReport(msgspec.Struct, frozen=True):
    """An application's health: that of its worst object, and the objects that are not healthy."""

    state: State = State.UNKNOWN
    objects: tuple[ObjectHealth, ...] = ()

    def of(self, keys: Container[Key]) -> "HealthReport":
        """That of these objects alone."""
        objects = tuple(each for each in self.objects if each.key in keys)
        return HealthReport(worst(each.state for each in objects), objects)

    @property
    def message(self) -> str:
        """What the worst object says of itself."""
        worst = [each for each in self.objects if each.state is self.state]
        return f"{worst[0].key}: {worst[0].message or worst[0].state}" if worst else ""


def worst(states: Iterable[State]) -> State:
    """The worst of them; healthy when there are none."""
    return max(states, key=_ORDER.__getitem__, default=State.HEALTHY)


def report(healths: Iterable[tuple[Key, Health]]) -> HealthReport:
    """Put objects together: the worst state, and every object that is not healthy, worst first."""
    pairs = list(healths)
    told = [ObjectHealth(key, health.state, health.message) for key, health in pairs if health.state is not State.HEALTHY]
    told.sort(key=lambda each: (-_ORDER[each.state], each.key))
    return HealthReport(worst(health.state for _, health in pairs), tuple(told))
