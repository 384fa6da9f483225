"""The message of a revert commit, and how it is known again."""

from datetime import UTC, datetime

import pytest

from trueup.engine.revert import Undo, message_of, undo_of
from trueup.toolkit.git.history import Commit

UNDO = Undo("web", "b" * 40, "a" * 40)


def commit(message: str) -> Commit:
    return Commit("c" * 40, (), "d" * 40, "Ada", "ada@example.org", datetime(2026, 1, 1, tzinfo=UTC), message)


def test_the_message_names_what_is_taken_back_why_and_between_which_revisions() -> None:
    assert message_of(UNDO, "grow", "it hurts").splitlines() == [
        'Revert "grow" for web',
        "",
        "it hurts",
        "",
        "Trueup-Application: web",
        f"Trueup-From: {'b' * 40}",
        f"Trueup-To: {'a' * 40}",
    ]


@pytest.mark.parametrize("reason", ["", "it hurts", "two\n\nparagraphs", "Trueup-To: nowhere", "a\x1b[31mb\rc", "  \n "])
def test_a_commit_of_ours_is_known_again_whatever_the_reason(reason: str) -> None:
    message = message_of(UNDO, 'say "no" \x07', reason)
    assert undo_of(commit(message)) == UNDO
    assert message.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "message",
    [
        "",
        "grow",
        f"{message_of(UNDO, 'grow', '')}\nand more below",
        message_of(UNDO, "grow", "").replace("Trueup-From", "From"),
        "Trueup-Application: web",
    ],
)
def test_the_commits_of_others_are_not_ours(message: str) -> None:
    assert undo_of(commit(message)) is None
