"""Which fields of an object are left alone, and what that makes of what is applied.

Left alone is what the application's rules say, and a number of replicas that came through the ``scale`` subresource since Git said it.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from trueup.model.application import Ignore
from trueup.model.manifest import Key
from trueup.runtimes.kubernetes.fields import paths
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.paths import below, items
from trueup.toolkit.difference import parse_path

Ignored = Callable[[str], bool]
"""Whether the field with this path is left alone."""

_BELOW = r"(?:[.\[].*)?"


def ignored_fields(key: Key, rules: Sequence[Ignore], live: LiveObject | None) -> Ignored | None:
    """The fields of this object that the rules leave alone; None when there are none, which is the usual case.

    A rule that names a manager is about the fields that this manager owns at the live object, and nothing else.
    """
    patterns = [pattern for rule in rules if _glob(rule.key).fullmatch(str(key)) for pattern in _patterns(_stored(rule, key), live)]
    if not patterns:
        return None
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


def scaled_fields(live: LiveObject) -> set[str]:
    """What was set through the ``scale`` subresource."""
    return {path for each in live.managers if each.subresource == "scale" for path in paths(each.fields_v1, live.body)}


def either(ignored: Ignored | None, fields: set[str]) -> Ignored | None:
    """The rules, and these very fields."""
    if not fields:
        return ignored
    return lambda path: path in fields or (ignored is not None and ignored(path))


def pruned(value: Any, ignored: Ignored, path: str = "") -> Any:
    """An object without the fields that are left alone."""
    if isinstance(value, dict):
        return {name: pruned(each, ignored, place) for name, each in value.items() if not ignored(place := below(path, str(name)))}
    if isinstance(value, list):
        return [pruned(each, ignored, place) for place, each in items(path, value) if not ignored(place)]
    return value


def kept(desired: Any, live: LiveObject, ignored: Ignored) -> Any:
    """What is desired, where fields that are left alone are as we once set them, and not said at all once somebody else did.

    Server-side apply takes away what one owned and no longer says; so what is ours still is said as it is.
    """
    return _kept(desired, live.body, _Keeping(ignored, paths(live.ours, live.body)), "")


class _Keeping:
    def __init__(self, ignored: Ignored, ours: set[str]) -> None:
        self.ignored = ignored
        self.ours = ours

    def is_ours(self, path: str) -> bool:
        return any(each == path or each.startswith((f"{path}.", f"{path}[")) for each in self.ours)


def _kept(desired: Any, live: Any, keeping: _Keeping, path: str) -> Any:
    if isinstance(desired, dict):
        there = live if isinstance(live, dict) else {}
        places = ((name, below(path, str(name))) for name in {**desired, **there})
        return dict(_chosen(desired, there, keeping, places))
    if isinstance(desired, list):
        wanted, there = dict(items(path, desired)), dict(items(path, live)) if isinstance(live, list) else {}
        return [each for _, each in _chosen(wanted, there, keeping, ((place, place) for place in {**wanted, **there}))]
    return desired


def _chosen(
    desired: dict[str, Any], live: dict[str, Any], keeping: _Keeping, places: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, Any]]:
    for name, place in places:
        if keeping.ignored(place):
            if name in live and keeping.is_ours(place):
                yield name, live[name]
        elif name in desired:
            yield name, _kept(desired[name], live.get(name), keeping, place)


def _stored(rule: Ignore, key: Key) -> Ignore:
    """``stringData`` of a Secret is kept as ``data``: a rule for one is a rule for the other."""
    if key.kind != "Secret" or key.group:
        return rule
    return rule.model_copy(update={"field": re.sub(r"^(/?)stringData\b", r"\1data", rule.field)})


def _patterns(rule: Ignore, live: LiveObject | None) -> Iterator[re.Pattern[str]]:
    pointer = rule.field.startswith("/")
    field = _glob(functools.reduce(below, map(str, parse_path(rule.field)), "") if pointer else rule.field or "*", _BELOW)
    if not rule.manager:
        yield field
        return
    manager = _glob(rule.manager)
    for each in live.managers if live else ():
        if manager.fullmatch(each.manager) and not each.ours:
            yield from (
                re.compile(re.escape(path) + _BELOW) for path in paths(each.fields_v1, live.body if live else {}) if field.fullmatch(path)
            )


# Brackets are part of a field's path (`[name=web]`), so they mean themselves here, as they do not in fnmatch.
def _glob(text: str, under: str = "") -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", ".") + under, re.DOTALL)
