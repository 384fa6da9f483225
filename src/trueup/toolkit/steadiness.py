"""What two renders of the same inputs differ in, but for the fields that are left alone."""

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trueup.toolkit.difference import changes, parse_path

MOST_NAMED: Final = 5
_BELOW: Final = r"(?:[.\[].*)?"
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


Objects = Mapping[tuple[str, ...], Mapping[str, Any]]
"""The keys of an object -> the object."""


def unsteady(first: Objects, again: Objects, rules: Sequence[LeftAlone]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The objects that come out different, each with the fields, without their values, which may be secrets."""
    for keys, body in first.items():
        other = again.get(keys)
        fields = [each.path for each in changes(dict(body), dict(other))] if other is not None else ["metadata.name"]
        left = [field for field in fields if not any(rule.covers(keys, field) for rule in rules)]
        if left:
            more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
            yield keys, ", ".join(left[:MOST_NAMED]) + more


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
