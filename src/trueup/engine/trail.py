"""From a value as it is now, back along the first-parent line, to the commit that set it.

Blame tells who touched a line last, which is not who set the value: a comment on the line touches it, and a value may change elsewhere
(another document takes its place, a source changes, an anchor) or change and change back. So blame only points; every step that could
have changed the value is looked at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from trueup.engine.dating import Step, first_touches
from trueup.engine.past import Moment, Past
from trueup.model.errors import DeclarationError
from trueup.model.manifest import Key, Manifest
from trueup.model.secret import Secret
from trueup.toolkit.difference import changes, resolve, steps
from trueup.toolkit.documents import Document, read
from trueup.toolkit.git.history import Commit, PathChange
from trueup.toolkit.git.mirror import Mirror

LARGEST: Final = 3 * 1024 * 1024


class Nothing:
    """A value that is not there; no value is the same."""


ABSENT: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Subject:
    """An object, or one field of it (a field path or JSON pointer)."""

    key: Key
    field: str = ""

    def value(self, moment: Moment) -> object:
        """Body and sources of the object, or the field's value; ``ABSENT`` where Git does not say it."""
        manifest = moment.manifests.get(self.key)
        if manifest is None:
            return ABSENT
        return self.of(manifest.body) if self.field else [manifest.body, dict(manifest.sources)]

    def of(self, body: object) -> object:
        """The value in a body."""
        found, value = resolve(body, self.field) if self.field else (True, body)
        return value if found else ABSENT


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; 0 when it is about the file as a whole."""

    file: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """The commit that set a value, and where. Not ``exact``: it was set at that commit or before it."""

    commit: Commit
    place: Place
    exact: bool = True


class Trail:
    """Walks back from ``commit``, which renders, one touching commit at a time. Blocks.

    ``depth`` is how many commits may be looked at. ``proven`` is a commit that is known to have set a value that is the same: then only
    the renders that it takes to make sure that nothing came between are counted.
    """

    def __init__(self, past: Past, subject: Subject, commit: str, depth: int, proven: str = "") -> None:
        self.past = past
        self.subject = subject
        self.start = commit
        self.depth = depth
        self.proven = proven
        self.looked = 0
        self._begin(renders_all=False)

    def _begin(self, renders_all: bool) -> None:
        self._renders_all = renders_all
        self._counted = 0
        self._moment = self.past.at(self.start)
        self._value = self.subject.value(self._moment)
        self._oldest = self.start
        self._line = steps_from(self.start, self.past.mirror)

    def step(self) -> Setting | None:
        """Go back past one more commit that touches an input; the answer, once it is there."""
        touch = self._next_touch()
        if touch is None or touch.commit.parent is None:
            return self._found()
        self.looked += 1
        if not self._renders_all and self._stays(touch):
            return self._counting(not self.proven)
        self._moment = self.past.at(touch.commit.parent)
        if not self._moment.faults and not same(self.subject.value(self._moment), self._value):
            return self._found()
        return self._counting(touch.commit.id != self.proven)

    def _next_touch(self) -> Step | None:
        """The next commit that touches an input: from it on the value was as it is where the walk stands."""
        touch = next((step for _, step in first_touches({"": self._moment.inputs}, self._line, self.past.mirror)), None)
        if touch is not None and not self._moment.faults:
            self._oldest = touch.commit.id
        return touch

    def _counting(self, counts: bool) -> Setting | None:
        self._counted += counts
        if self._counted < self.depth:
            return None
        touch = self._next_touch()
        return self._found(exact=touch is None or touch.commit.parent is None)

    def _found(self, exact: bool = True) -> Setting | None:
        """The oldest commit since which the value is the same without a break, and the place in it."""
        moment = self.past.at(self._oldest)
        if moment.faults:
            # What was told without a render was of a commit that cannot be rendered: once more, with a render of every one.
            self._begin(renders_all=True)
            return None
        commit = self.past.mirror.commit(self._oldest)
        if not exact:
            return Setting(commit, line_of(self.subject, moment, self.past.mirror), exact=False)
        before = self.past.at(commit.parent) if commit.parent else Moment("")
        changed = self.past.mirror.changes(commit.parent, commit.id)
        return Setting(commit, set_at(self.subject, (before, moment), changed, self.past.mirror))

    def _stays(self, touch: Step) -> bool:
        """Whether it is plain without a render that this commit did not change the value: what it changed is other than what says it."""
        manifest = self._moment.manifests.get(self.subject.key)
        if not self._moment.literal or self._moment.application is None or manifest is None:
            return False
        target = self._moment.target
        declarations = {self._moment.application.file, target.file if target else ""}
        sources = () if self.subject.field else tuple(manifest.sources)
        for change in touch.changes:
            if change.kind != "modified" or change.path in declarations or _is_below(change.path, sources):
                return False
            given = [each.kind for each in self._moment.inputs if each.path == change.path]
            if "link" in given or (given and not self._stays_in(manifest, change.path, touch)):
                return False
        return True

    def _stays_in(self, manifest: Manifest, path: str, touch: Step) -> bool:
        """The same, of one changed file."""
        mirror = self.past.mirror
        trees = [mirror.tree(commit) for commit in (touch.commit.parent, touch.commit.id) if commit]
        try:
            texts = [tree.read(path, LARGEST) for tree in trees]
            if path != manifest.origin.file:
                # A manifest that begins or ends to name a source hides other files, or shows them again.
                return not any(b"source" in text for text in texts)
            bodies = [_literal(read(text, path), manifest) for text in texts]
        except DeclarationError:
            return False
        values = [self.subject.of(body) if body is not None else ABSENT for body in bodies]
        return all(value is not ABSENT for value in values) and same(*values)


def same(one: object, other: object) -> bool:
    """Whether two values say the same; 1 is not true and not 1.0, and of secrets the values count, not where they came from."""
    if isinstance(one, Secret) and isinstance(other, Secret):
        return one.holds_the_same_as(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def set_at(subject: Subject, moments: tuple[Moment, Moment], changed: Iterable[PathChange], mirror: Mirror) -> Place:
    """The place that sets a value, in a commit that changed these paths: the file and line, or the file that it takes along."""
    before, after = moments
    manifest = after.manifests[subject.key]
    paths = [change.path for change in changed]
    if manifest.origin.file in paths:
        return line_of(subject, after, mirror, before)
    taken = [path for path in paths if not subject.field and _is_below(path, manifest.sources)]
    if taken:
        return Place(taken[0])
    if after.application and after.application.file in paths:
        return Place(after.application.file, after.application.line)
    inputs = {each.path for each in after.inputs}
    others = [path for path in paths if path in inputs]
    return Place(others[0]) if others else line_of(subject, after, mirror, before)


def line_of(subject: Subject, moment: Moment, mirror: Mirror, before: Moment | None = None) -> Place:
    """The line of a value; of one that holds others, the first of them that is not as it was ``before``."""
    manifest = moment.manifests[subject.key]
    origin = manifest.origin
    try:
        documents = read(mirror.tree(moment.commit).read(origin.file), origin.file)
    except DeclarationError:
        return Place(origin.file, origin.line)
    for document in documents:
        for prefix, body in _objects(document.body):
            line = document.line_of(prefix) if prefix else document.line
            if line == origin.line and _is_of(body, manifest):
                value = subject.of(body)
                path = (*steps(body, subject.field), *steps(value, _first_change(subject, before, moment)))
                return Place(origin.file, document.line_of((*prefix, *path)) if path else line)
    return Place(origin.file, origin.line)


def _first_change(subject: Subject, before: Moment | None, after: Moment) -> str:
    """The path, below the value, of the first part of it that is other than before."""
    if before is None or subject.key not in before.manifests:
        return ""
    old, new = (subject.of(moment.manifests[subject.key].body) for moment in (before, after))
    if not isinstance(new, dict | list) or type(old) is not type(new):
        return ""
    return next((each.path for each in changes(old, new) if each.after is not None and not same(each.before, each.after)), "")


def newest_well(past: Past, commit: str, depth: int) -> Moment:
    """The application at a commit, or at the newest one before that can be rendered. Raises DeclarationError when there is none."""
    moment = first = past.at(commit)
    line = steps_from(commit, past.mirror)
    for _ in range(depth):
        if not moment.faults:
            return moment
        touch = next((step for _, step in first_touches({"": moment.inputs}, line, past.mirror)), None)
        if touch is None or touch.commit.parent is None:
            break
        moment = past.at(touch.commit.parent)
    if moment.faults:
        raise DeclarationError(first.faults)
    return moment


def steps_from(commit: str, mirror: Mirror) -> Iterator[Step]:
    """The first-parent line from a commit, newest first."""
    for each in mirror.first_parents(commit):
        yield Step(each, tuple(mirror.changes(each.parent, each.id)))


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") or not folder for folder in folders)


def _literal(documents: Iterable[Document], manifest: Manifest) -> object:
    """The body of the one object in a file that a manifest is made of; None when there is none, or more than one."""
    found = [body for document in documents for _, body in _objects(document.body) if _is_of(body, manifest)]
    return found[0] if len(found) == 1 else None


def _objects(body: object, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every object of a document and the way to it: a ``List`` holds several."""
    items = body.get("items") if isinstance(body, dict) and body.get("kind") == "List" else None
    if not isinstance(items, list):
        yield prefix, body
        return
    for place, item in enumerate(items):
        yield from _objects(item, (*prefix, "items", place))


def _is_of(body: object, manifest: Manifest) -> bool:
    """Whether an object in a file is what a manifest was made of; the application may have completed its namespace."""
    try:
        key = Key.of(body) if isinstance(body, dict) else None
    except (KeyError, TypeError):
        return False
    wanted = manifest.key
    if key is None or (key.kind, key.group, key.name) != (wanted.kind, wanted.group, wanted.name):
        return False
    return key.namespace in ("", wanted.namespace)
