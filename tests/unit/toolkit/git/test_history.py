from datetime import datetime, timedelta, timezone

import pytest

from tests.testbed.repositories import Workplace
from trueup.model.errors import DeclarationError, Unreachable, UsageError
from trueup.toolkit.git.history import Line, PathChange
from trueup.toolkit.git.mirror import Mirror


async def test_a_commit_says_who_when_and_what(workplace: Workplace, mirror: Mirror) -> None:
    workplace.write({"a": "1"})
    workplace.git("add", "--all")
    date = {"GIT_AUTHOR_DATE": "2024-02-03T04:05:06+05:30", "GIT_AUTHOR_NAME": "Zoë", "GIT_AUTHOR_EMAIL": "z@example.org"}
    workplace.git("commit", "-q", "-m", "subject line\n\nbody", environment=date)
    workplace.push("origin", "main")
    found = mirror.commit((await mirror.head()).commit)
    assert (found.author, found.email, found.subject, found.parent) == ("Zoë", "z@example.org", "subject line", None)
    assert found.date == datetime(2024, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert found.message == "subject line\n\nbody\n"


async def test_the_first_parent_line_leaves_side_branches_out(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({"a": "1"})
    workplace.git("checkout", "-q", "-b", "side")
    side = workplace.commit({"b": "1"}, push=False)
    workplace.git("checkout", "-q", "main")
    second = workplace.commit({"a": "2"})
    workplace.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    workplace.push("origin", "main")
    head = await mirror.head()
    assert [found.id for found in mirror.first_parents(head.commit)] == [head.commit, second, first]
    assert [found.id for found in mirror.first_parents(head.commit, stop=first)] == [head.commit, second]
    assert mirror.contains(head.commit, side)
    assert not mirror.contains(second, side)
    assert not mirror.contains(head.commit, "0" * 40)


async def test_new_commits_come_by_any_parent(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({"a": "1"})
    workplace.git("checkout", "-q", "-b", "side")
    side = workplace.commit({"b": "1"}, push=False)
    workplace.git("checkout", "-q", "main")
    workplace.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    workplace.push("origin", "main")
    head = (await mirror.head()).commit
    assert set(mirror.new_commits(head, first)) == {head, side}
    assert mirror.new_commits(head, head) == []
    assert mirror.new_commits(head, None) == [head]


async def test_changes_name_every_path_that_differs(workplace: Workplace, mirror: Mirror) -> None:
    before = workplace.commit(
        {
            "same": "1",
            "edited": "1",
            "gone": "1",
            "mode": "1",
            "file": "1",
            "folder/x": "1",
            "was": "1",
            "old": "long enough to be a rename\n" * 9,
        }
    )
    workplace.write({"edited": "2", "gone": None, "new/a": "1", "file": None, "folder/x": None, "was": None, "old": None})
    workplace.write({"file/inner": "1", "moved": "long enough to be a rename\n" * 9})
    (workplace.clone / "folder").rmdir()
    workplace.write({"folder": "now a file"})
    (workplace.clone / "mode").chmod(0o755)
    (workplace.clone / "was").symlink_to("same")
    after = workplace.commit({})
    await mirror.head()
    assert mirror.changes(before, after) == [
        PathChange("edited", "modified"),
        PathChange("file", "deleted"),
        PathChange("file/inner", "added"),
        PathChange("folder", "added"),
        PathChange("folder/x", "deleted"),
        PathChange("gone", "deleted"),
        PathChange("mode", "modified"),
        PathChange("moved", "added"),
        PathChange("new/a", "added"),
        PathChange("old", "deleted"),
        PathChange("was", "added"),
        PathChange("was", "deleted"),
    ]


async def test_without_a_before_everything_is_added(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a/b": "1", "ü": "1"})
    await mirror.head()
    assert mirror.changes(None, commit) == [PathChange("a/b", "added"), PathChange("ü", "added")]
    assert mirror.changes(commit, commit) == []


async def test_blame_names_the_commit_and_the_line_in_it(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({"a ü.yaml": "one\ntwo\nthree\n"})
    second = workplace.commit({"a ü.yaml": "zero\none\nTWO\nthree\n"})
    await mirror.head()
    found = await mirror.blame(Line(second, "a ü.yaml", 3))
    assert (found.commit.id, found.path, found.line) == (second, "a ü.yaml", 3)
    found = await mirror.blame(Line(second, "a ü.yaml", 4))
    assert (found.commit.id, found.line) == (first, 3)


async def test_blame_along_first_parents_names_the_merge(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "one\n"})
    workplace.git("checkout", "-q", "-b", "side")
    side = workplace.commit({"a": "one\ntwo\n"}, push=False)
    workplace.git("checkout", "-q", "main")
    workplace.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    workplace.push("origin", "main")
    head = (await mirror.head()).commit
    assert (await mirror.blame(Line(head, "a", 2))).commit.id == side
    assert (await mirror.blame(Line(head, "a", 2), first_parent=True)).commit.id == head


async def test_blame_of_a_line_that_is_not_there_is_told(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "one\n"})
    await mirror.head()
    for line in (Line(commit, "a", 2), Line(commit, "b", 1)):
        with pytest.raises(DeclarationError, match="no line"):
            await mirror.blame(line)


async def test_an_abbreviated_commit_is_completed(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "one\n"})
    await mirror.head()
    assert mirror.complete(commit[:8]) == commit
    for nothing in ("0000000", "main", workplace.git("rev-parse", "HEAD:a")):
        with pytest.raises(UsageError):
            mirror.complete(nothing)


async def test_a_commit_that_is_not_here_is_unreachable(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "one\n"})
    await mirror.head()
    with pytest.raises(Unreachable):
        mirror.commit("1" * 40)


@pytest.mark.parametrize("encoding", ["latin-1", "no-such-encoding", "utf-8"])
async def test_a_commit_in_another_encoding_is_read(workplace: Workplace, mirror: Mirror, encoding: str) -> None:
    head, _, _ = workplace.git("cat-file", "commit", workplace.commit({"a": "1"})).partition("\n\n")
    content = f"{head}\nencoding {encoding}\n\nGrüße\n".replace("author Test", "author Zoë").encode("latin-1")
    workplace.write({"made": content})
    made = workplace.git("hash-object", "-t", "commit", "-w", "made")
    workplace.push("--force", "origin", f"{made}:main")
    found = mirror.commit((await mirror.head()).commit)
    assert (found.author, found.subject) == (("Zoë", "Grüße") if encoding == "latin-1" else ("Zo\ufffd", "Gr\ufffd\ufffde"))


async def test_a_date_beyond_every_calendar_is_no_crash(workplace: Workplace, mirror: Mirror) -> None:
    workplace.write({"a": "1"})
    workplace.git("add", "--all")
    workplace.git("commit", "-q", "-m", "far", environment={"GIT_AUTHOR_DATE": "@99999999999999 +0000"})
    workplace.push("origin", "main")
    assert mirror.commit((await mirror.head()).commit).date.year == 9999
