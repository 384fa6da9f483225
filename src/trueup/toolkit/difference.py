"""What differs between two values, field by field, and the paths that name a field.

A path is written ``spec.containers[name=web].image``, ``metadata.annotations["a.b/c"]`` or ``args[0]``: keys that are no plain words stand
in brackets and quotes, items of a list are named by their ``name`` or by their index. A JSON pointer (``/spec/replicas``) is read too.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from trueup.model.errors import UsageError

_WORD: Final = re.compile(r"[\w$-]+")
_NAME: Final = re.compile(r"[\w./:@-]+")
_STEP: Final = re.compile(
    r"""
    (?P<dot>\.?)(?P<word>[^.\[\]"\s]+)
    | \[(?P<index>[0-9]+)\]
    | \[(?P<quoted>"(?:[^"\\]|\\.)*")\]
    | \[(?P<key>[^\[\]="\s]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\[\]"]*)\]
    """,
    re.VERBOSE,
)
_HINT: Final = 'write it like spec.containers[name=web].image or metadata.annotations["a.b/c"], or as a JSON pointer: /spec/replicas'


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; None stands for what is not there. When only the order of named items differs, their names in their order."""

    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Named:
    """The item of a list whose ``key`` is ``value``."""

    key: str
    value: str


Step: TypeAlias = str | int | Named


def changes(before: object, after: object) -> list[Change]:
    """The fields in which two values differ, in the order of ``before``, new ones last.

    Mappings are compared by key, lists whose items are mappings with a ``name`` of their own by that name, other lists by index. Anything
    else is compared by ``==``, so that a secret is told apart by its identity. A field that is null is the same as one that is not there.
    """
    return list(_changes("", before, after))


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a field path or JSON pointer; none for the empty text. Raises UsageError."""
    if text.startswith("/"):
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if not found or (found["word"] and position and not found["dot"]):
            raise UsageError(f"the field path {text} is not understood after {position} characters", hint=_HINT)
        steps.append(_step(found, text))
        position = found.end()
    return tuple(steps)


def steps(value: object, path: str) -> tuple[str | int, ...]:
    """The keys and indexes that lead to a field; where the value ends before the path does, those that are there. Raises UsageError."""
    taken, _, _ = _walk(value, parse_path(path))
    return taken


def resolve(value: object, path: str) -> tuple[bool, object]:
    """Whether a field is there, and what it is (None when it is not). Raises UsageError."""
    _, found, field = _walk(value, parse_path(path))
    return found, field


def _walk(value: object, path: tuple[Step, ...]) -> tuple[tuple[str | int, ...], bool, object]:
    taken: list[str | int] = []
    for step in path:
        place = _place(value, step)
        if place is None:
            return tuple(taken), False, None
        taken.append(place)
        value = value[place]  # type: ignore[index]  # _place looked
    return tuple(taken), True, value


def _place(value: object, step: Step) -> str | int | None:
    """The key or index that a step means in a value; None when it is not there."""
    if isinstance(value, dict):
        return step if isinstance(step, str) and step in value else None
    if not isinstance(value, list):
        return None
    if isinstance(step, Named):
        return next((index for index, item in enumerate(value) if isinstance(item, dict) and _named_as(item, step)), None)
    index = int(step) if isinstance(step, str) and step.isdecimal() else step
    return index if isinstance(index, int) and index < len(value) else None


def _named_as(item: dict[str, object], step: Named) -> bool:
    name = item.get(step.key)
    return isinstance(name, str | int) and str(name) == step.value


def _step(found: re.Match[str], text: str) -> Step:
    if found["word"]:
        return found["word"]
    if found["index"]:
        return int(found["index"])
    if found["quoted"]:
        return _unquoted(found["quoted"], text)
    value = found["value"]
    return Named(found["key"], _unquoted(value, text) if value.startswith('"') else value)


def _unquoted(quoted: str, text: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError as error:
        raise UsageError(f"the field path {text} has quotes that are not understood", hint="quote a key as JSON does") from error


def _changes(path: str, before: object, after: object) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before | after:
            yield from _changes(_below(path, str(key)), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_changes(path, before, after)
    elif not _same(before, after):
        yield Change(path, before, after)


def _list_changes(path: str, before: list[object], after: list[object]) -> Iterator[Change]:
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        for index in range(max(len(before), len(after))):
            pair = (each[index] if index < len(each) else None for each in (before, after))
            yield from _changes(f"{path}[{index}]", *pair)
        return
    for name in old | new:
        yield from _changes(f"{path}[name={_value(name)}]", old.get(name), new.get(name))
    common = [[name for name in names if name in old and name in new] for names in (old, new)]
    if common[0] != common[1]:
        yield Change(path, list(old), list(new))


def _by_name(items: list[object]) -> dict[str, object] | None:
    """The items by their names; None when one is no mapping, has no name, or shares it."""
    named: dict[str, object] = {item["name"]: item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
    return named if len(named) == len(items) else None


def _same(before: object, after: object) -> bool:
    """Equal, where true is not 1."""
    return before == after and isinstance(before, bool) is isinstance(after, bool)


def _below(path: str, key: str) -> str:
    if not _WORD.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _value(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
