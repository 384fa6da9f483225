import os
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace, git
from trueup.model.errors import SettingsError, Unreachable
from trueup.toolkit.git.mirror import Head, Mirror
from trueup.toolkit.git.remote import remote
from trueup.toolkit.process import Limits


async def test_the_head_is_followed_from_commit_to_commit(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({"a": "1"})
    assert await mirror.head() == Head("refs/heads/main", first)
    second = workplace.commit({"a": "2"})
    head = await mirror.head()
    assert (head.commit, head.branch) == (second, "main")
    await mirror.fetch(head)
    assert mirror.tree(second).read("a") == b"2"
    assert mirror.tree(first).read("a") == b"1"


async def test_a_new_default_branch_is_noticed(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    await mirror.head()
    workplace.commit({"a": "2"}, push=False)
    workplace.push("origin", "HEAD:trunk")
    git(workplace.origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    assert await mirror.head() == Head("refs/heads/trunk", workplace.head())


async def test_the_default_branch_is_asked_for_once(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({"a": "1"})
    assert await mirror.head() == Head("refs/heads/main", first)
    second = workplace.commit({"a": "2"})
    later = Mirror(mirror.folder.parent, mirror.remote, request=Limits(deadline=0))
    assert await later.head() == Head("refs/heads/main", second)


async def test_a_detached_head_has_no_branch(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    git(workplace.origin, "update-ref", "--no-deref", "HEAD", commit)
    (workplace.origin / "HEAD").write_text(commit + "\n")
    head = await mirror.head()
    assert (head.commit, head.branch) == (commit, "")


async def test_branches_tags_and_commits_are_references(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({"a": "1"})
    workplace.git("tag", "-a", "v1", "-m", "annotated")
    workplace.git("tag", "light")
    second = workplace.commit({"a": "2"})
    workplace.push("origin", "HEAD:feature/x", "v1", "light")
    assert await mirror.head("feature/x") == Head("refs/heads/feature/x", second)
    assert await mirror.head("v1") == Head("refs/tags/v1", first)
    assert await mirror.head("light") == Head("refs/tags/light", first)
    assert await mirror.head("refs/tags/v1") == Head("refs/tags/v1", first)
    assert await mirror.head(first) == Head("", first)


async def test_a_branch_goes_before_a_tag_of_the_same_name(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    workplace.git("tag", "stable")
    second = workplace.commit({"a": "2"})
    workplace.push("origin", "refs/tags/stable", "HEAD:refs/heads/stable")
    assert (await mirror.head("stable")).commit == second


async def test_the_newest_tag_in_a_range_is_followed(workplace: Workplace, mirror: Mirror) -> None:
    for version in ("v1.0.0", "v1.2.0", "v2.0.0"):
        workplace.commit({"a": version})
        workplace.git("tag", "-a", version, "-m", version)
    workplace.push("origin", "--tags")
    assert await mirror.head("1.x") == Head("refs/tags/v1.2.0", workplace.git("rev-parse", "v1.2.0^{}"))
    with pytest.raises(Unreachable, match="no tag") as caught:
        await mirror.head(">=3")
    assert "v2.0.0" in caught.value.hint


async def test_a_commit_of_any_branch_is_fetched_by_its_id(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    workplace.git("checkout", "-q", "-b", "side")
    side = workplace.commit({"a": "2"}, push=False)
    workplace.push("origin", "side")
    await mirror.head()
    assert not mirror.has(side)
    await mirror.fetch(Head("", side))
    assert mirror.tree(side).read("a") == b"2"
    with pytest.raises(Unreachable, match="has no commit"):
        await mirror.fetch(Head("", "1" * 40))


async def test_what_is_here_is_not_asked_for_again(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    head = await mirror.head()
    workplace.origin.rename(workplace.origin.with_name("gone.git"))
    await mirror.fetch(head)


async def test_a_rewritten_branch_is_seen(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    accepted = workplace.commit({"a": "2"})
    await mirror.head()
    workplace.git("reset", "-q", "--hard", "HEAD~1")
    rewritten = workplace.commit({"a": "3"})
    assert (await mirror.head()).commit == rewritten
    assert not mirror.contains(rewritten, accepted)
    assert mirror.tree(accepted).read("a") == b"2"


async def test_a_branch_may_become_a_folder_of_branches(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    workplace.push("origin", "HEAD:refs/heads/team")
    await mirror.head("team")
    workplace.push("origin", ":refs/heads/team", "HEAD:refs/heads/team/x")
    assert (await mirror.head("team/x")).commit == commit


async def test_a_missing_branch_is_told_with_those_that_exist(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    with pytest.raises(Unreachable, match="there is no branch or tag `mian`") as caught:
        await mirror.head("mian")
    assert caught.value.hint == "branches there: main"


async def test_a_renamed_branch_is_told_and_nothing_is_lost(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    await mirror.head("main")
    workplace.push("origin", "HEAD:trunk")
    git(workplace.origin, "branch", "-D", "main")
    with pytest.raises(Unreachable, match="there is no branch or tag `main`") as caught:
        await mirror.head("main")
    assert "trunk" in caught.value.hint
    assert mirror.tree(commit).read("a") == b"1"


async def test_an_empty_repository_is_told(workplace: Workplace, mirror: Mirror) -> None:
    for reference in ("", "main"):
        with pytest.raises(Unreachable, match="is empty") as caught:
            await mirror.head(reference)
        assert caught.value.hint == "push a first commit"


async def test_a_head_that_points_nowhere_is_told(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    git(workplace.origin, "symbolic-ref", "HEAD", "refs/heads/gone")
    with pytest.raises(Unreachable, match="HEAD") as caught:
        await mirror.head()
    assert "main" in caught.value.hint


async def test_a_reference_cannot_be_an_option_or_a_pattern(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    for reference in ("-x", "a..b", "a b:c", "main:refs/heads/x", "*", "refs/heads/*", "a\tb", "x.lock", "@{-1}", "+main"):
        with pytest.raises((SettingsError, Unreachable)):
            await mirror.head(reference)
        assert not mirror.has(workplace.head()), reference


async def test_no_repository_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no repository at"):
        await Mirror(tmp_path / "m", remote(str(tmp_path / "nothing"))).head()


async def test_a_shallow_clone_and_another_kind_of_objects_are_told(workplace: Workplace, mirror: Mirror, tmp_path: Path) -> None:
    workplace.commit({"a": "1"})
    workplace.commit({"a": "2"})
    git(tmp_path, "clone", "-q", "--bare", "--depth=1", f"file://{workplace.origin}", "shallow")
    git(tmp_path, "init", "-q", "--object-format=sha256", "sha256")
    git(tmp_path / "sha256", "commit", "-q", "--allow-empty", "-m", "x")
    for name in ("shallow", "sha256"):
        with pytest.raises(SettingsError, match="shallow clone" if name == "shallow" else "SHA-256"):
            await Mirror(tmp_path / "m", remote(str(tmp_path / name))).head()


async def test_a_repository_of_another_user_is_read(workplace: Workplace, mirror: Mirror) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    commit = workplace.commit({"a": "1"})
    for path in (workplace.origin, *workplace.origin.rglob("*")):
        os.chown(path, 12345, 12345)
    assert (await mirror.head()).commit == commit


async def test_a_state_folder_of_another_user_is_read(workplace: Workplace, mirror: Mirror) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    commit = workplace.commit({"a": "1"})
    await mirror.head()
    for path in (mirror.folder, *mirror.folder.rglob("*")):
        os.chown(path, 12345, 12345)
    again = Mirror(mirror.folder.parent, mirror.remote)
    assert again.tree((await again.head()).commit).read("a") == b"1"
    assert again.has(commit)


async def test_the_configuration_of_a_person_does_not_run_hooks_here(workplace: Workplace, mirror: Mirror, tmp_path: Path) -> None:
    hook = tmp_path / "hooks/reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    workplace.commit({"a": "1"})
    with Path(os.environ["GIT_CONFIG_GLOBAL"]).open("a") as configuration:
        configuration.write(f"[core]\n\thooksPath = {hook.parent}\n")
    await mirror.head()
    assert not (tmp_path / "ran").exists()


async def test_the_surroundings_of_a_hook_do_not_lead_astray(workplace: Workplace, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = workplace.commit({"a": "1"})
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere")
    assert (await mirror.head()).commit == commit
