"""Field sets: which fields of an object a manager owns (``FieldsV1`` of server-side apply), and where they are in the object.

A set is kept as the server writes it: a tree of ``f:name``, ``k:{..}``, ``v:..`` and ``i:0``, where ``.`` stands for the node itself.
"""

import functools
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

from trueup.runtimes.kubernetes.paths import Steps, below, items

MANAGER: Final = "trueup"

Fields: TypeAlias = dict[str, Any]


class Managed(msgspec.Struct, frozen=True, rename="camel"):
    """What one manager owns of an object (``managedFields``)."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: str = ""
    fields_type: str = ""
    fields_v1: Fields = msgspec.field(name="fieldsV1", default_factory=dict)
    subresource: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is what we applied."""
        return self.manager == MANAGER and self.operation == "Apply" and not self.subresource


def managers(body: dict[str, Any]) -> list[Managed]:
    """Every manager of an object."""
    return msgspec.convert(body.get("metadata", {}).get("managedFields") or [], list[Managed])


def our_fields(body: dict[str, Any]) -> Fields:
    """What we own of an object; empty when that is nothing."""
    return next((each.fields_v1 for each in managers(body) if each.ours), {})


def leaves(fields: Fields, body: Any) -> Iterator[Steps]:
    """Where the owned fields are in this object; those that it does not have are left out.

    Only what is owned with its value counts, not that a map or a list item is there at all.
    """
    for name, under in fields.items():
        if name == ".":
            continue
        step = _step(name, body)
        if step is None:
            continue
        if not under:
            yield (step,)
        else:
            yield from ((step, *rest) for rest in leaves(under, body[step]))


def paths(fields: Fields, body: Any) -> set[str]:
    """The same as paths for people."""
    return set(values(fields, body))


def values(fields: Fields, body: Any) -> dict[str, Any]:
    """The owned fields of this object by path, with their values."""
    found: dict[str, Any] = {}
    _collect(fields, body, "", found)
    return found


def _collect(fields: Fields, body: Any, path: str, found: dict[str, Any]) -> None:
    """As ``leaves``, ``path_of`` and ``at`` do together, in one go: this is done for each object each time that it is looked at."""
    places = [place for place, _ in items(path, body)] if isinstance(body, list) else []
    for name, under in fields.items():
        step = _step(name, body) if name != "." else None
        if step is None:
            continue
        place = places[step] if isinstance(step, int) else below(path, step)
        if under:
            _collect(under, body[step], place, found)
        else:
            found[place] = body[step]


def minus(fields: Fields, other: Fields) -> Fields:
    """What is in the first set and not in the second."""
    rest: Fields = {}
    for name, under in fields.items():
        if name not in other:
            rest[name] = under
        elif under and (remaining := minus(under, other[name])):
            rest[name] = remaining
    return rest


def plus(fields: Fields, other: Fields) -> Fields:
    """What is in either set."""
    return {name: plus(fields.get(name, {}), other.get(name, {})) for name in {**fields, **other}}


def beyond(fields: Fields, said: Any) -> Fields:
    """The part of a set that an object, as somebody wrote it, does not have."""
    rest: Fields = {}
    for name, under in fields.items():
        step = _step(name, said) if name != "." else None
        if step is not None and under and (more := beyond(under, said[step])):
            rest[name] = more
        elif step is None and name != ".":
            rest[name] = under
    return rest


def both(fields: Fields, other: Fields) -> Fields:
    """What is in both sets."""
    shared: Fields = {}
    for name, under in fields.items():
        if name not in other:
            continue
        remaining = both(under, other[name])
        if remaining or not under or not other[name]:
            shared[name] = remaining
    return shared


def _step(name: str, body: Any) -> str | int | None:
    """The key or index that a step of a field set means in this value; None when it is not there."""
    kind, _, text = name.partition(":")
    if kind == "f":
        return text if isinstance(body, dict) and text in body else None
    if not isinstance(body, list):
        return None
    if kind == "i":
        return int(text) if int(text) < len(body) else None
    wanted = _read(text)
    if kind == "v":
        return next((place for place, each in enumerate(body) if each == wanted), None)
    return next((place for place, each in enumerate(body) if _has(each, wanted)), None)


@functools.lru_cache(1024)
def _read(text: str) -> Any:
    # The lists of most objects have the same keys; nobody changes what is read.
    return msgspec.json.decode(text)


def _has(item: Any, keys: dict[str, Any]) -> bool:
    # A key may have a default (`protocol: TCP`) which the object was not written with.
    if not isinstance(item, dict):
        return False
    return all(item.get(name, value) == value for name, value in keys.items())
