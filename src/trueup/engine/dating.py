"""The inputs of applications and a line of commits -> each application's own revision: whose commit it is."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trueup.model.memory import Input
from trueup.toolkit.git.history import Commit, PathChange
from trueup.toolkit.git.mirror import Mirror

EXACT_COMMITS: Final = 2000
"""How much of a history is walked before anything else is done; the rest of a longer one is walked beside it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of the first-parent line and what it changed against its first parent."""

    commit: Commit
    changes: tuple[PathChange, ...]


def dates(inputs: Mapping[str, tuple[Input, ...]], commit: str, mirror: Mirror, most: int) -> dict[str, tuple[str, bool]]:
    """The revision of each application as of ``commit``, by one walk of the first-parent line. Blocks.

    Those that the newest ``most`` commits do not touch (0: all are looked at) are not exact.
    """
    found = {name: (step.commit.id, True) for name, step in first_touches(inputs, _history(commit, mirror, most), mirror)}
    return {name: found.get(name, (commit, False)) for name in inputs}


def _history(commit: str, mirror: Mirror, most: int) -> Iterator[Step]:
    for count, each in enumerate(mirror.first_parents(commit)):
        if most and count >= most:
            return
        yield Step(each, tuple(mirror.changes(each.parent, each.id)))


def first_touches(inputs: Mapping[str, Sequence[Input]], line: Iterable[Step], mirror: Mirror) -> Iterator[tuple[str, Step]]:
    """For each application the newest step of the line that touches one of its inputs; nothing for those that none touches."""
    waiting = set(inputs)
    by_path: dict[str, list[tuple[str, str]]] = {}
    for name, each in inputs.items():
        for given in each:
            by_path.setdefault(given.path, []).append((given.kind, name))
    for step in line:
        if not waiting:
            return
        for name in _touched_by(step, by_path, mirror):
            if name in waiting:
                waiting.discard(name)
                yield name, step


def _touched_by(step: Step, by_path: Mapping[str, list[tuple[str, str]]], mirror: Mirror) -> set[str]:
    """Who has an input that this commit changed. A content that changes is in no listing; a name that comes or goes is."""
    touched: set[str] = set()
    for change in step.changes:
        touched.update(name for kind, name in by_path.get(change.path, ()) if kind != "folder")
        for folder in _ancestors(change.path):
            for kind, name in by_path.get(folder, ()):
                if name in touched:
                    continue
                if kind == "whole" or (change.kind != "modified" and kind in ("folder", "absent") and _listing_moved(step, folder, mirror)):
                    touched.add(name)
    return touched


def _listing_moved(step: Step, folder: str, mirror: Mirror) -> bool:
    if step.commit.parent is None:
        return True
    return mirror.tree(step.commit.id).listing_id(folder) != mirror.tree(step.commit.parent).listing_id(folder)


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = posixpath.dirname(path)
        yield path


def with_ancestors(paths: Iterable[str]) -> list[str]:
    """The paths, and every folder that they are in."""
    every = set(paths)
    for path in list(every):
        every.update(_ancestors(path))
    return sorted(every)
