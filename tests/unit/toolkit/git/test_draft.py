import asyncio
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace, git, pushed
from trueup.model.errors import DeclarationError, Outdated, Refused
from trueup.toolkit.git.draft import Content, Draft, Person
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.git.remote import remote

TRUEUP = Person("Trueup", "trueup@example.org")


def draft(mirror: Mirror, parent: str, **files: str | None) -> Draft:
    contents = {path: None if text is None else Content(0o100644, mirror.store(text.encode())) for path, text in files.items()}
    return Draft(parent, contents, "Revert\n\nTrueup-To: x\n", TRUEUP)


async def test_a_commit_is_made_and_pushed(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a/b": "1", "a/c/d": "1", "e": "1", "file": "1"})
    head = await mirror.head()
    files = {"a/b": Content(0o100755, mirror.store(b"2")), "a/c/d": None, "new/x": Content(0o100644, mirror.store(b"3")), "no": None}
    files |= {"file/inner": Content(0o100644, mirror.store(b"4"))}
    commit = await pushed(mirror, Draft(head.commit, files, "Revert\n", TRUEUP), head.name)
    workplace.git("pull", "-q")
    assert workplace.head() == commit
    assert workplace.git("ls-tree", "-r", "--name-only", "HEAD").split() == ["a/b", "e", "file/inner", "new/x"]
    assert workplace.git("ls-tree", "HEAD", "a/b").startswith("100755")
    assert workplace.git("log", "-1", "--format=%an <%ae> %cn %s %P") == f"Trueup <trueup@example.org> Trueup Revert {head.commit}"
    assert workplace.git("fsck", "--strict") == ""


async def test_a_branch_that_moved_meanwhile_is_outdated(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    head = await mirror.head()
    newer = workplace.commit({"a": "2"})
    with pytest.raises(Outdated):
        await pushed(mirror, draft(mirror, head.commit, a="3"), head.name)
    assert git(workplace.origin, "rev-parse", "main") == newer
    again = await mirror.head()
    commit = await pushed(mirror, draft(mirror, again.commit, a="3"), again.name)
    assert git(workplace.origin, "rev-parse", "main") == commit


async def test_a_branch_that_was_deleted_is_not_made_again(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    workplace.push("origin", "HEAD:other")
    head = await mirror.head("other")
    git(workplace.origin, "branch", "-D", "other")
    with pytest.raises(Outdated):
        await pushed(mirror, draft(mirror, head.commit, a="3"), head.name)


async def test_a_new_branch_is_pushed_once(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    head = await mirror.head()
    commit = await pushed(mirror, draft(mirror, head.commit, a="0"), "refs/heads/trueup/rollback", new=True)
    assert git(workplace.origin, "rev-parse", "trueup/rollback") == commit
    with pytest.raises(Outdated):
        await pushed(mirror, draft(mirror, head.commit, a="9"), "refs/heads/trueup/rollback", new=True)


async def test_a_hook_that_says_no_is_quoted(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    head = await mirror.head()
    hook = workplace.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nprintf 'main is \\033[31mprotected\\033[0m: see https://bob:s3cret@host/x\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Refused) as caught:
        await pushed(mirror, draft(mirror, head.commit, a="2"), head.name)
    assert "protected" in caught.value.message
    assert "\033" not in caught.value.message
    assert "s3cret" not in caught.value.message
    assert git(workplace.origin, "rev-parse", "main") == commit


async def test_two_who_push_at_once_both_get_in_after_another_look(workplace: Workplace, mirror: Mirror, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})

    async def insist(name: str) -> None:
        own = Mirror(tmp_path / name, mirror.remote)
        for _ in range(20):
            head = await own.head()
            try:
                await pushed(own, draft(own, head.commit, **{name: "1"}), head.name)
                return
            except Outdated:
                continue

    await asyncio.gather(*(insist(f"writer{number}") for number in range(4)))
    workplace.git("pull", "-q")
    assert sorted(path.name for path in workplace.clone.glob("writer*")) == ["writer0", "writer1", "writer2", "writer3"]


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", ".git/config", "a/.git/hooks/x", ""])
async def test_a_file_is_not_put_outside_the_tree(workplace: Workplace, mirror: Mirror, path: str) -> None:
    commit = workplace.commit({"a": "1"})
    head = await mirror.head()
    with pytest.raises(DeclarationError):
        await pushed(mirror, Draft(head.commit, {path: Content(0o100644, mirror.store(b"x"))}, "x", TRUEUP), head.name)
    assert git(workplace.origin, "rev-parse", "main") == commit


async def test_a_clone_without_a_remote_takes_the_commit_into_its_clean_work_tree(workplace: Workplace, tmp_path: Path) -> None:
    first = workplace.commit({"a.txt": "one\n"}, push=False)
    mirror = Mirror(tmp_path / "own", remote(str(workplace.clone)))
    head = await mirror.head("main")
    await mirror.fetch(head)
    draft = Draft(first, {"a.txt": Content(0o100644, mirror.store(b"two\n"))}, "change", TRUEUP)
    made = await pushed(mirror, draft, head.name)
    assert workplace.head() == made
    assert (workplace.clone / "a.txt").read_text() == "two\n"
    assert workplace.git("status", "--porcelain") == ""


async def test_what_a_person_has_not_committed_is_never_overwritten(workplace: Workplace, tmp_path: Path) -> None:
    first = workplace.commit({"a.txt": "one\n"}, push=False)
    mirror = Mirror(tmp_path / "own", remote(str(workplace.clone)))
    head = await mirror.head("main")
    await mirror.fetch(head)
    workplace.write({"a.txt": "mine\n"})
    draft = Draft(first, {"a.txt": Content(0o100644, mirror.store(b"two\n"))}, "change", TRUEUP)
    with pytest.raises(Refused, match="refused the push"):
        await pushed(mirror, draft, head.name)
    assert workplace.head() == first
    assert (workplace.clone / "a.txt").read_text() == "mine\n"


async def test_what_a_commit_has_can_be_had_back_as_it_was(workplace: Workplace, mirror: Mirror) -> None:
    workplace.write({"run": "1", "gone": "1"})
    (workplace.clone / "run").chmod(0o755)
    (workplace.clone / "link").symlink_to("run")
    before = workplace.commit({})
    for name in ("link", "gone"):
        (workplace.clone / name).unlink()
    workplace.commit({"run": "2", "link": "no link", "came": "1"})
    head = await mirror.head()
    files = {path: mirror.content(before, path) for path in ("run", "link", "gone", "came", "never/there")}
    commit = await pushed(mirror, Draft(head.commit, files, "Revert\n", TRUEUP), head.name)
    assert git(workplace.origin, "diff", "--raw", before, commit) == ""
