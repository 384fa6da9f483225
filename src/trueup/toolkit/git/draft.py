"""A commit and some changed files become a new commit on top of it, without a checkout."""

from collections.abc import Mapping
from dataclasses import dataclass

import pygit2

from trueup.toolkit.git.objects import Objects
from trueup.toolkit.git.tree import FOLDER, refusal


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is to be: a mode and the id of a blob that the mirror has."""

    mode: int
    object_id: str


@dataclass(frozen=True, slots=True)
class Person:
    """Author and committer of a commit that Trueup makes."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit to be made on top of ``parent``: the files that change, None for one that goes."""

    parent: str
    files: Mapping[str, Content | None]
    message: str
    person: Person


def commit_of(objects: Objects, draft: Draft) -> str:
    """Write the commit; its id. Nothing refers to it until it is pushed.

    Raises DeclarationError when a path is none, or goes through a file.
    """
    repository = objects.repository()
    parent = repository[draft.parent].peel(pygit2.Commit)
    tree = _edited(objects, str(parent.tree_id), "", _nested(draft.files))
    person = pygit2.Signature(draft.person.name, draft.person.email)
    made = repository.create_commit(None, person, person, draft.message, pygit2.Oid(hex=tree), [parent.id])
    return str(made)


class Changes(dict[str, "Content | Changes | None"]):
    """The changes in one folder: a name leads to a file's new content, to None for what goes, or to the changes in a folder."""


def _nested(files: Mapping[str, Content | None]) -> Changes:
    root = Changes()
    for path, content in sorted(files.items()):
        *folders, name = path.split("/")
        if any(part in ("", ".", "..", ".git") for part in (*folders, name)):
            raise refusal(path, "a file cannot be called that", "give a path relative to the repository")
        here = root
        for folder in folders:
            there = here.setdefault(folder, Changes())
            if not isinstance(there, Changes):
                there = here[folder] = Changes()  # a file that goes or changes into this folder
            here = there
        here[name] = content
    return root


def _edited(objects: Objects, tree_id: str | None, folder: str, changes: Changes) -> str:
    """The id of the tree with the changes; an empty folder vanishes, as Git knows none."""
    repository = objects.repository()
    existing = objects.tree(tree_id) if tree_id else {}
    builder = repository.TreeBuilder(pygit2.Oid(hex=tree_id)) if tree_id else repository.TreeBuilder()
    for name, change in changes.items():
        mode, object_id = existing.get(name, (0, ""))
        if isinstance(change, Changes):
            below = _edited(objects, object_id if mode == FOLDER else None, f"{folder}{name}/", change)
            change = Content(FOLDER, below) if len(objects.tree(below)) else None
        if change is not None:
            builder.insert(name, pygit2.Oid(hex=change.object_id), change.mode)
        elif mode:
            builder.remove(name)
    return str(builder.write())
