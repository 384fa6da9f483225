"""Steps that lead to a field of an object -> the path that people read, as ``toolkit.difference`` writes it."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

Steps: TypeAlias = tuple[str | int, ...]
"""Keys and indexes that lead to a field of one very object."""

_WORD = re.compile(r"[\w$-]+")
_NAME = re.compile(r"[\w./:@-]+")


@functools.lru_cache(8192)
def below(path: str, key: str) -> str:
    """The path of a key below another. Remembered: the objects of a kind have the same fields, and all of them are looked at."""
    if not _WORD.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def items(path: str, values: list[Any]) -> Iterator[tuple[str, Any]]:
    """The items of a list with their paths: by name where each has one of its own, else by index."""
    names = [each.get("name") if isinstance(each, dict) else None for each in values]
    by_name = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    for place, each in enumerate(values):
        yield (f"{path}[name={_quoted(str(names[place]))}]" if by_name else f"{path}[{place}]"), each


def path_of(value: Any, steps: Steps) -> str:
    """The path of a field in this object."""
    path = ""
    for step in steps:
        if isinstance(value, list) and isinstance(step, int):
            path = next(place for number, (place, _) in enumerate(items(path, value)) if number == step)
        else:
            path = below(path, str(step))
        value = value[step]
    return path


def pointer(steps: Steps) -> str:
    """The same as a JSON pointer."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def at(value: Any, steps: Steps) -> Any:
    """The field itself. Raises KeyError or IndexError when it is not there."""
    return functools.reduce(lambda field, step: field[step], steps, value)


def _quoted(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
