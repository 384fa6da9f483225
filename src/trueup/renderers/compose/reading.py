"""The text of a Compose file -> its documents, where every entry knows its place, and what the tags ``!reset`` and ``!override`` mark."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from yaml import YAMLError
from yaml._yaml import CParser
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

from trueup.renderers.compose.located import Faults, Place, Row, Table, clone
from trueup.renderers.compose.scalars import is_date, scalar
from trueup.toolkit.composer import is_merge, mark_of
from trueup.toolkit.scalars import TAGS
from trueup.toolkit.syntax import DEEPEST, INSIDE_ITSELF, MOST_ALIASED, NO_ANCHOR, NO_FIT, NO_MAPPING, TOO_DEEP, TOO_MUCH, syntax_fault

Steps = tuple[str, ...]
_OPEN: Final = object()
_MAP: Final = ("!", "tag:yaml.org,2002:map")
_SEQ: Final = ("!", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, slots=True)
class _Marked:
    """A value with the tag ``!reset`` or ``!override``."""

    value: Any
    keep: bool


@dataclass(frozen=True, slots=True)
class Document:
    """One document. ``taken_back`` are the paths at which what was said before does not count any more."""

    body: Table
    taken_back: list[Steps] = field(default_factory=list)


class _Stopped(Exception):
    """Nothing more can be read of this file."""


def documents(content: bytes, file: str, faults: Faults) -> list[Document]:
    """The documents of a file, empty ones left out; what is wrong with it is added to the faults."""
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        place = Place(file, content.count(b"\n", 0, error.start) + 1)
        faults.add(place, "the file is not UTF-8", "save it as UTF-8")
        return []
    before = len(faults.found)
    try:
        bodies = _Walk(text, file, faults).bodies()
    except YAMLError as error:
        faults.found.append(syntax_fault(error, text, file))
        return []
    except _Stopped:
        return []
    if len(faults.found) > before:
        return []
    return [_unmarked(body) for body in bodies]


class _Walk:
    """Goes over the parser's events once."""

    def __init__(self, text: str, file: str, faults: Faults) -> None:
        self.take: Callable[[], Any] = CParser(text.encode()).get_event
        self.file = file
        self.faults = faults
        self.anchors: dict[str | None, Any] = {}
        self.aliased = 0

    def bodies(self) -> list[Table]:
        """The mapping of every document."""
        found: list[Table] = []
        while not isinstance(event := self.take(), StreamEndEvent):
            if not isinstance(event, DocumentStartEvent):
                continue
            self.anchors.clear()
            root = self.take()
            body = self._node(root, 0)
            if isinstance(body, Table):
                found.append(body)
            elif body is not None:
                self._fault(root, "a Compose file must be a mapping", "begin with `services:`")
        return found

    def _place(self, event: Event) -> Place:
        mark = mark_of(event)
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _node(self, event: Any, depth: int) -> Any:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if depth >= DEEPEST:
            self._stop(event, *TOO_DEEP)
        tag = event.tag
        if tag in ("!reset", "!override"):
            event.tag = None
            if isinstance(event, ScalarEvent):
                event.implicit = (event.style is None, event.implicit[1])
        if event.anchor:
            self.anchors[event.anchor] = _OPEN
        value = self._untagged(event, depth)
        if tag in ("!reset", "!override"):
            value = _Marked(value, tag == "!override")
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def _untagged(self, event: Any, depth: int) -> Any:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, MappingStartEvent):
            self._expect_tag(event, _MAP)
            return self._mapping(event, depth + 1)
        self._expect_tag(event, _SEQ)
        row = Row(self._place(event))
        while not isinstance(item := self.take(), SequenceEndEvent):
            row.add(self._node(item, depth + 1), self._place(item))
        return row

    def _mapping(self, start: NodeEvent, depth: int) -> Table:
        table = Table(self._place(start))
        merged: list[Table] = []
        while not isinstance(event := self.take(), MappingEndEvent):
            if is_merge(event):
                merged.extend(self._merged(depth))
                continue
            key = self._key(event, depth)
            if key in table:
                line = table.places[key].line
                self._fault(event, f"the key {key} is given twice", f"the first one is at line {line}; remove one of them")
            table.put(key, self._node(self.take(), depth), self._place(event))
        for each in merged:
            for key, value in each.items():
                if key not in table:
                    table.put(key, value, each.place_of(key))
        return table

    def _merged(self, depth: int) -> list[Table]:
        """What ``<<`` brings in: a mapping, or a list of them in which the earlier one wins."""
        event = self.take()
        value = self._node(event, depth)
        mappings = list(value) if isinstance(value, Row) and isinstance(event, SequenceStartEvent) else [value]
        if not all(isinstance(each, Table) for each in mappings):
            self._fault(event, *NO_MAPPING)
            return []
        return mappings

    def _key(self, event: NodeEvent, depth: int) -> str:
        value = self._node(event, depth)
        if isinstance(value, str):
            return value
        shown = event.value if isinstance(event, ScalarEvent) else "it"
        self._fault(event, "a key must be text", f"put {shown} in quotes")
        return f"fault {len(self.faults.found)}"

    def _scalar(self, event: ScalarEvent) -> Any:
        try:
            value = scalar(event.value, event.implicit[0], event.tag)
        except ValueError:
            self._fault(event, *NO_FIT)
            return None
        except LookupError:
            self._unknown_tag(event)
            return None
        if event.implicit[0] and is_date(event.value):
            self._fault(event, "a date without quotes is not the text that it looks like", "put it in quotes")
        return value

    def _alias(self, event: AliasEvent) -> Any:
        value = self.anchors.get(event.anchor, self)
        if value is self:
            self._fault(event, *NO_ANCHOR)
            return None
        if value is _OPEN:
            self._fault(event, *INSIDE_ITSELF)
            return None
        self.aliased += _size(value)
        if self.aliased > MOST_ALIASED:
            self._stop(event, *TOO_MUCH)
        return clone(value)

    def _expect_tag(self, event: Any, known: tuple[str, str]) -> None:
        if event.tag and event.tag not in known:
            self._unknown_tag(event)

    def _unknown_tag(self, event: Event) -> None:
        self._fault(event, "the tag is not known", f"known are `!reset`, `!override` and {TAGS}; quote a value that begins with `!`")

    def _fault(self, event: Event, message: str, hint: str) -> None:
        self.faults.add(self._place(event), message, hint)

    def _stop(self, event: Event, message: str, hint: str) -> NoReturn:
        self._fault(event, message, hint)
        raise _Stopped


def _size(value: Any) -> int:
    if isinstance(value, _Marked):
        return _size(value.value)
    if isinstance(value, Table):
        return 1 + sum(map(_size, value.values()))
    if isinstance(value, Row):
        return 1 + sum(map(_size, value))
    return 1 + (len(value) // 64 if isinstance(value, str) else 0)


def _unmarked(body: Table) -> Document:
    """The body without its marks, and where they were."""
    document = Document(body)
    _unmark(body, (), document.taken_back)
    return document


def _unmark(value: Any, steps: Steps, taken_back: list[Steps]) -> None:
    """Inside of what is marked no other mark counts."""
    if isinstance(value, Table):
        for key, each in list(value.items()):
            if isinstance(each, _Marked):
                taken_back.append((*steps, key))
                if each.keep:
                    value[key] = each.value
                else:
                    del value[key]
            else:
                _unmark(each, (*steps, key), taken_back)
    elif isinstance(value, Row):
        _unmark_items(value, steps, taken_back)


def _unmark_items(row: Row, steps: Steps, taken_back: list[Steps]) -> None:
    kept = [(each, place) for each, place in row.placed() if not isinstance(each, _Marked) or each.keep]
    row[:] = [each.value if isinstance(each, _Marked) else each for each, _ in kept]
    row.places = [place for _, place in kept]
    for number, each in enumerate(row):
        _unmark(each, (*steps, str(number)), taken_back)
