"""A good and a bad revision of an application -> the one commit that takes its files back, and how such a commit is known again."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from trueup.engine.past import Past
from trueup.model.errors import UsageError
from trueup.model.memory import Catalog, Input
from trueup.toolkit.git.draft import Content
from trueup.toolkit.git.history import Commit, PathChange

_TRAILER: Final = re.compile(r"Trueup-(Application|From|To): (\S+)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Undo:
    """What a revert commit says of itself: whose files went back, from which revision, to which."""

    application: str
    bad: str
    good: str


@dataclass(frozen=True, slots=True)
class Revert:
    """The files that change, None for one that goes; and who else has which of them as an input."""

    files: Mapping[str, Content | None] = field(default_factory=dict)
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def revert_of(past: Past, catalog: Catalog, base: str, good: str) -> Revert:
    """Every file that is an input, at the good commit or at ``base``, as it was at the good one. Blocks.

    ``base`` is the commit that the catalog describes. Raises UsageError when the application cannot be rendered at the good one.
    """
    application = past.application
    then, now = past.at(good), past.at(base)
    if then.application is None or then.faults:
        why = str(then.faults[0]) if then.faults else "it was not declared"
        raise UsageError(f"`{application.name}` cannot go back to {good[:7]}: {why}", hint="name another revision with --to")
    inputs = {*then.inputs, *now.inputs, *catalog.inputs(application.repository, application.name)}
    back = [change for change in past.mirror.changes(base, good) if _is_input(change, inputs)]
    files = {change.path: past.mirror.content(good, change.path) for change in back}
    return Revert(files, _others(back, catalog, application.repository, application.name))


def message_of(undo: Undo, subject: str, reason: str) -> str:
    """The message of the commit; the trailers are its last paragraph."""
    body = "\n".join(line.rstrip() for line in _CONTROL.sub(" ", reason).strip().splitlines())
    trailers = f"Trueup-Application: {undo.application}\nTrueup-From: {undo.bad}\nTrueup-To: {undo.good}\n"
    return "\n\n".join(part for part in (f'Revert "{_CONTROL.sub(" ", subject)}" for {undo.application}', body, trailers) if part)


def undo_of(commit: Commit) -> Undo | None:
    """What a commit undoes, by the trailers of its last paragraph; None when it is not one of ours."""
    found = dict(_TRAILER.findall(commit.message.strip().rpartition("\n\n")[2]))
    if found.keys() != {"Application", "From", "To"}:
        return None
    return Undo(found["Application"], found["From"], found["To"])


def _others(back: list[PathChange], catalog: Catalog, repository: str, name: str) -> dict[str, tuple[str, ...]]:
    """Other application -> the files of it that would change."""
    paths = {change.path for change in back}
    paths.update(folder for change in back for folder in _ancestors(change.path))
    found: dict[str, list[str]] = {}
    touched = catalog.touched(repository, sorted(paths)) if paths else []
    for other, given in touched:
        if other != name:
            found.setdefault(other, []).extend(change.path for change in back if _is_input(change, [given]))
    return {other: tuple(sorted(set(files))) for other, files in sorted(found.items()) if files}


def _is_input(change: PathChange, inputs: Iterable[Input]) -> bool:
    """Whether a path is an input by itself, stands in a folder that is taken whole, or came into or left a listing."""
    for each in inputs:
        if each.kind == "folder":
            if change.kind != "modified" and posixpath.dirname(change.path) == each.path:
                return True
        elif change.path == each.path or (each.kind in ("whole", "absent") and _is_below(change.path, each.path)):
            return True
    return False


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = posixpath.dirname(path)
        yield path
