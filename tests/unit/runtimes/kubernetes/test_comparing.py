"""What differs, and what was seen."""

from typing import Any

from tests.unit.runtimes.kubernetes.objects import OWNER, config_map, live, managed, marked, wanted
from trueup.model.application import Ignore
from trueup.model.secret import MASK, Secret
from trueup.runtimes.kubernetes.comparing import changes_between, declared_changes, seen_of

OURS = managed("trueup", {"f:data": {"f:colour": {}}}, "Apply")


def ours(data: dict[str, Any], *others: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return marked(config_map(data, managedFields=[OURS, *others], **metadata))


def test_status_and_what_the_server_keeps_are_no_difference() -> None:
    before = ours({"colour": "red"})
    after = {**ours({"colour": "red"}, resourceVersion="8", generation=4, uid="u2"), "status": {"phase": "x"}}
    assert changes_between(before, after, frozenset()) == ()


def test_the_commit_at_which_it_was_written_is_no_difference() -> None:
    assert changes_between(ours({}), marked(config_map({}), "2" * 40), frozenset()) == ()


def test_a_secret_shows_on_neither_side() -> None:
    def secret(value: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": value}}

    [change] = changes_between(secret("b25l"), secret("dHdv"), frozenset())
    assert (change.path, change.before, change.after) == ("data.password", MASK, MASK)


def test_a_value_that_git_calls_secret_is_hidden_wherever_it_shows() -> None:
    [change] = changes_between(config_map({"a": "old"}), config_map({"a": "correct-horse"}), frozenset({"correct-horse"}))
    assert change.after == MASK


def test_what_is_seen_moves_with_what_we_own_and_not_with_what_a_controller_keeps() -> None:
    want = wanted(config_map({"colour": "red"}))
    autoscaler = managed("autoscaler", {"f:data": {"f:size": {}}})
    before = seen_of(live(ours({"colour": "red", "size": "1"}, autoscaler)), OWNER, want)
    assert seen_of(live(ours({"colour": "red", "size": "2"}, autoscaler)), OWNER, want) == before
    assert seen_of(live(ours({"colour": "blue", "size": "1"}, autoscaler)), OWNER, want) != before
    assert seen_of(live(ours({"colour": "red", "size": "1"}, autoscaler, uid="u2")), OWNER, want) != before


def test_what_a_hand_adds_is_seen() -> None:
    want = wanted(config_map({"colour": "red"}))
    hand = managed("kubectl-edit", {"f:data": {"f:more": {}}})
    assert seen_of(live(ours({"colour": "red"})), OWNER, want) != seen_of(live(ours({"colour": "red", "more": "x"}, hand)), OWNER, want)


def test_a_declared_field_is_seen_whoever_owns_it_and_not_when_it_is_ignored() -> None:
    free, bound = wanted(config_map({"colour": "red"}), rules=(Ignore(field="data.colour"),)), wanted(config_map({"colour": "red"}))
    one, other = (live(marked(config_map({"colour": colour}))) for colour in ("blue", "green"))
    assert seen_of(one, OWNER, bound) != seen_of(other, OWNER, bound)
    assert seen_of(one, OWNER, free) == seen_of(other, OWNER, free)


def test_of_another_owner_everything_is_seen() -> None:
    one, other = (live(config_map({"colour": "red", "size": size})) for size in "12")
    assert seen_of(one, OWNER, None) != seen_of(other, OWNER, None)


def test_a_digest_holds_no_secret_from_which_it_could_be_guessed() -> None:
    def secret(value: str, version: str) -> dict[str, Any]:
        named = {"name": "s", "namespace": "shop", "uid": "u", "resourceVersion": version}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": {"password": value}}

    same, other = secret("b25l", "1"), secret("dHdv", "1")
    assert seen_of(live(same), OWNER, None) == seen_of(live(other), OWNER, None)
    assert seen_of(live(same), OWNER, None) != seen_of(live(secret("b25l", "2")), OWNER, None)


def test_without_the_servers_word_only_declared_fields_are_compared() -> None:
    want = wanted(config_map({"colour": "red", "key": Secret("a-value", "file")}))
    assert declared_changes(want, live(config_map({"colour": "red", "key": "a-value", "defaulted": "x"}))) == ()
    [change] = declared_changes(want, live(config_map({"colour": "blue", "key": "a-value"})))
    assert (change.path, change.before, change.after) == ("data.colour", "blue", "red")
