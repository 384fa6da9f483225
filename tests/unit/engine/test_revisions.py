"""An application's own revision is the same, whether its repository was watched all along or is looked at for the first time."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as make

from tests.end_to_end.estate import application, documents, target, thing
from tests.unit.engine.histories import Files, Following, History
from trueup.model.contracts import Tree
from trueup.model.memory import Input
from trueup.toolkit.git.mirror import Mirror

BROKEN = "a: [\n"
_TAKEN = thing("taken", source="/shared/x")
_WHOLE = thing("whole", source="/shared")
_DEEP = application("deep", path=".", render={"with": "plain", "recurse": True})

# What each file may be. None: it is not there.
CHOICES: dict[str, list[str | None]] = {
    "trueup.yaml": [
        documents(target(), application("flat")),
        documents(target(), application("flat", labels={"a": "b"})),
        documents(target(), target("there"), application("flat", target="there")),
        documents(target(), application("flat", dependsOn=["taking"])),
        documents(application("flat")),
        documents(target(), application("flat"), application("deep", path="deep")),
        BROKEN,
        None,
    ],
    "targets.trueup.yaml": [None, documents(target()), documents(target(delay="1ms")), documents(target("there"))],
    "deep/trueup.yaml": [documents(_DEEP), documents({**_DEEP, "metadata": {"name": "deep", "labels": {"a": "b"}}}), BROKEN, None],
    "taking/trueup.yaml": [
        documents(application("taking", path=".")),
        documents(application("taking", path=".", dependsOn=["deep"])),
        None,
    ],
    "moved/trueup.yaml": [None, None, documents(application("taking", path="/taking"))],
    ".trueupignore": [None, None, "deep/\n"],
    "flat/one.yaml": [documents(thing("one")), documents(thing("one", size=2)), BROKEN, None],
    "flat/two.yaml": [documents(thing("two")), documents(thing("one")), None],
    "flat/linked.yaml": [None, "-> ../shared/x"],
    "flat/below/three.yaml": [documents(thing("three")), None],
    "deep/one.json": ['{"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "one"}}', None],
    "deep/below/two.yaml": [documents(thing("deep")), "#! not yaml: [", documents(thing("deep", size=2)), None],
    "deep/folder": [None, "-> ../shared"],
    "taking/one.yaml": [documents(_TAKEN), documents(_WHOLE), documents(thing("plain")), documents(_TAKEN, _WHOLE)],
    "shared/x": [documents(thing("x")), documents(thing("x", size=2)), "#!" + documents(thing("x")), None],
    "shared/y/z": ["1", "2", None],
    "shared/link": [None, "-> ../noise", "-> y", "-> nowhere"],
    "root.trueup.yaml": [None, documents(application("root", path="/")), documents(application("root", "there", path="flat"))],
    "rooted.yaml": [None, documents(thing("rooted")), documents(thing("rooted", source="noise"))],
    "noise": ["1", "2", None],
}


@dataclass(frozen=True)
class Pushed:
    """A commit that is the head for a while."""

    commit: str
    files: Files
    seen: bool


@dataclass(frozen=True)
class Drawn:
    """One commit of a history: what it changes, what it is, and whether the watcher sees it as a head."""

    edits: tuple[tuple[str, str | None], ...]
    kind: str
    seen: bool


_edit = make.sampled_from(sorted(CHOICES)).flatmap(lambda path: make.tuples(make.just(path), make.sampled_from(CHOICES[path])))
_commit = make.builds(
    Drawn,
    edits=make.lists(_edit, min_size=0, max_size=3).map(tuple),
    kind=make.sampled_from(["plain"] * 5 + ["merge", "foxtrot", "back", "rewritten"]),
    seen=make.sampled_from([True, True, False]),
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(make.lists(_commit, min_size=2, max_size=9))
def test_a_watcher_and_a_newcomer_see_the_same_revisions(drawn: list[Drawn]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        watcher = Following(Path(folder, "watcher"), history.mirror)
        commits = _mended(history, list(_written(history, drawn)))
        for pushed in commits:
            if pushed.seen or pushed is commits[-1]:
                watcher.step(pushed.commit)
        newcomer = Following(Path(folder, "newcomer"), history.mirror)
        newcomer.step(commits[-1].commit)
        try:
            _compare(watcher, newcomer, history.mirror, commits[-1].commit)
        finally:
            watcher.close()
            newcomer.close()


def _mended(history: History, commits: list[Pushed]) -> list[Pushed]:
    """With a last commit that mends the declarations that cannot be read: what they said is known to the watcher alone."""
    last = commits[-1]
    mended = {path: CHOICES[path][0] or "" for path, content in last.files.items() if content == BROKEN and path.endswith("trueup.yaml")}
    return [*commits, Pushed(history.commit({**last.files, **mended}, last.commit), {**last.files, **mended}, True)] if mended else commits


def _written(history: History, drawn: Sequence[Drawn]) -> Iterator[Pushed]:
    """Each commit of the first-parent line as it comes to be the head."""
    files: Files = {path: choices[0] for path, choices in CHOICES.items() if choices[0] is not None}
    head = first = history.commit(files)
    earlier = [files]
    yield Pushed(head, files, True)
    for each in drawn:
        before, files = head, {**files}
        for path, content in each.edits:
            files.pop(path, None)
            if content is not None:
                files[path] = content
        if each.kind == "back":
            files = earlier[-2 if len(earlier) > 1 else -1]
        if each.kind == "rewritten":
            head = history.commit(files, first)
        elif each.kind in ("merge", "foxtrot"):
            side = history.commit({**earlier[0], **dict.fromkeys(["noise", "shared/y/z"], "side")}, before)
            head = history.commit(files, before, side) if each.kind == "merge" else history.commit(files, side, before)
        else:
            head = history.commit(files, before)
        earlier.append(files)
        yield Pushed(head, files, each.seen)


def _compare(watcher: Following, newcomer: Following, mirror: Mirror, head: str) -> None:
    known = {name: each for name, each in watcher.declared.items() if not each.faults and not each.absent}
    new = {name: each for name, each in newcomer.declared.items() if not each.faults and not each.absent}
    assert watcher.faults == newcomer.faults
    assert sorted(known) == sorted(new)
    for name, declared in new.items():
        assert watcher.inputs(name) == newcomer.inputs(name)
        assert (name, known[name].digest, known[name].keys) == (name, declared.digest, declared.keys)
        assert (name, declared.revision) == (name, _revision(newcomer.inputs(name), mirror, head))
        assert (name, known[name].revision) == (name, declared.revision)


def _revision(inputs: set[Input], mirror: Mirror, head: str) -> str:
    """The definition, word for word: the newest commit whose tree differs from its first parent's in one of the inputs."""
    for commit in mirror.first_parents(head):
        tree = mirror.tree(commit.id)
        before = mirror.tree(commit.parent) if commit.parent else None
        if any(_value(tree, each) != (_value(before, each) if before else None) for each in inputs):
            return commit.id
    raise AssertionError("no commit made any of the inputs")


def _value(tree: Tree, given: Input) -> object:
    if given.kind == "folder":
        return tree.listing_id(given.path)
    if given.kind == "link":
        return tree.places(given.path)
    return tree.object_id(given.path), tree.mode(given.path)
