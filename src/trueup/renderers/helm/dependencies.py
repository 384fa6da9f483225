"""A chart's ``Chart.yaml`` and ``Chart.lock`` -> its dependencies, each as it is written there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trueup.renderers.helm.options import EXACT
from trueup.toolkit.documents import Document

CHART: Final = "Chart.yaml"
LOCK: Final = "Chart.lock"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency. ``version`` is exact when the lock, or ``Chart.yaml`` itself, says which one; otherwise empty.

    ``instead`` is the version that ``Chart.yaml`` says when it is exact too and another one: the lock is older than it.
    """

    name: str
    repository: str
    version: str
    line: int
    instead: str = ""


def dependencies(document: Document, lock: object) -> Iterator[Dependency]:
    """All of them; ``lock`` is the content of ``Chart.lock``, or None."""
    locked = _listed(lock)
    for place, each in enumerate(_listed(document.body)):
        if not isinstance(each, dict):
            continue
        name = str(each.get("name"))
        asked = str(each.get("version"))
        version = _locked(locked, place, name) or asked
        exact = version if EXACT.fullmatch(version) else ""
        instead = asked if EXACT.fullmatch(asked) and asked.removeprefix("v") != version.removeprefix("v") else ""
        yield Dependency(name, str(each.get("repository") or ""), exact, document.line_of(("dependencies", place)), instead)


def _listed(body: object) -> list[Any]:
    written = body.get("dependencies") if isinstance(body, Mapping) else None
    return written if isinstance(written, list) else []


def _locked(locked: list[Any], place: int, name: str) -> str:
    """A chart may be named twice, in two versions: the lock keeps the order."""
    here = locked[place : place + 1]
    for each in (*here, *locked):
        if isinstance(each, dict) and each.get("name") == name:
            return str(each.get("version"))
    return ""
