"""Two renders of the same inputs -> the fields in which they differ, but for those that the application leaves alone."""

import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from trueup.model.application import Application, Ignore
from trueup.model.errors import Fault
from trueup.model.manifest import Key, Manifest
from trueup.toolkit.difference import changes, parse_path

MOST_NAMED: Final = 5
_BELOW: Final = r"(?:[.\[].*)?"
_WORD: Final = re.compile(r"[\w$-]+")


def unsteady(application: Application, first: Sequence[Manifest], again: Sequence[Manifest]) -> Iterator[Fault]:
    """A fault for each object that comes out different. Its fields are named without their values, which may be secrets."""
    others = {manifest.key: manifest for manifest in again}
    for manifest in first:
        other = others.get(manifest.key)
        fields = [each.path for each in changes(manifest.body, other.body)] if other else ["metadata.name"]
        left = [field for field in fields if not _is_ignored(application, manifest.key, field)]
        if left:
            more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
            message = f"{manifest.key} comes out different each time: {', '.join(left[:MOST_NAMED])}{more}"
            hint = "set the value in Git instead of a random one or the time, or leave the field alone with `ignore`"
            yield Fault(manifest.origin.file, manifest.origin.line, 0, message, hint)


def _is_ignored(application: Application, key: Key, field: str) -> bool:
    """A rule that names a manager says nothing here: whose the field is shows at the target only."""
    keys = (str(key), str(Key(key.kind, key.name, key.group, key.namespace or application.spec.namespace)))
    rules = [rule for rule in application.spec.ignore if not rule.manager and any(_glob(rule.key).fullmatch(each) for each in keys)]
    return any(pattern.fullmatch(_stored(key, field)) for rule in rules for pattern in _patterns(key, rule))


def _patterns(key: Key, rule: Ignore) -> Iterator[re.Pattern[str]]:
    field = functools.reduce(_below, map(str, parse_path(rule.field)), "") if rule.field.startswith("/") else rule.field or "*"
    yield _glob(_stored(key, field), _BELOW)


def _stored(key: Key, field: str) -> str:
    """A cluster keeps ``stringData`` of a Secret as ``data``: a rule for one is a rule for the other."""
    return re.sub(r"^stringData\b", "data", field) if key.kind == "Secret" else field


def _below(path: str, name: str) -> str:
    if not _WORD.fullmatch(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


# Brackets are part of a field's path (`[name=web]`), so they mean themselves here, as they do not in fnmatch.
def _glob(text: str, under: str = "") -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", ".") + under, re.DOTALL)
