import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace, git
from trueup.model.errors import Outdated, Refused, SettingsError, Unreachable
from trueup.toolkit.git import repair
from trueup.toolkit.git.draft import Content, Draft, Person
from trueup.toolkit.git.lock import held
from trueup.toolkit.git.mirror import Head, Mirror
from trueup.toolkit.git.remote import remote
from trueup.toolkit.process import Limits

TRUEUP = Person("Trueup", "trueup@example.org")


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
    with pytest.raises(Unreachable, match="branch mian does not exist") as caught:
        await mirror.head("mian")
    assert caught.value.hint == "branches there: main"


async def test_a_renamed_branch_is_told_and_nothing_is_lost(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    await mirror.head("main")
    workplace.push("origin", "HEAD:trunk")
    git(workplace.origin, "branch", "-D", "main")
    with pytest.raises(Unreachable, match="branch main does not exist") as caught:
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


@pytest.mark.parametrize("reference", ["-x", "a..b", "a b:c", "+main", "main:refs/heads/x", "*", "refs/heads/*", "a\tb", "x.lock", "@{-1}"])
async def test_a_reference_cannot_be_an_option_or_a_pattern(workplace: Workplace, mirror: Mirror, reference: str) -> None:
    workplace.commit({"a": "1"})
    with pytest.raises((SettingsError, Unreachable)):
        await mirror.head(reference)
    assert not mirror.has(workplace.head())


async def test_no_repository_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no repository at"):
        await Mirror(tmp_path / "m", remote(str(tmp_path / "nothing"))).head()


async def test_a_repository_of_another_user_is_read(workplace: Workplace, mirror: Mirror) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    commit = workplace.commit({"a": "1"})
    for path in (workplace.origin, *workplace.origin.rglob("*")):
        os.chown(path, 12345, 12345)
    assert (await mirror.head()).commit == commit


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


# ---------------------------------------------------------------------- damage


async def test_a_lock_file_of_a_killed_fetch_is_removed(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    await mirror.head()
    for reference in mirror.objects.directory.glob("refs/trueup/*"):
        reference.with_name(reference.name + ".lock").touch()
    second = workplace.commit({"a": "2"})
    assert (await mirror.head()).commit == second


async def test_an_abandoned_pack_is_swept_and_a_young_one_is_not(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    await mirror.head()
    folder = mirror.objects.directory / "objects/pack"
    for name, age in (("tmp_pack_old", 4000), ("tmp_pack_young", 5)):
        (folder / name).write_bytes(b"PACK")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    await Mirror(mirror.folder.parent, mirror.remote).head()
    assert [path.name for path in folder.glob("tmp_*")] == ["tmp_pack_young"]


def unpack(mirror: Mirror) -> None:
    """Turn the packs into single files, which can be damaged one by one."""
    for pack in mirror.objects.directory.glob("objects/pack/*.pack"):
        moved = pack.rename(mirror.folder / pack.name)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as source:
            subprocess.run(["git", f"--git-dir={mirror.objects.directory}", "unpack-objects", "-q"], stdin=source, check=True)


def place_of(mirror: Mirror, object_id: str) -> Path:
    return mirror.objects.directory / "objects" / object_id[:2] / object_id[2:]


@pytest.mark.parametrize("lost", ["a", "a/b", "a/b/c"])
async def test_a_lost_object_is_never_an_absent_file(workplace: Workplace, mirror: Mirror, lost: str) -> None:
    commit = workplace.commit({"a/b/c": "1"})
    await mirror.head()
    unpack(mirror)
    place_of(mirror, workplace.git("rev-parse", f"HEAD:{lost}")).unlink()
    fresh = Mirror(mirror.folder.parent, mirror.remote)
    with pytest.raises(Unreachable, match="missing"):
        fresh.tree(commit).read("a/b/c")
    if lost != "a/b/c":
        with pytest.raises(Unreachable, match="missing"):
            fresh.tree(commit).kind("a/b/c")
    assert (await fresh.head()).commit == commit
    assert fresh.tree(commit).read("a/b/c") == b"1"


@pytest.mark.parametrize(
    "damage", ["commit gone", "commit empty", "packs gone", "reference broken", "configuration broken", "no repository"]
)
async def test_a_damaged_mirror_is_rebuilt(workplace: Workplace, mirror: Mirror, damage: str) -> None:
    commit = workplace.commit({"a": "1"})
    await mirror.head()
    directory = mirror.objects.directory
    if damage == "commit gone":
        unpack(mirror)
        place_of(mirror, commit).unlink()
    elif damage == "commit empty":
        unpack(mirror)
        place_of(mirror, commit).chmod(0o644)
        place_of(mirror, commit).write_bytes(b"")
    elif damage == "packs gone":
        for pack in directory.glob("objects/pack/*"):
            pack.unlink()
    elif damage == "reference broken":
        for reference in directory.glob("refs/trueup/*"):
            reference.write_text("")
    elif damage == "configuration broken":
        (directory / "config").write_text("[core\n")
    else:
        (directory / "HEAD").unlink()
    fresh = Mirror(mirror.folder.parent, mirror.remote)
    head = await fresh.head()
    await fresh.fetch(head)
    assert fresh.tree(commit).read("a") == b"1"
    assert [path.name for path in mirror.folder.iterdir() if path.suffix in (".new", ".broken", ".damaged")] == []


async def test_a_false_alarm_does_not_fetch_everything_anew(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    head = await mirror.head()
    created = mirror.objects.directory.stat().st_ino
    mirror.objects.damage.touch()
    await mirror.fetch(head)
    assert mirror.objects.directory.stat().st_ino == created
    assert not mirror.objects.damage.exists()


async def test_one_process_at_a_time_fetches(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    impatient = Mirror(mirror.folder.parent, mirror.remote, request=Limits(deadline=0.2))
    async with held(mirror.folder / "lock", 1):
        with pytest.raises(Unreachable, match="another process"):
            await impatient.head("main")
        waiting = asyncio.create_task(mirror.head("main"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert (await waiting).commit == commit


async def test_many_packs_are_joined_and_still_read(workplace: Workplace, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.toolkit.git.mirror.MOST_PACKS", 4)
    commits = [workplace.commit({"a": "0"})]
    await mirror.head()
    old = mirror.tree(commits[0])
    for number in range(1, 8):
        commits.append(workplace.commit({"a": str(number)}))
        await mirror.head()
    assert repair.packs(mirror.objects.directory) <= 4
    assert [mirror.tree(commit).read("a") for commit in commits] == [str(number).encode() for number in range(8)]
    assert old.read("a") == b"0"


# ---------------------------------------------------------------------- push


def draft(mirror: Mirror, parent: str, **files: str | None) -> Draft:
    contents = {path: None if text is None else Content(0o100644, mirror.store(text.encode())) for path, text in files.items()}
    return Draft(parent, contents, "Revert\n\nTrueup-To: x\n", TRUEUP)


async def test_a_commit_is_made_and_pushed(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a/b": "1", "a/c/d": "1", "e": "1", "file": "1"})
    head = await mirror.head()
    files = {"a/b": Content(0o100755, mirror.store(b"2")), "a/c/d": None, "new/x": Content(0o100644, mirror.store(b"3")), "no": None}
    files |= {"file/inner": Content(0o100644, mirror.store(b"4"))}
    commit = await mirror.push_commit(Draft(head.commit, files, "Revert\n", TRUEUP), head.name)
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
        await mirror.push_commit(draft(mirror, head.commit, a="3"), head.name)
    assert git(workplace.origin, "rev-parse", "main") == newer
    again = await mirror.head()
    commit = await mirror.push_commit(draft(mirror, again.commit, a="3"), again.name)
    assert git(workplace.origin, "rev-parse", "main") == commit


async def test_a_branch_that_was_deleted_is_not_made_again(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    workplace.push("origin", "HEAD:other")
    head = await mirror.head("other")
    git(workplace.origin, "branch", "-D", "other")
    with pytest.raises(Outdated):
        await mirror.push_commit(draft(mirror, head.commit, a="3"), head.name)


async def test_a_new_branch_is_pushed_once(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    head = await mirror.head()
    commit = await mirror.push_commit(draft(mirror, head.commit, a="0"), "refs/heads/trueup/rollback", new=True)
    assert git(workplace.origin, "rev-parse", "trueup/rollback") == commit
    with pytest.raises(Outdated):
        await mirror.push_commit(draft(mirror, head.commit, a="9"), "refs/heads/trueup/rollback", new=True)


async def test_a_hook_that_says_no_is_quoted(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    head = await mirror.head()
    hook = workplace.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nprintf 'main is \\033[31mprotected\\033[0m: see https://bob:s3cret@host/x\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Refused) as caught:
        await mirror.push_commit(draft(mirror, head.commit, a="2"), head.name)
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
                await own.push_commit(draft(own, head.commit, **{name: "1"}), head.name)
                return
            except Outdated:
                continue

    await asyncio.gather(*(insist(f"writer{number}") for number in range(4)))
    workplace.git("pull", "-q")
    assert sorted(path.name for path in workplace.clone.glob("writer*")) == ["writer0", "writer1", "writer2", "writer3"]
