"""CEL (Common Expression Language) over plain data.

An expression that looks at a field which is not there is no fault: objects come without a status, and their expressions wait for it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final

from trueup.toolkit.expression.finding import Finding

LONGEST: Final = 4096
"""Characters of an expression."""

DEEPEST: Final = 200
"""Levels of the data that an expression is given. The library converts data by recursion and dies of 10,000."""


def fault_of(text: str) -> str:
    """What is wrong with an expression, in one line; empty when it can be evaluated. The parser bounds its own recursion (measured)."""
    if len(text) > LONGEST:
        return f"the expression has {len(text)} characters, more than {LONGEST}"
    try:
        _program(text)
    except Exception as error:  # noqa: BLE001  (the library raises whatever Python type fits its own)
        return _words(error)
    return ""


def findings(texts: Sequence[str], given: Mapping[str, Any], now: datetime) -> list[Finding]:
    """What each expression gives. ``given`` are the variables by name; ``now`` is one more, a timestamp."""
    if _deeper(given, DEEPEST):
        return [Finding(fault=f"the object is nested more than {DEEPEST} levels deep")] * len(texts)
    context = _cel().Context({**given, "now": now.astimezone(UTC)})
    return [_finding(text, context) for text in texts]


def _finding(text: str, context: Any) -> Finding:
    fault = fault_of(text)
    if fault:
        return Finding(fault=fault)
    try:
        return Finding(_program(text).execute(context))
    except (KeyError, IndexError):
        return Finding(absent=True)
    except Exception as error:  # noqa: BLE001  (as above)
        return Finding(fault=_words(error))


@lru_cache(maxsize=2048)
def _program(text: str) -> Any:
    return _cel().compile(text)


@cache
def _cel() -> ModuleType:
    """The library's extension alone: its package also imports its command line, which takes half a second."""
    package = find_spec("cel")
    specification = PathFinder.find_spec("cel", list(package.submodule_search_locations or ())) if package else None
    if specification is None or specification.loader is None:
        raise ModuleNotFoundError("common-expression-language is not installed", name="cel")
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _words(error: Exception) -> str:
    """An error's first sentence in one line. A parser's error quotes the whole expression before it comes to the point, and lists all
    that could have stood there after it."""
    text = str(error).rpartition("ERROR: <input>:")[2].partition(" expecting {")[0]
    return text.splitlines()[0][:300] if text else type(error).__name__


def _deeper(value: object, levels: int) -> bool:
    """Whether data is nested deeper than that. Walks level by level, because recursion is what it guards against."""
    level: list[object] = [value]
    for _ in range(levels):
        level = [below for each in level if isinstance(each, dict | list) for below in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True
