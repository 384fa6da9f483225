"""Two renders of the same inputs -> a fault for each object that comes out different, but for the fields that are left alone."""

import functools
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from trueup.model.errors import DeclarationError, Fault
from trueup.toolkit.difference import changes, parse_path

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)

KEPT: Final = 4096
TICK: Final = 1.1
"""Longer than a second, the smallest step of what templates see of the clock."""
MOST_NAMED: Final = 5
HINT: Final = "set the value in Git instead of a random one or the time, or leave the field alone with `ignore`"
_BELOW: Final = r"(?:[.\[].*)?"
_CLOCK: Final = re.compile(rb"\{\{[^}]*\b(now|date|htmlDate|ago|unixEpoch)\b")
_WORD: Final = re.compile(r"[\w$-]+")


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A rule: the objects (a glob of their keys) and their field (a glob or a JSON pointer; empty: every field)."""

    key: str
    field: str

    def covers(self, keys: Sequence[str], field: str) -> bool:
        """Whether it is about a field of the object with one of these keys, for an object may be named with and without its namespace."""
        if not any(_glob(self.key).fullmatch(key) for key in keys):
            return False
        mine = functools.reduce(_below, map(str, parse_path(self.field)), "") if self.field.startswith("/") else self.field or "*"
        return bool(_glob(_stored(keys, mine), _BELOW).fullmatch(_stored(keys, field)))


class Ignoring(Protocol):
    """What a declaration leaves alone: objects, their field, and whose the field must be (empty: anybody's)."""

    @property
    def key(self) -> str: ...

    @property
    def field(self) -> str: ...

    @property
    def manager(self) -> str: ...


class Written(Protocol):
    """A place in a file."""

    @property
    def file(self) -> str: ...

    @property
    def line(self) -> int: ...


class Rendered(Protocol[K_co]):
    """One object of a render: its key, where it was written, and what it is."""

    @property
    def key(self) -> K_co: ...

    @property
    def origin(self) -> Written: ...

    @property
    def body(self) -> Mapping[str, Any]: ...


def unsteady(
    first: Sequence[Rendered[K]], again: Iterable[Rendered[K]], names: Callable[[K], tuple[str, ...]], ignore: Iterable[Ignoring]
) -> list[Fault]:
    """A fault for each object that comes out different, with the fields, without their values, which may be secrets.

    ``names`` gives the keys by which a rule may name an object. A rule that names a manager says nothing here: whose a field is shows at
    the target only.
    """
    rules = [LeftAlone(rule.key, rule.field) for rule in ignore if not rule.manager]
    others = {names(each.key): each.body for each in again}
    faults: list[Fault] = []
    for each in first:
        keys = names(each.key)
        other = others.get(keys)
        fields = [change.path for change in changes(dict(each.body), dict(other))] if other is not None else ["metadata.name"]
        left = [field for field in fields if not any(rule.covers(keys, field) for rule in rules)]
        if left:
            more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
            message = f"{keys[0]} comes out different each time: {', '.join(left[:MOST_NAMED])}{more}"
            faults.append(Fault(each.origin.file, each.origin.line, 0, message, HINT))
    return faults


class Steady:
    """Remembers what was rendered twice and came out the same."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def demand(self, inputs: str, texts: Iterable[bytes], again: Callable[[], Sequence[Fault]]) -> None:
        """Render once more what is seen for the first time: what is not a function of its inputs would be drift for ever.

        ``inputs`` is their digest. Where one of the texts looks at the clock, that has moved on before ``again`` renders and tells what
        is different. Raises DeclarationError with it.
        """
        if inputs in self._seen:
            return
        if any(_CLOCK.search(text) for text in texts):
            time.sleep(TICK)
        if faults := again():
            raise DeclarationError(list(faults))
        self._seen[inputs] = None
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)


def contents(files: Mapping[str, bytes]) -> list[list[str]]:
    """Each file with the digest of its content, in order: what inputs are told apart by."""
    return [[path, hashlib.sha256(content).hexdigest()] for path, content in sorted(files.items())]


def _stored(keys: Sequence[str], field: str) -> str:
    """A cluster keeps ``stringData`` of a Secret as ``data``: a rule for one is a rule for the other."""
    return re.sub(r"^stringData\b", "data", field) if keys[0].startswith("Secret/") else field


def _below(path: str, name: str) -> str:
    if not _WORD.fullmatch(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


# Brackets are part of a field's path (`[name=web]`), so they mean themselves here, as they do not in fnmatch.
def _glob(text: str, under: str = "") -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", ".") + under, re.DOTALL)
