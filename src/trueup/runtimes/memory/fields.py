"""Which fields of an object are left alone, and what that makes of what is desired."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from trueup.model.application import Ignore
from trueup.model.contracts import Touch
from trueup.model.manifest import Key
from trueup.toolkit.difference import parse_path

Ignored = Callable[[str], bool]
"""Whether the field with this path is left alone."""

_BELOW = r"(?:[.\[].*)?"
# Paths are written as `toolkit.difference` writes them.
_WORD = re.compile(r"[\w$-]+")
_NAME = re.compile(r"[\w./:@-]+")


def ignored_fields(key: Key, rules: Sequence[Ignore], touches: Iterable[Touch] = ()) -> Ignored | None:
    """The fields of this object that the rules leave alone; None when there are none, which is the usual case.

    A rule that names a manager is about what that manager changed (``touches``) and nothing else.
    """
    patterns = [pattern for rule in rules if _glob(rule.key).fullmatch(str(key)) for pattern in _patterns(rule, touches)]
    if not patterns:
        return None
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


def lasting(key: Key, rules: Sequence[Ignore], touches: Iterable[Touch]) -> tuple[Touch, ...]:
    """The touches that must be remembered when we write: those of the managers whose fields are left alone."""
    managers = [_glob(rule.manager) for rule in rules if rule.manager and _glob(rule.key).fullmatch(str(key))]
    return tuple(touch for touch in touches if any(manager.fullmatch(touch.manager) for manager in managers))


def pruned(value: Any, ignored: Ignored, path: str = "") -> Any:
    """An object without the fields that are left alone."""
    if isinstance(value, dict):
        return {name: pruned(each, ignored, place) for name, each in value.items() if not ignored(place := _step(path, name))}
    if isinstance(value, list):
        return [pruned(each, ignored, place) for place, each in _items(value, path) if not ignored(place)]
    return value


def kept(desired: Any, live: Any, ignored: Ignored, path: str = "") -> Any:
    """What is desired, with the fields that are left alone as they are at the target: there or not."""
    if isinstance(desired, dict) and isinstance(live, dict):
        names = [*desired, *(name for name in live if name not in desired)]
        return dict(_kept(desired, live, ignored, ((name, _step(path, name)) for name in names)))
    if isinstance(desired, list) and isinstance(live, list):
        there, wanted = dict(_items(live, path)), dict(_items(desired, path))
        places = [*wanted, *(place for place in there if place not in wanted)]
        return [each for _, each in _kept(wanted, there, ignored, zip(places, places, strict=True))]
    return desired


def _kept(desired: dict[str, Any], live: dict[str, Any], ignored: Ignored, names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    for name, place in names:
        if ignored(place):
            if name in live:
                yield name, live[name]
        elif name in desired:
            yield name, kept(desired[name], live.get(name), ignored, place)


def _patterns(rule: Ignore, touches: Iterable[Touch]) -> Iterator[re.Pattern[str]]:
    pointer = rule.field.startswith("/")
    field = _glob(functools.reduce(_step, parse_path(rule.field), "") if pointer else rule.field or "*", _BELOW)
    if not rule.manager:
        yield field
        return
    manager = _glob(rule.manager)
    for touch in touches:
        if manager.fullmatch(touch.manager):
            yield from (re.compile(re.escape(change.path) + _BELOW) for change in touch.changes if field.fullmatch(change.path))


# Brackets are part of a field's path (`[name=web]`), so they mean themselves here, as they do not in fnmatch.
def _glob(text: str, below: str = "") -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", ".") + below, re.DOTALL)


def _step(path: str, name: object) -> str:
    if not _WORD.fullmatch(str(name)):
        return f"{path}[{json.dumps(str(name), ensure_ascii=False)}]"
    return f"{path}.{name}" if path else str(name)


def _items(values: list[Any], path: str) -> Iterator[tuple[str, Any]]:
    names = [each.get("name") if isinstance(each, dict) else None for each in values]
    by_name = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    for place, each in enumerate(values):
        yield (f"{path}[name={_quoted(str(names[place]))}]" if by_name else f"{path}[{place}]"), each


def _quoted(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
