"""The YAML parser's events become plain data, and every fault of the text a Fault with its place."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from yaml import YAMLError
from yaml._yaml import CParser, Mark
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from trueup.model.errors import DeclarationError, Fault
from trueup.toolkit.scalars import MERGE, TAGS, Scalar, json_number, key_of, meaning, scalar_of
from trueup.toolkit.syntax import (
    DEEPEST,
    INSIDE_ITSELF,
    MOST_ALIASED,
    NO_ANCHOR,
    NO_FIT,
    NO_MAPPING,
    TOO_DEEP,
    TOO_MUCH,
    syntax_fault,
    template_hint,
)

MOST_FAULTS: Final = 50
"""Faults that are collected before reading gives up."""

_WORDS: Final = (
    "apiVersion kind metadata name namespace labels annotations spec data template selector matchLabels containers image ports env "
    "value command args replicas type port protocol resources limits requests cpu memory path source target app"
)
_COMMON: Final = {key: key for key in _WORDS.split()}
"""The keys of nearly every manifest are one string each, however many documents are kept."""

_NOTHING: Final = object()
_OPEN: Final = object()
"""Stands for an anchored value that is not complete yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """One document of a text. ``start`` is the character where its first line begins, ``first`` that line's number; ``line`` is the one
    where its content begins. ``body`` is None when it is empty.
    """

    start: int
    first: int
    line: int
    body: object


def compose(text: str, file: str) -> list[Part]:
    """The documents of a text. Raises DeclarationError with every fault of it; after broken syntax nothing more is found."""
    return _Composer(text, file).parts()


def is_merge(event: Event) -> bool:
    """True for the key ``<<``, which takes in the entries of other mappings."""
    return isinstance(event, ScalarEvent) and event.value == "<<" and (event.implicit[0] or event.tag == MERGE)


def mark_of(event: Event) -> Mark:
    """Where an event begins, counted from 0; the parser in C marks every one."""
    assert isinstance(event.start_mark, Mark)
    return event.start_mark


class _Composer:
    """Walks the events once. It goes on after a fault that leaves the structure clear, so that all of them are told together."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.take: Callable[[], Any] = CParser(text.encode()).get_event
        self.anchors: dict[str | None, object] = {}
        self.aliased = 0
        self.faults: list[Fault] = []

    def parts(self) -> list[Part]:
        """All documents of the text, or every fault of it."""
        found: list[Part] = []
        try:
            while not isinstance(event := self.take(), StreamEndEvent):
                if isinstance(event, DocumentStartEvent):
                    found.append(self._part(event))
        except YAMLError as error:
            self.faults.append(syntax_fault(error, self.text, self.file))
        if self.faults:
            raise DeclarationError(self.faults)
        return found

    def _part(self, event: DocumentStartEvent) -> Part:
        self.anchors.clear()
        mark, root = mark_of(event), self.take()
        return Part(mark.index - mark.column, mark.line + 1, mark_of(root).line + 1, self._node(root, 0))

    def _node(self, event: NodeEvent, depth: int) -> object:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, AliasEvent):
            named = self._alias(event, depth)
            return self._number(event, named) if isinstance(named, float) else named
        if depth >= DEEPEST:
            self._stop(event, *TOO_DEEP)
        if event.anchor:
            self.anchors[event.anchor] = _OPEN
        value: object = self._mapping(event, depth + 1) if isinstance(event, MappingStartEvent) else self._sequence(event, depth + 1)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def _sequence(self, start: NodeEvent, depth: int) -> list[object]:
        self._check_tag(start, "seq")
        items = []
        while not isinstance(event := self.take(), SequenceEndEvent):
            items.append(self._node(event, depth))
        return items

    def _mapping(self, start: NodeEvent, depth: int) -> dict[str, object]:
        self._check_tag(start, "map")
        body: dict[str, object] = {}
        seen: dict[str, Event] = {}
        merged: dict[str, object] = {}
        while not isinstance(event := self.take(), MappingEndEvent):
            merge = is_merge(event)
            key = "<<" if merge else self._key(event, depth)
            if key in seen:
                self._twice(key, event, seen[key])
            if merge:
                merged = self._merged(depth)
            else:
                body[key] = self._node(self.take(), depth)
            seen[key] = event
        return merged | body if merged else body

    def _key(self, event: NodeEvent, depth: int) -> str:
        """The key as a string; what cannot be one is a fault, and gets a number of its own so that reading can go on."""
        if isinstance(event, ScalarEvent):
            value: object = self._resolved(event)
        elif isinstance(event, AliasEvent):
            value = self._alias(event, depth)
        else:
            value = self._node(event, depth)
        key = key_of(value) if isinstance(value, Scalar) else None
        if key is None:
            self._fault(event, "a key is not text, number or boolean", self._template_hint(event) or "write a text as the key, in quotes")
            return f"fault {len(self.faults)}"
        return _COMMON.get(key, key)

    def _merged(self, depth: int) -> dict[str, object]:
        """What ``<<`` brings in: a mapping, or a list of them in which the earlier one wins."""
        event = self.take()
        value = self._node(event, depth)
        mappings = value if isinstance(event, SequenceStartEvent) and isinstance(value, list) else [value]
        merged: dict[str, object] = {}
        for mapping in reversed(mappings):
            if not isinstance(mapping, dict):
                self._fault(event, *NO_MAPPING)
                return {}
            merged |= mapping
        return merged

    def _scalar(self, event: ScalarEvent) -> Scalar:
        value: Scalar = event.value
        if event.tag or event.anchor:
            value = self._resolved(event)
        elif event.implicit[0]:
            value = meaning(event.value)
        return self._number(event, value) if isinstance(value, float) else value

    def _resolved(self, event: ScalarEvent) -> Scalar:
        """What a scalar means by itself, where floats are still floats."""
        try:
            value = scalar_of(event.value, event.implicit[0], event.tag)
        except ValueError:
            self._fault(event, *NO_FIT)
            return event.value
        except LookupError:
            self._unknown_tag(event)
            return event.value
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def _number(self, event: NodeEvent, value: float) -> Scalar:
        if math.isfinite(value):
            return json_number(value)
        self._fault(event, "the number is not finite, which JSON cannot hold", "write it in quotes when it is meant as text")
        return None

    def _alias(self, event: AliasEvent, depth: int) -> object:
        value = self.anchors.get(event.anchor, _NOTHING)
        if value is _NOTHING:
            self._fault(event, *NO_ANCHOR)
            return None
        if value is _OPEN:
            self._fault(event, *INSIDE_ITSELF)
            return None
        return self._copy(value, event, depth)

    def _copy(self, value: object, event: AliasEvent, depth: int) -> object:
        """The anchored value once more: what reads a document may change one place and not the other."""
        self.aliased += 1 + (len(value) // 64 if isinstance(value, str) else 0)
        if self.aliased > MOST_ALIASED:
            self._stop(event, *TOO_MUCH)
        if isinstance(value, dict | list) and depth >= DEEPEST:
            self._stop(event, *TOO_DEEP)
        if isinstance(value, dict):
            self.aliased += sum(map(len, value)) // 64
            return {key: self._copy(item, event, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(item, event, depth + 1) for item in value]
        return value

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag and event.tag not in ("!", f"tag:yaml.org,2002:{kind}"):
            self._unknown_tag(event)

    def _unknown_tag(self, event: Event) -> None:
        self._fault(event, "the tag is not known", f"quote a value that begins with `!`; known tags are {TAGS}")

    def _twice(self, key: str, event: Event, before: Event) -> None:
        place = f"line {mark_of(before).line + 1}, column {mark_of(before).column + 1}"
        hint = "give one list: `<<: [*first, *second]`" if key == "<<" else "remove one of them"
        self._fault(event, f"the key {key} is given twice", f"the first one is at {place}; {hint}")

    def _template_hint(self, event: Event) -> str:
        return template_hint(self.text, mark_of(event).line + 1)

    def _fault(self, event: Event, message: str, hint: str) -> None:
        mark = mark_of(event)
        self.faults.append(Fault(self.file, mark.line + 1, mark.column + 1, message, hint))
        if len(self.faults) >= MOST_FAULTS:
            raise DeclarationError(self.faults)

    def _stop(self, event: Event, message: str, hint: str) -> NoReturn:
        self._fault(event, message, hint)
        raise DeclarationError(self.faults)
