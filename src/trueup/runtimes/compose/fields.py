"""The fields of a spec: compared one by one, in Compose's own terms, and left alone where a rule says so."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from trueup.model.application import Ignore
from trueup.model.manifest import Body, Key
from trueup.model.plan import Change
from trueup.toolkit.difference import changes, parse_path

Ignored = Callable[[str], bool]
"""Whether the field with this path is left alone."""

# Lists of Compose whose items are told apart by a field of their own.
_KEYED: Final = {"volumes": "target", "configs": "target", "secrets": "target"}
_BELOW: Final = r"(?:[.\[].*)?"
_WORD: Final = re.compile(r"[\w$-]+")
_PLAIN: Final = re.compile(r"[\w./:@-]+")


def keyed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec in which such lists are mappings, by the paths of their items."""
    return {name: _keyed(name, value) if name in _KEYED and isinstance(value, list) else value for name, value in spec.items()}


def unkeyed(fields: Mapping[str, Any]) -> Body:
    """The spec again."""
    return {name: list(value.values()) if name in _KEYED and isinstance(value, dict) else value for name, value in fields.items()}


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """The fields in which two specs differ."""
    old, new = keyed(before), keyed(after)
    return tuple(change for name in dict.fromkeys([*old, *new]) for change in _changes(name, old.get(name), new.get(name)))


def ignored_fields(key: Key, rules: Sequence[Ignore]) -> Ignored | None:
    """The fields of this object that rules leave alone; None when there are none. An engine does not know managers: rules that name one
    fit nothing."""
    patterns = [_pattern(rule.field) for rule in rules if not rule.manager and _glob(rule.key).fullmatch(str(key))]
    if not patterns:
        return None
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


def kept(desired: Mapping[str, Any], live: Mapping[str, Any], ignored: Ignored) -> Body:
    """What is desired, with the fields that are left alone as they are: there or not."""
    return unkeyed(dict(_kept(keyed(desired), keyed(live), ignored, "spec")))


def _kept(desired: Mapping[str, Any], live: Mapping[str, Any], ignored: Ignored, path: str) -> Iterator[tuple[str, Any]]:
    for name in dict.fromkeys([*desired, *live]):
        place = _step(path, name)
        if ignored(place):
            if name in live:
                yield name, live[name]
        elif name in desired:
            mine, theirs = desired[name], live.get(name)
            yield name, dict(_kept(mine, theirs, ignored, place)) if isinstance(mine, dict) and isinstance(theirs, dict) else mine


def _keyed(field: str, items: Iterable[Any]) -> dict[str, Any]:
    key = _KEYED[field]
    return {f"[{key}={_quoted(str(item.get(key)))}]": item for item in items}


def _changes(name: str, before: Any, after: Any) -> Iterator[Change]:
    path = _step("spec", name)
    if name in _KEYED:
        old, new = before or {}, after or {}
        for item in dict.fromkeys([*old, *new]):
            yield from _below(path + item, old.get(item), new.get(item))
    else:
        yield from _below(path, before, after)


def _below(path: str, before: Any, after: Any) -> Iterator[Change]:
    for change in changes(before, after):
        steps = change.path if not change.path or change.path.startswith("[") else f".{change.path}"
        yield Change(path + steps, change.before, change.after)


def _pattern(field: str) -> re.Pattern[str]:
    pointer = field.startswith("/")
    return _glob(functools.reduce(_step, map(str, parse_path(field)), "") if pointer else field or "*", _BELOW)


# Brackets are part of a field's path (`[target=/etc]`), so they mean themselves here, as they do not in fnmatch.
def _glob(text: str, below: str = "") -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", ".") + below, re.DOTALL)


def _step(path: str, name: str) -> str:
    if name.startswith("[") or not path:
        return path + name
    return f"{path}.{name}" if _WORD.fullmatch(name) else f"{path}[{_quoted(name, always=True)}]"


def _quoted(name: str, always: bool = False) -> str:
    return name if _PLAIN.fullmatch(name) and not always else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
