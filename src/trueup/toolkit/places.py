"""The text of one YAML document becomes a tree that knows the line and column of every value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from yaml._yaml import CParser
from yaml.events import AliasEvent, Event, MappingEndEvent, MappingStartEvent, NodeEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from trueup.toolkit.composer import is_merge, mark_of
from trueup.toolkit.scalars import key_of, scalar_of

Below: TypeAlias = "dict[str | int, Spot]"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value is, counted from 1: at its key in a mapping, at its start in a list. ``below`` are its own values, by key or index.

    What an alias or ``<<`` brings in is where it was written.
    """

    line: int
    column: int
    below: Below

    def to(self, path: tuple[str | int, ...]) -> "Spot":
        """The spot of a value below this one; when it is not there, that of the longest part of its path that is."""
        if not path or path[0] not in self.below:
            return self
        return self.below[path[0]].to(path[1:])

    def at(self, line: int) -> "Spot | None":
        """The first mapping or list that begins at this line: this one, or one below it."""
        if self.line == line and self.below:
            return self
        return next((found for each in self.below.values() if (found := each.at(line))), None)


def spots_in(text: str, first: int) -> Spot:
    """The root of a document; ``first`` is the number of the text's first line. The text was read before, and had no fault."""
    walk = _Walk(text, first)
    while not isinstance(event := walk.take(), NodeEvent):
        pass
    return walk.spot(event, event)


class _Walk:
    def __init__(self, text: str, first: int) -> None:
        self.take: Callable[[], Any] = CParser(text.encode()).get_event
        self.first = first
        self.anchors: dict[str | None, Below] = {}
        self.keys: dict[str | None, str] = {}

    def spot(self, mark: Event, event: NodeEvent) -> Spot:
        """The spot at one event, with what is below another: a mapping's key and its value."""
        return Spot(self.first + mark_of(mark).line, mark_of(mark).column + 1, self._below(event))

    def _below(self, event: NodeEvent) -> Below:
        if isinstance(event, AliasEvent):
            return self.anchors[event.anchor]
        below: Below = {}
        if isinstance(event, MappingStartEvent):
            below = self._mapping()
        elif isinstance(event, SequenceStartEvent):
            below = self._sequence()
        if event.anchor:
            self.anchors[event.anchor] = below
            self.keys[event.anchor] = _text(event)
        return below

    def _sequence(self) -> Below:
        below: Below = {}
        while not isinstance(event := self.take(), SequenceEndEvent):
            below[len(below)] = self.spot(event, event)
        return below

    def _mapping(self) -> Below:
        below: Below = {}
        merged: Below = {}
        while not isinstance(event := self.take(), MappingEndEvent):
            if is_merge(event):
                merged = self._merged()
                continue
            key = self._key(event)
            below[key] = self.spot(event, self.take())
        return merged | below

    def _merged(self) -> Below:
        event = self.take()
        below = self._below(event)
        if not isinstance(event, SequenceStartEvent):
            return below
        merged: Below = {}
        for mapping in reversed(below.values()):
            merged |= mapping.below
        return merged

    def _key(self, event: NodeEvent) -> str:
        if isinstance(event, AliasEvent):
            return self.keys[event.anchor]
        self._below(event)
        return _text(event)


def _text(event: NodeEvent) -> str:
    """What a scalar is as a key."""
    return (key_of(scalar_of(event.value, event.implicit[0], event.tag)) if isinstance(event, ScalarEvent) else None) or ""
