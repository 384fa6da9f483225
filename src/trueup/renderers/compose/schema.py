"""A model -> what of it does not fit the Compose Specification's published JSON Schema, in words, and out of the model.

``compose-spec.json`` is ``schema/compose-spec.json`` of https://github.com/compose-spec/compose-go (2.9.1), published by the Compose
Specification's authors under the Apache License 2.0, unchanged.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from trueup.renderers.compose.durations import nanoseconds
from trueup.renderers.compose.located import Faults, Row, Table, place_at, plain

Steps = tuple[Any, ...]
_KINDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}

NEWER: Final = frozenset({"jobs", "no_cache_filter", "per_replica", "pre_start", "umask", "use_service_name_alias"})
"""Words of the specification that came after this schema."""
_UNKNOWN: Final = "remove it, or correct its name; own entries begin with `x-`"


def remove_misfits(model: Table, faults: Faults) -> None:
    """Add every misfit to the faults, and take it out of the model so that all else can be looked at."""
    removed: set[Steps] = set()
    # Of what may have several forms only one misfit is told at a time; each turn removes something, so it ends.
    while misfits := {steps: (message, hint) for steps, message, hint in _misfits(model)}:
        for steps, (message, hint) in misfits.items():
            # What misses what was removed from it was told with that.
            if not any(each[: len(steps)] == steps for each in removed):
                faults.add(place_at(model, steps), message, hint)
        removed.update(misfits)
        # From the end, so that the numbers of what comes before in a list stay.
        for steps in sorted(misfits, key=lambda steps: [(isinstance(step, str), step) for step in steps], reverse=True):
            _remove(model, steps)


def _misfits(model: Table) -> Iterable[tuple[Steps, str, str]]:
    for error in _validator().iter_errors(plain(model)):
        yield from _told(_deepest(error))


@cache
def _validator() -> Any:
    # It takes 20 ms to import, which only who reads Compose files pays.
    import jsonschema_rs

    return jsonschema_rs.Draft7Validator(_schema(), formats={"duration": _is_duration}, validate_formats=True)


def _is_duration(text: str) -> bool:
    return nanoseconds(text) is not None


def _deepest(error: Any) -> list[Any]:
    """The errors that say most: of several forms that something may have, those of the form that fits furthest."""
    forms = getattr(error.kind, "context", None)
    if not forms:
        return [error]
    found = [[each for cause in form for each in _deepest(cause)] for form in forms]
    reach = max((_reach(each) for form in found for each in form), default=0)
    if reach <= len(error.instance_path):
        return [error]
    return [each for form in found for each in form if _reach(each) == reach]


def _reach(error: Any) -> int:
    return len(error.instance_path) + (error.kind.name in ("additionalProperties", "required"))


def _told(errors: Sequence[Any]) -> Iterable[tuple[Steps, str, str]]:
    """The misfits of one place in the words of the house. No value is in them: it may be a secret."""
    first = errors[0]
    steps: Steps = tuple(first.instance_path)
    name = _name(steps)
    if first.kind.name == "additionalProperties":
        known = {each for error in errors for each in _known(error)}
        for key in first.kind.unexpected:
            if key in NEWER:
                yield (*steps, key), f"{_name((*steps, key))} is not supported", "remove it: it is newer than what Trueup reads"
                continue
            near = difflib.get_close_matches(key, known, 1)
            otherwise = _UNKNOWN if known else "a name has letters, digits, `.`, `_` and `-`"
            hint = f"did you mean `{near[0]}`?" if near else otherwise
            yield (*steps, key), f"{name} has no `{key}`", hint
    elif first.kind.name == "required":
        yield steps, f"{name} needs `{first.kind.property}`", "add it"
    elif first.kind.name == "enum":
        yield steps, f"{name} has a value that is not known", f"known are {', '.join(map(str, first.kind.options))}"
    else:
        yield steps, f"{name} does not fit", _wanted(errors)


def _known(error: Any) -> Iterable[str]:
    schema: Any = _schema_at(error)
    return schema.get("properties", {}) if isinstance(schema, dict) else ()


def _schema_at(error: Any) -> Any:
    node: Any = _schema()
    for step in list(error.schema_path)[:-1]:
        if isinstance(node, dict) and "$ref" in node and step not in node:
            node = _resolved(node)
        if isinstance(node, dict):
            node = node.get(step, {}) if step != "$ref" else _resolved(node)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
    return _resolved(node) if isinstance(node, dict) and "$ref" in node else node


def _resolved(node: dict[str, Any]) -> Any:
    return _schema()["definitions"].get(str(node.get("$ref", "")).rpartition("/")[2], {})


@cache
def _schema() -> Any:
    return json.loads(_text())


def _text() -> str:
    return files("trueup.renderers.compose").joinpath("compose-spec.json").read_text(encoding="utf-8")


def _wanted(errors: Sequence[Any]) -> str:
    types = {_KINDS.get(each, each) for error in errors if error.kind.name == "type" for each in error.kind.types}
    if not types:
        types = {_KINDS.get(each, each) for error in errors for form in getattr(error.kind, "context", []) for each in _types(form)}
    if types:
        return f"write {' or '.join(sorted(types))}"
    pattern = next((error.kind.pattern for error in errors if error.kind.name == "pattern"), None)
    if pattern:
        return f"write text of the form {pattern}"
    if any(error.kind.name == "format" for error in errors):
        return "write a duration, such as `90s` or `1m30s`"
    return "look its form up in the Compose Specification"


def _types(form: Iterable[Any]) -> Iterable[str]:
    for error in form:
        if error.kind.name == "type":
            yield from error.kind.types


def _name(steps: Steps) -> str:
    """``services.web.ports[1]``."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(map(str, steps))) or "a Compose file"


def _remove(model: Any, steps: Steps) -> None:
    if not steps:
        model.clear()
        return
    for step in steps[:-1]:
        if not (isinstance(model, Table) and step in model) and not (
            isinstance(model, Row) and isinstance(step, int) and step < len(model)
        ):
            return
        model = model[step]
    last = steps[-1]
    if isinstance(model, Table):
        model.pop(str(last), None)
    elif isinstance(model, Row) and isinstance(last, int) and last < len(model):
        del model[last]
        del model.places[last]
