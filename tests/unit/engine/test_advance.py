"""One step of a catalog: what is rendered, dated and woken, what is held, and what nothing is concluded from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.estate import application, documents, target, thing
from tests.unit.engine.histories import Files, Following, History
from trueup.engine import dating
from trueup.model.errors import Held
from trueup.model.memory import Advance


class Steps:
    """A history that is written and followed commit by commit."""

    def __init__(self, folder: Path) -> None:
        self.history = History(folder)
        self.following = Following(folder / "state", self.history.mirror)
        self.files: Files = {}
        self.head = ""

    def commit(self, changes: dict[str, str | None]) -> str:
        """Commit these changes; None takes a file away."""
        merged: dict[str, str | None] = {**self.files, **changes}
        self.files = {path: content for path, content in merged.items() if content is not None}
        self.head = self.history.commit(self.files, *([self.head] if self.head else []))
        return self.head

    def step(self, changes: dict[str, str | None]) -> Advance:
        """Commit these changes and follow."""
        return self.following.step(self.commit(changes))


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    """Three applications on one target."""
    made = Steps(tmp_path)
    made.step({"trueup.yaml": documents(target()), **apps("one", "two", "three")})
    yield made
    made.following.close()


def apps(*names: str) -> dict[str, str | None]:
    """Applications with one thing each, in folders of their own."""
    files: dict[str, str | None] = {f"{name}/trueup.yaml": documents(application(name, path=".")) for name in names}
    return {**files, **{f"{name}/thing.yaml": documents(thing(name)) for name in names}}


def without(*names: str) -> dict[str, str | None]:
    """Applications that are gone."""
    return dict.fromkeys(apps(*names))


def woken(step: Advance) -> list[str]:
    """Who is to be walked."""
    return sorted(address.application for address in step.wake)


def test_only_what_a_commit_touches_is_rendered_and_woken(steps: Steps) -> None:
    before = steps.following.renders.count
    step = steps.step({"two/thing.yaml": documents(thing("two", size=2)), "noise": "1"})
    assert (woken(step), steps.following.renders.count - before) == (["two"], 1)


def test_a_file_that_nobody_reads_is_no_reason_to_render(steps: Steps) -> None:
    steps.step({"two/notes.txt": "1"})
    before = steps.following.renders.count
    step = steps.step({"two/notes.txt": "2", "two/below/deep.yaml": None, "README.md": "x"})
    assert (woken(step), steps.following.renders.count) == ([], before)


def test_a_change_that_was_taken_back_between_two_looks_moves_the_revision_all_the_same(steps: Steps) -> None:
    digest = steps.following.declared["two"].digest
    steps.commit({"two/thing.yaml": documents(thing("two", size=2))})
    back = steps.commit({"two/thing.yaml": documents(thing("two"))})
    step = steps.step({"noise": "1"})
    two = steps.following.declared["two"]
    assert (woken(step), two.revision, two.digest) == (["two"], back, digest)


def test_a_target_that_changes_touches_all_that_is_on_it(steps: Steps) -> None:
    step = steps.step({"trueup.yaml": documents(target(delay="1ms"))})
    assert woken(step) == ["one", "three", "two"]
    assert [each.name for each in step.targets] == ["here"]


def test_ten_applications_may_go_at_once_and_eleven_are_held_whole(steps: Steps) -> None:
    many = [f"app{number}" for number in range(21)]
    steps.step(apps(*many))
    assert sorted(steps.step(without(*many[:10])).removed) == sorted(many[:10])
    with pytest.raises(Held) as raised:
        steps.step(without(*many[10:]))
    assert raised.value.kind == "removal"
    assert set(many[10:]) < set(steps.following.declared)
    steps.following.released = frozenset({steps.head})
    assert sorted(steps.following.step(steps.head).removed) == sorted(many[10:])


def test_what_moves_to_another_file_is_not_gone(steps: Steps) -> None:
    step = steps.step({"one/trueup.yaml": None, "all.trueup.yaml": documents(application("one", path="one"))})
    assert (step.removed, woken(step)) == ([], ["one"])


def test_nothing_is_concluded_from_absence_while_a_file_is_broken(steps: Steps) -> None:
    step = steps.step({**without("one"), "two/trueup.yaml": "a: [\n"})
    declared = steps.following.declared
    assert (step.removed, declared["one"].absent, declared["two"].absent) == ([], True, False)
    assert [fault.file for fault in declared["two"].faults] == ["two/trueup.yaml"]
    assert steps.step({"noise": "1"}).removed == []
    assert steps.step({"two/trueup.yaml": documents(application("two", path="."))}).removed == ["one"]


def test_a_manifest_that_is_broken_hinders_no_removal(steps: Steps) -> None:
    assert steps.step({**without("one"), "two/thing.yaml": "a: [\n"}).removed == ["one"]


def test_what_is_faulty_keeps_everything_of_when_it_was_right(steps: Steps) -> None:
    before = steps.following.declared["two"]
    steps.step({"two/thing.yaml": "a: [\n"})
    faulty = steps.following.declared["two"]
    assert (faulty.revision, faulty.digest, faulty.keys) == (before.revision, before.digest, before.keys)
    assert faulty.faults[0].place == "two/thing.yaml:2"


def test_a_second_declaration_of_a_target_leaves_its_applications_as_they_are(steps: Steps) -> None:
    step = steps.step({"other.trueup.yaml": documents(target(delay="9s"))})
    assert (step.targets, sorted({fault.file for fault in steps.following.faults})) == ([], ["other.trueup.yaml", "trueup.yaml"])
    assert all(each.faults for each in steps.following.declared.values())
    steps.step({"other.trueup.yaml": None})
    assert not any(each.faults for each in steps.following.declared.values())


def test_a_target_with_something_on_it_is_known_until_it_is_empty(steps: Steps) -> None:
    steps.following.occupied = frozenset({"here"})
    gone = {**without("one", "two", "three"), "trueup.yaml": documents(target("there"))}
    assert steps.step(gone).removed_targets == []
    assert [each.file for each in steps.following.memory.targets(steps.following.repository.identity)] == ["", "trueup.yaml"]
    assert "target `here` does not exist" in str(steps.step(apps("four")).followed.faults)
    steps.following.occupied = frozenset()
    assert steps.step({"noise": "1"}).removed_targets == ["here"]


def test_a_commit_that_is_not_here_any_more_is_no_trouble(steps: Steps, tmp_path: Path) -> None:
    followed = steps.following.memory.followed(steps.following.repository.identity)
    assert followed is not None
    elsewhere = Steps(tmp_path / "elsewhere")
    commit = elsewhere.commit({**steps.files, "two/thing.yaml": documents(thing("two", size=2))})
    steps.following.mirror = elsewhere.history.mirror
    step = steps.following.step(commit)
    assert step.followed.commit == commit
    assert steps.following.declared["two"].revision == commit
    elsewhere.following.close()


def test_a_history_that_is_too_long_for_now_leaves_revisions_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.engine.advance.EXACT_COMMITS", 3)
    steps = Steps(tmp_path)
    steps.commit({"trueup.yaml": documents(target()), **apps("one", "two")})
    for number in range(3):
        steps.commit({"noise": str(number)})
    recent = steps.commit({"two/thing.yaml": documents(thing("two", size=2))})
    step = steps.following.step(steps.head)
    declared = steps.following.declared
    assert step.followed.inexact
    assert [(declared[name].revision, declared[name].exact) for name in ("one", "two")] == [(steps.head, False), (recent, True)]
    inputs = {"one": steps.following.memory.inputs(steps.following.repository.identity, "one")}
    first = list(steps.history.mirror.first_parents(steps.head))[-1].id
    assert dating.dates(inputs, steps.head, steps.history.mirror, 0) == {"one": (first, True)}
    steps.following.close()


def test_what_a_target_meant_before_stays_known_while_something_is_there(steps: Steps) -> None:
    assert steps.step({"trueup.yaml": documents(target(file="nobody"))}).repointed == {}
    steps.following.occupied = frozenset({"here"})
    assert steps.step({"trueup.yaml": documents(target(file="nobody", delay="1s"))}).repointed == {}, "it is the same place"
    before = steps.head
    step = steps.step({"trueup.yaml": documents(target(file="somebody"))})
    former = f"here@{before[:7]}"
    assert step.repointed == {"here": former}
    known = {each.name: each for each in steps.following.memory.targets(steps.following.repository.identity)}
    assert (known[former].spec.options["file"], known[former].home) == ("nobody", "here")
    assert step.followed.faults == ()
    steps.following.occupied = frozenset()
    assert steps.step({"other.trueup.yaml": documents(target("other"))}).removed_targets == [former], "nothing is there any more"
