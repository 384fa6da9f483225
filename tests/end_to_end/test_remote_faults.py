"""What can be wrong with a remote: each ends in a clear message, changes nothing that runs, and the next good commit converges."""

import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.estate import Estate, documents, eventually, thing
from tests.end_to_end.serving import answers, asked, log_of, remembering, runs, serving_several, shop
from tests.testbed.git_servers import http_server, hung_server
from tests.testbed.repositories import git
from trueup.model.run import Run, RunState


def size(number: int) -> dict[str, str | bytes | None]:
    return {"web/thing.yaml": documents(thing("web", size=number))}


def size_of(estate: Estate) -> int:
    found: int = estate.world().specification("Thing/web")["size"]
    return found


def force(estate: Estate, commit: str) -> None:
    git(estate.workplace.origin, "update-ref", "refs/heads/main", commit)


# ---------------------------------------------------------------------- branches


def test_a_branch_that_is_not_there_is_told_with_those_that_are(estate: Estate) -> None:
    estate.commit(shop("web"))
    said = estate.trueup("apply", "--branch", "mian")
    assert said.code == 1
    assert "mian" in said.err
    assert "main" in said.err.replace("mian", "")
    assert estate.world().names() == []


def test_an_empty_repository_is_told_as_such(estate: Estate) -> None:
    said = estate.trueup("apply")
    assert (said.code, "is empty" in said.err, "push a first commit" in said.err) == (1, True, True)
    estate.commit(shop("web"))
    assert estate.trueup("apply").code == 0


async def test_a_branch_that_was_renamed_leaves_all_as_it_is_until_it_is_back(estate: Estate) -> None:
    estate.commit(shop("web"))
    origin = estate.workplace.origin
    with estate.serving("--branch", "main", "--listen", "127.0.0.1:0"):
        await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED if runs(estate) else size_of_named(estate, "main") == 1)
        git(origin, "branch", "--move", "main", "trunk")
        await eventually(lambda: "trunk" in log_of(estate))
        assert size_of_named(estate, "main") == 1
        await eventually(lambda: "newer commits are not seen" in estate.trueup("status", "--branch", "main").out)
        git(origin, "branch", "--move", "trunk", "main")
        estate.commit(size(2))
        await eventually(lambda: size_of_named(estate, "main") == 2)


def size_of_named(estate: Estate, branch: str) -> int:
    estate.repository = type(estate.repository)(estate.repository.url, branch)
    return size_of(estate)


async def test_where_no_branch_is_named_a_new_default_is_followed(estate: Estate) -> None:
    estate.commit(shop("web"))
    with estate.serving():
        await eventually(lambda: size_of(estate) == 1)
        git(estate.workplace.origin, "branch", "--move", "main", "trunk")  # moves HEAD along, as forges do
        estate.workplace.branch = "trunk"
        estate.commit(size(2))
        await eventually(lambda: size_of(estate) == 2)


# ---------------------------------------------------------------------- what does not answer


def test_a_remote_that_goes_away_in_the_middle_of_a_fetch_changes_nothing(estate: Estate) -> None:
    estate.commit(shop("web"))
    with http_server(estate.workplace.origin.parent) as remote:
        estate.url = remote.url()
        remote.cut_after = 300
        said = estate.trueup("apply")
        assert (said.code, "went away" in said.err or "does not answer" in said.err) == (1, True), said
        remote.cut_after = None
        assert estate.trueup("apply").code == 0
        estate.commit({"web/large": "x" * 100_000, **size(2)})
        remote.cut_after = 400
        assert estate.trueup("apply").code == 1
        assert [run.state for run in remembered(estate)] == [RunState.SUCCEEDED]
        remote.cut_after = None
        assert estate.trueup("apply").code == 0
    assert len(remembered(estate)) == 2


def remembered(estate: Estate) -> list[Run]:
    with remembering(estate) as memory:
        return memory.runs()


async def test_remotes_that_never_answer_hold_up_no_other(estate: Estate) -> None:
    estate.commit(shop("web"))
    with hung_server() as port:
        hung = "".join(f'[[repositories]]\nurl = "git://127.0.0.1:{port}/r{number}.git"\npoll = "100ms"\n' for number in range(12))
        with serving_several(estate, f'{hung}[[repositories]]\nurl = "{estate.url}"\npoll = "100ms"\n'):
            await answers(estate)
            await eventually(lambda: size_of(estate) == 1)
            estate.commit(size(2))
            await eventually(lambda: size_of(estate) == 2)  # a remote that does not answer is given up after a minute
            assert asked(estate, "/readyz").document["ready"] is False


# ---------------------------------------------------------------------- a rewritten branch


async def test_a_rewritten_branch_is_held_and_all_stays_until_it_is_released(estate: Estate) -> None:
    first = estate.commit(shop("web"))
    second = estate.commit(size(2))
    with estate.serving():
        await eventually(lambda: size_of(estate) == 2)
        estate.workplace.git("reset", "--quiet", "--hard", first)
        third = estate.commit(size(3))
        await eventually(lambda: "the branch was rewritten" in log_of(estate))
        assert log_of(estate).count("the branch was rewritten") == 1  # told once, however often it is looked at
        await eventually(lambda: (said := estate.trueup("status")).code == 3 and "held" in said.out)
        said = estate.trueup("apply")
        assert (said.code, second[:7] in said.err, third[:7] in said.err, "release --repository" in said.err) == (3, True, True, True)
        assert size_of(estate) == 2
        assert estate.trueup("release", "--repository").code == 0
        await eventually(lambda: size_of(estate) == 3)
        await eventually(lambda: estate.trueup("status").code == 0)


async def test_a_branch_that_contains_the_old_commit_again_goes_on_by_itself(estate: Estate) -> None:
    first = estate.commit(shop("web"))
    second = estate.commit(size(2))
    with estate.serving():
        await eventually(lambda: size_of(estate) == 2)
        force(estate, first)
        await eventually(lambda: "the branch was rewritten" in log_of(estate))
        force(estate, second)
        await eventually(lambda: estate.trueup("status").code == 0)
        estate.commit(size(3))
        await eventually(lambda: size_of(estate) == 3)


def test_a_branch_that_is_rebased_is_followed_where_the_operator_says_so(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    first = estate.commit(shop("web"))
    estate.commit(size(2))
    monkeypatch.setenv("TRUEUP_REPOSITORIES", f'[{{url = "{estate.url}", rewind = "follow"}}]')
    assert estate.trueup("apply").code == 0
    estate.workplace.git("reset", "--quiet", "--hard", first)
    estate.commit(size(3))
    assert estate.trueup("apply").code == 0
    assert size_of(estate) == 3


# ---------------------------------------------------------------------- signatures


def commit_signed(estate: Estate, key: Path, number: int) -> None:
    estate.workplace.write(size(number))
    estate.workplace.git("add", "--all")
    estate.workplace.git("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "commit", "-q", "-S", "-m", "signed")
    force(estate, estate.workplace.head())


def test_only_signed_commits_are_followed_where_the_operator_names_keys(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_name("key.pub").read_text().strip()
    monkeypatch.setenv("TRUEUP_REPOSITORIES", f'[{{url = "{estate.url}", signing_keys = ["{public}"]}}]')
    estate.workplace.write(shop("web"))
    commit_signed(estate, key, 1)
    assert estate.trueup("apply").code == 0
    unsigned = estate.commit(size(2))
    said = estate.trueup("apply")
    assert (said.code, unsigned[:7] in said.err, "not signed" in said.err, size_of(estate)) == (3, True, True, 1)
    commit_signed(estate, key, 3)  # what is below it is still unsigned
    assert estate.trueup("apply").code == 3
    assert size_of(estate) == 1
    assert estate.trueup("release", "--repository").code == 0
    assert estate.trueup("apply").code == 0
    commit_signed(estate, key, 4)
    assert estate.trueup("apply").code == 0
    assert size_of(estate) == 4
