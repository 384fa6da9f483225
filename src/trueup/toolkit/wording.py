"""What pydantic finds wrong with a value -> the words in which people are told, the same wherever something is written."""

import re
from collections.abc import Iterable
from typing import Final

from pydantic_core import ErrorDetails

_MUST_BE: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
    "missing": "is missing",
    "string_type": "must be a string",
    "tuple_type": "must be a list",
}
_BOUNDED: Final = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
_VERBS: Final = ("must ", "is ")
_CHOICES: Final = ("enum", "literal_error")
_PATTERNS: Final = {
    r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$": "must be a name of lower-case letters, digits, `-` and `.`, at most 63",
}
"""Expressions that nobody wants to read, and what they mean."""


def wording(fault: ErrorDetails) -> str:
    """What is wrong, without the value, which may be a secret: ``must be ..``, ``is missing``, or what a check of ours says."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in _MUST_BE:
        return _MUST_BE[kind]
    if context.get("min_length") == 1:
        return "must not be empty"
    if kind in _BOUNDED:
        return _BOUNDED[kind].format(**context)
    if kind in _CHOICES:
        return f"must be {str(context['expected']).replace(chr(39), '`')}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"must match `{context['pattern']}`")
    if kind == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    return re.sub("^(Input|String|Tuple|List|Dictionary) should ", "must ", fault["msg"])


def told(name: str, words: str) -> str:
    """A field's name and what is wrong with it, as one sentence."""
    joined = " " if words.startswith(_VERBS) else ": "
    return f"{name}{joined}{words}" if name else words


def speaks_of_field(words: str) -> bool:
    """Whether the words need a field's name before them."""
    return words.startswith(_VERBS)


def mending(fault: ErrorDetails) -> str:
    """What to do about it, where that is not plain from the words: empty when it is."""
    return "put it into quotes" if fault["type"] == "string_type" else ""


def worded(faults: Iterable[ErrorDetails]) -> list[tuple[ErrorDetails, str]]:
    """Each fault with its words. Where a value may be of several kinds pydantic tells of each; they are one fault: ``must be true or false
    or `strict```.
    """
    found: dict[tuple[int | str, ...], tuple[ErrorDetails, str]] = {}
    for fault in faults:
        last = len(fault["loc"]) - 1 if fault["type"] == "extra_forbidden" else -1
        path = tuple(step for place, step in enumerate(fault["loc"]) if place == last or not _is_branch(step))
        words = wording(fault)
        if path in found and found[path][1].startswith("must be ") and words.startswith("must be "):
            words = f"{found[path][1]} or {words.removeprefix('must be ')}"
        elif path in found:
            continue
        found[path] = ({**fault, "loc": path}, words)
    return list(found.values())


def _is_branch(step: int | str) -> bool:
    """Whether a step is pydantic's name for one kind of several, and no field."""
    return isinstance(step, str) and (step in _BRANCHES or "[" in step)


_BRANCHES: Final = frozenset({"bool", "float", "int", "str"})
