"""What happened: commits on the first-parent line, the paths that changed between two trees, and the commit that set a line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

import pygit2
from pygit2.enums import ObjectType

from trueup.model.errors import Unreachable, UsageError
from trueup.toolkit.git.objects import Objects
from trueup.toolkit.git.program import Git
from trueup.toolkit.git.tree import FOLDER, LINK, SUBMODULE, refusal
from trueup.toolkit.process import Ending, Limits

Change = Literal["added", "modified", "deleted"]

_ABBREVIATION = re.compile(r"[0-9a-f]{4,40}")
_LONGEST_OFFSET = 24 * 60 - 1


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. ``date`` is the author's, with its own offset; ``subject`` is the first line of ``message``."""

    id: str
    parents: tuple[str, ...]
    tree: str
    author: str
    email: str
    date: datetime
    message: str

    @property
    def parent(self) -> str | None:
        """The first parent; None for the first commit of a history."""
        return self.parents[0] if self.parents else None

    @property
    def subject(self) -> str:
        """What a list of commits shows."""
        return self.message.strip().partition("\n")[0].strip()


@dataclass(frozen=True, slots=True, order=True)
class PathChange:
    """One path that differs between two trees. A file that became a folder is deleted, and what is in the folder is added."""

    path: str
    kind: Change


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file as a commit has it; numbers count from 1."""

    commit: str
    path: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


@dataclass(frozen=True, slots=True)
class Blame:
    """The commit that set a line, and the path and number (from 1) that the line had in it."""

    commit: Commit
    path: str
    line: int


def commit(objects: Objects, commit_id: str) -> Commit:
    """Read one commit. Raises Unreachable when it is not in the mirror."""
    return objects.reading(lambda repository: _commit(repository[commit_id].peel(pygit2.Commit)))


def complete(objects: Objects, abbreviation: str) -> str:
    """The whole id of a commit that was abbreviated to at least 4 digits.

    Raises UsageError when no commit here, or more than one, begins like that.
    """
    hint = "give more digits, or the name of a branch or tag"
    if not _ABBREVIATION.fullmatch(abbreviation):
        raise UsageError(f"{abbreviation} is not a commit", hint=hint)
    try:
        found = objects.repository()[abbreviation]
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise UsageError(f"no single commit begins with {abbreviation}", hint=hint) from error
    if found.type != ObjectType.COMMIT:
        raise UsageError(f"{abbreviation} is not a commit", hint=hint)
    return str(found.id)


def first_parents(objects: Objects, start: str, stop: str | None = None) -> Iterator[Commit]:
    """From a commit along its first parents, newest first, to the beginning or up to and without ``stop``."""
    following: str | None = start
    while following and following != stop:
        found = commit(objects, following)
        yield found
        following = found.parent


def contains(objects: Objects, descendant: str, ancestor: str) -> bool:
    """Whether a commit has another in its history, or is it. A commit that the mirror lacks is in no history."""
    if descendant == ancestor:
        return True
    if not objects.has_commit(ancestor):
        return False
    return objects.reading(lambda repository: bool(repository.descendant_of(pygit2.Oid(hex=descendant), pygit2.Oid(hex=ancestor))))


def new_commits(objects: Objects, head: str, known: str | None) -> list[str]:
    """Every commit that ``head`` has and ``known`` has not, by whatever parent; ``head`` alone when nothing is known."""
    if known is None:
        return [head]

    def walk(repository: pygit2.Repository) -> list[str]:
        walker = repository.walk(pygit2.Oid(hex=head))
        walker.hide(pygit2.Oid(hex=known))
        return [str(each.id) for each in walker]

    return objects.reading(walk)


def changes(objects: Objects, before: str | None, after: str) -> list[PathChange]:
    """The paths that differ between two commits or trees, sorted. The cost follows what changed. None: everything is added."""
    return sorted(_differences(objects, objects.tree_of(before) if before else None, objects.tree_of(after), ""))


async def blame(git: Git, objects: Objects, line: Line, *, first_parent: bool = False, deadline: float = 60.0) -> Blame:
    """The commit that set a line.

    With ``first_parent`` it is the commit of the first-parent line that brought it in, a merge for what came from a side branch.
    Raises DeclarationError when there is no such line, Unreachable when Git needs longer than ``deadline`` seconds.
    """
    options = ["--first-parent"] if first_parent else []
    arguments = ["blame", "--porcelain", f"-L{line.number},{line.number}", *options, line.commit, "--", line.path]
    completed = await git.run(*arguments, limits=Limits(deadline=deadline))
    if completed.ending is not Ending.EXITED:
        raise Unreachable(f"Git did not find who set a line within {deadline:g} s", where=str(line), hint="ask with a longer limit")
    if not completed.succeeded:
        raise refusal(line.path, f"the file has no line {line.number} in that commit", "check the path and the number")
    return _blame(objects, completed.out)


def _blame(objects: Objects, said: bytes) -> Blame:
    head, *lines = said.decode("utf-8", "surrogateescape").splitlines()
    commit_id, number, *_ = head.split()
    name = next(line.removeprefix("filename ") for line in lines if line.startswith("filename "))
    return Blame(commit(objects, commit_id), _unquoted(name), int(number))


def _unquoted(name: str) -> str:
    """A path as Git quotes it when it has unusual bytes."""
    if not name.startswith('"'):
        return name
    escaped = name[1:-1].encode("utf-8", "surrogateescape")
    return escaped.decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


def _commit(found: pygit2.Commit) -> Commit:
    return Commit(
        id=str(found.id),
        parents=tuple(str(parent) for parent in found.parent_ids),
        tree=str(found.tree_id),
        author=_text(found, found.author.raw_name),
        email=_text(found, found.author.raw_email),
        date=_date(found.author.time, found.author.offset),
        message=_text(found, found.raw_message),
    )


def _text(found: pygit2.Commit, raw: bytes) -> str:
    """In the encoding that the commit names; a stranger may name any, or use another."""
    try:
        return raw.decode(found.message_encoding or "utf-8", "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _date(seconds: int, minutes: int) -> datetime:
    """A stranger may write any number: what no calendar has is shown as the nearest that one has."""
    offset = timezone(timedelta(minutes=max(-_LONGEST_OFFSET, min(_LONGEST_OFFSET, minutes))))
    return datetime.fromtimestamp(max(0, min(seconds, 253_402_214_400)), offset)


def _differences(objects: Objects, before: str | None, after: str | None, folder: str) -> Iterator[PathChange]:
    """Between two trees. Not libgit2's own diff: that one walks through all 25,000 files of a repository to find the one that changed."""
    if before == after:
        return
    old, new = (objects.entries(tree) if tree else frozenset() for tree in (before, after))
    gone, come = ({name: (int(mode, 8), id_.hex()) for mode, name, id_ in one - other} for one, other in ((old, new), (new, old)))
    for written in gone.keys() | come.keys():
        was, now = gone.get(written), come.get(written)
        name = written.decode("utf-8", "surrogateescape")
        yield from _differences(objects, _folder(was), _folder(now), f"{folder}{name}/")
        if _sort(was) and _sort(was) == _sort(now):
            yield PathChange(folder + name, "modified")
            continue
        if _sort(was):
            yield PathChange(folder + name, "deleted")
        if _sort(now):
            yield PathChange(folder + name, "added")


def _folder(entry: tuple[int, str] | None) -> str | None:
    return entry[1] if entry and entry[0] == FOLDER else None


def _sort(entry: tuple[int, str] | None) -> str:
    """Which sort of file an entry of a tree is; "" when it is none."""
    if entry is None or entry[0] == FOLDER:
        return ""
    return {LINK: "link", SUBMODULE: "submodule"}.get(entry[0], "file")
