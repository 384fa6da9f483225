"""Mappings and lists that know where each of their entries was written, through every merge and rewriting; and the faults found in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.model.errors import DeclarationError, Fault


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the repository, and a line and column in it, counted from 1; 0 when it is not known."""

    file: str
    line: int = 0
    column: int = 0


class Table(dict[str, Any]):
    """A mapping. ``place`` is where it begins; every entry has a place of its own."""

    __slots__ = ("place", "places")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: dict[str, Place] = {}

    def put(self, key: str, value: object, place: Place | None = None) -> None:
        """Set an entry that was written at a place; without one, where the entry before it or else the mapping was."""
        self[key] = value
        if place is not None:
            self.places[key] = place

    def place_of(self, key: str) -> Place:
        """Where an entry was written."""
        return self.places.get(key, self.place)


class Row(list[Any]):
    """A list. ``place`` is where it begins; every item has a place of its own."""

    __slots__ = ("place", "places")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: list[Place] = []

    def add(self, value: object, place: Place) -> None:
        """Add an item that was written at a place."""
        self.append(value)
        self.places.append(place)

    def placed(self) -> Iterator[tuple[Any, Place]]:
        """Every item with its place."""
        return zip(self, self.places, strict=True)


class Within(str):
    """A path from the repository's root. One that begins with ``..`` leaves the repository."""

    __slots__ = ()


class Faults:
    """What is wrong, collected so that everything can be told together."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, place: Place, message: str, hint: str) -> None:
        """Something is wrong at a place."""
        self.found.append(Fault(place.file, place.line, place.column, message, hint))

    def extend(self, error: DeclarationError) -> None:
        """Everything that another reader found."""
        self.found.extend(error.faults)


def clone(value: Any) -> Any:
    """A copy that shares nothing which could change."""
    if isinstance(value, Table):
        table = Table(value.place)
        for key, each in value.items():
            table[key] = clone(each)
        table.places = dict(value.places)
        return table
    if isinstance(value, Row):
        row = Row(value.place)
        row.extend(clone(each) for each in value)
        row.places = list(value.places)
        return row
    return value


def plain(value: Any) -> Any:
    """The same as ordinary data."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Within) else value


def place_at(value: Any, steps: Sequence[Any]) -> Place:
    """Where the entry was written that these steps lead to, or the longest part of them that is there."""
    place: Place = value.place
    for step in steps:
        if isinstance(value, Table) and step in value:
            place, value = value.place_of(step), value[step]
        elif isinstance(value, Row) and isinstance(step, int) and step < len(value):
            place, value = value.places[step], value[step]
        else:
            break
    return place


def is_true(value: object) -> bool:
    """What may be a boolean, or a mapping in an old form (``external: {name: ...}``)."""
    return value is True or isinstance(value, dict)
