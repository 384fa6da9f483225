"""Back to a good revision: one commit in Git, and what runs agrees with it."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from tests.end_to_end.machine import Machine, service
from tests.testbed.git_servers import http_server
from tests.testbed.repositories import git
from trueup.model.answer import RolledBack
from trueup.model.errors import TrueupError, Unreachable, UsageError
from trueup.model.run import RunState, Status, Sync, Trigger
from trueup.model.selection import Rollback
from trueup.model.source import Repository

TOKEN = "t0ken-of-the-operator"
AUTO: dict[str, Any] = {"policy": {"rollback": "auto"}}


async def rollback(operator: Operator, name: str = "web", **asked: Any) -> RolledBack:
    return await operator.engine.rollback(operator.repository, Rollback(application=name, actor="tester", **asked))


def web(size: object = 1, **specification: Any) -> Files:
    return {"web/a.yaml": documents(thing("a", size=size, **specification))}


def declared(**specification: Any) -> Files:
    """Each application in a file of its own."""
    return {
        "trueup.yaml": documents(target()),
        "web/trueup.yaml": documents(application(path=".", **specification)),
        "api/trueup.yaml": documents(application("api", path=".")),
        "api/b.yaml": documents(thing("b")),
    }


def origin(estate: Estate, *arguments: str) -> str:
    return git(estate.workplace.origin, *arguments)


def show(estate: Estate, path: str, revision: str = "main") -> str:
    return origin(estate, "show", f"{revision}:{path}")


def size(estate: Estate) -> object:
    return estate.world().specification("Thing/a")["size"]


async def good_then_bad(estate: Estate, operator: Operator, bad: Files | None = None, **specification: Any) -> tuple[str, str]:
    """A healthy revision, and one that turned out bad."""
    good = estate.commit({**declared(**specification), **web(1)}, "the good one")
    await operator.apply()
    worse = estate.commit(bad or web(2, health="degraded"), "the bad one")
    await operator.apply()
    return good, worse


async def told(operator: Operator) -> list[tuple[Trigger, RunState, str]]:
    """The runs of `web`, oldest first."""
    return [(run.trigger, run.state, run.revision) for run in reversed(await operator.history("web"))]


def held(status: Status) -> tuple[Sync, str, str]:
    return status.sync, status.revision, status.desired_revision


# ---------------------------------------------------------------------- one commit


async def test_one_commit_takes_the_files_back_and_says_so(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        done = await rollback(operator, reason="it does not start")
        status = await operator.status("web")
        runs = await operator.history("web")
        holds = await operator.waiting()
    assert origin(estate, "log", "-1", "--format=%an <%ae>%n%B", "main").strip().splitlines() == [
        "Trueup <trueup@localhost>", 'Revert "the bad one" for web', "", "it does not start", "",
        "Trueup-Application: web", f"Trueup-From: {bad}", f"Trueup-To: {good}",
    ]  # fmt: skip
    assert origin(estate, "rev-parse", "main", "main^") == f"{done.commit}\n{bad}"
    assert origin(estate, "diff", "--stat", good, "main") == ""
    assert (done.bad, done.good, done.branch, done.files) == (bad, good, "main", ("web/a.yaml",))
    assert size(estate) == 1
    assert held(status) == (Sync.SYNCED, done.commit, done.commit)
    assert [(run.trigger, run.state, run.revision) for run in runs[:2]] == [
        (Trigger.ROLLBACK, RunState.SUCCEEDED, done.commit),
        (Trigger.PERSON, RunState.ROLLED_BACK, bad),
    ]
    assert (runs[0].of, runs[0].actor) == (runs[1].id, "tester")
    assert holds == []


async def test_files_that_came_go_and_files_that_went_come_back(estate: Estate) -> None:
    async with estate.operator() as operator:
        estate.commit({**declared(), **web(1), "web/old.yaml": documents(thing("old"))})
        good = estate.workplace.head()
        await operator.apply()
        estate.commit({"web/old.yaml": None, "web/new.yaml": documents(thing("new", health="degraded"))})
        await operator.apply()
        done = await rollback(operator)
    assert done.files == ("web/new.yaml", "web/old.yaml")
    assert origin(estate, "diff", "--stat", good, "main") == ""
    assert estate.world().names() == ["Thing/a", "Thing/b", "Thing/old"]


async def test_content_links_and_modes_are_as_they_were(estate: Estate) -> None:
    page = documents(thing("a", source="site"))
    async with estate.operator() as operator:
        estate.workplace.write({**declared(), "web/a.yaml": page, "web/site/run.sh": "one", "web/site/page": "one"})
        (estate.workplace.clone / "web/site/run.sh").chmod(0o755)
        (estate.workplace.clone / "web/site/link").symlink_to("page")
        good = estate.commit({})
        await operator.apply()
        (estate.workplace.clone / "web/site/run.sh").chmod(0o644)
        (estate.workplace.clone / "web/site/link").unlink()
        estate.commit({"web/site/link": "no link", "web/site/page": None, "web/site/deep/page": "two"})
        await operator.apply()
        await rollback(operator)
    assert origin(estate, "diff", "--raw", good, "main") == ""


async def test_newer_commits_of_others_stay(estate: Estate) -> None:
    async with estate.operator() as operator:
        await good_then_bad(estate, operator)
        estate.commit({"api/b.yaml": documents(thing("b", size=5)), "README": "news"})
        await operator.apply()
        done = await rollback(operator)
        api = await operator.status("api")
    assert done.files == ("web/a.yaml",)
    assert show(estate, "README") == "news"
    assert estate.world().specification("Thing/b") == {"size": 5}
    assert api.revision != done.commit


async def test_the_declaration_goes_back_too(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, _ = await good_then_bad(
            estate,
            operator,
            {"web/trueup.yaml": documents(application(path="v2")), "web/v2/a.yaml": documents(thing("a", health="degraded"))},
        )
        done = await rollback(operator)
    assert done.files == ("web/trueup.yaml", "web/v2/a.yaml")
    assert origin(estate, "diff", "--stat", good, "main") == ""
    assert size(estate) == 1


async def test_a_commit_that_cannot_be_rendered_is_taken_back(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator, {"web/a.yaml": "a: [\n"})
        done = await rollback(operator)
        status = await operator.status("web")
    assert (done.bad, done.good) == (bad, good)
    assert origin(estate, "diff", "--stat", good, "main") == ""
    assert held(status) == (Sync.SYNCED, done.commit, done.commit)


async def test_the_settings_say_who_commits(estate: Estate) -> None:
    async with estate.operator(identity={"name": "Robot", "email": "robot@example.org"}) as operator:
        await good_then_bad(estate, operator)
        await rollback(operator)
    assert origin(estate, "log", "-1", "--format=%an %ce", "main") == "Robot robot@example.org"


# ---------------------------------------------------------------------- where to go back to


async def test_a_revision_that_is_healthy_and_still_wrong_goes_back_to_the_one_before(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, _ = await good_then_bad(estate, operator, web(2))
        done = await rollback(operator)
    assert (done.good, size(estate)) == (good, 1)


async def test_to_names_the_revision(estate: Estate) -> None:
    async with estate.operator() as operator:
        first = estate.commit({**declared(), **web(1)})
        await operator.apply()
        for number in (2, 3):
            estate.commit(web(number))
            await operator.apply()
        back = await rollback(operator, to=first[:8])
    assert (back.good, size(estate)) == (first, 1)


async def test_a_commit_of_others_means_the_revision_as_of_it(estate: Estate) -> None:
    async with estate.operator() as operator:
        good = estate.commit({**declared(), **web(1)})
        beside = estate.commit({"README": "beside"})
        estate.commit(web(2))
        await operator.apply()
        done = await rollback(operator, to=beside)
    assert (done.good, size(estate)) == (good, 1)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("side", "is not on the first-parent line of the followed branch"),
        ("nonsense", "nonsense is not a commit"),
        ("head", "is what `web` has now"),
        ("", "no earlier healthy run of `web` is remembered"),
    ],
)
async def test_where_one_cannot_go_back_to_is_refused(estate: Estate, to: str, message: str) -> None:
    estate.commit({**declared(), **web(1)})
    estate.workplace.git("checkout", "-q", "-b", "side")
    side = estate.workplace.commit(web(7), push=False)
    estate.workplace.push("origin", "side")
    estate.workplace.git("checkout", "-q", "main")
    head = estate.commit(web(2))
    async with estate.operator() as operator:
        await operator.apply()
        with pytest.raises(UsageError) as error:
            await rollback(operator, to={"side": side, "head": head}.get(to, to))
        assert await operator.waiting() == []
    assert message in error.value.message
    assert error.value.hint
    assert origin(estate, "rev-parse", "main") == head


async def test_files_that_are_as_they_were_need_no_commit(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, _ = await good_then_bad(estate, operator)
        head = estate.commit(web(1))
        done = await rollback(operator, to=good)
        assert await operator.waiting() == []
    assert (done.bad, done.commit, done.message) == ("", "", f"the files of `web` are already as they were at {good[:7]}")
    assert origin(estate, "rev-parse", "main") == head


# ---------------------------------------------------------------------- others


def sharing(**specification: Any) -> Files:
    """Two applications of one folder."""
    return {
        "trueup.yaml": documents(target(), target("there")),
        "web.trueup.yaml": documents(application(path="shared", **specification)),
        "api.trueup.yaml": documents(application("api", "there", path="shared")),
    }


async def test_a_file_that_others_have_too_is_not_taken_back_unasked(estate: Estate) -> None:
    async with estate.operator() as operator:
        good = estate.commit({**sharing(), "shared/a.yaml": documents(thing("a", size=1))})
        await operator.apply()
        bad = estate.commit({"shared/a.yaml": documents(thing("a", size=2, health="degraded"))})
        await operator.apply()
        with pytest.raises(UsageError) as error:
            await rollback(operator)
        assert await operator.waiting() == []
        assert origin(estate, "rev-parse", "main") == bad
        done = await rollback(operator, with_others=True)
        await operator.apply()
        api = await operator.status("api")
    assert (error.value.message, error.value.hint) == (
        "`shared/a.yaml` is an input of api too",
        "with --with-others api goes back as well",
    )
    assert (done.good, done.files) == (good, ("shared/a.yaml",))
    assert [estate.world(name).specification("Thing/a")["size"] for name in ("here", "there")] == [1, 1]
    assert api.revision == done.commit


# ---------------------------------------------------------------------- what cannot be pushed


def protect(estate: Estate, what: str = "refs/heads/main") -> Path:
    """The server says no to pushes of this."""
    hook = estate.workplace.origin / "hooks" / "pre-receive"
    hook.write_text(f'#!/bin/sh\nwhile read old new name; do [ "$name" = {what} ] && echo "protected branch" >&2 && exit 1; done\nexit 0\n')
    hook.chmod(0o755)
    return hook


async def test_a_push_that_is_refused_leaves_the_hold_and_the_good_revision(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        protect(estate)
        done = await rollback(operator)
        status = await operator.status("web")
        runs = await told(operator)
        (hold,) = await operator.waiting()
        assert await operator.apply() == []
    assert (done.commit, done.branch) == ("", "")
    assert "protected branch" in done.message
    assert "--pull-request" in done.message
    assert held(status) == (Sync.HELD, good, bad)
    assert done.message in status.message
    assert (hold.kind, hold.revision, hold.good, hold.commit) == ("bad revision", bad, good, "")
    assert size(estate) == 1
    assert runs[1:] == [(Trigger.PERSON, RunState.ROLLED_BACK, bad), (Trigger.ROLLBACK, RunState.SUCCEEDED, good)]
    assert origin(estate, "rev-parse", "main") == bad


async def test_why_tells_both_sides_of_what_is_held_back(estate: Estate) -> None:
    """What Git says did not run, and nobody changed by hand what does."""
    async with estate.operator() as operator:
        _, bad = await good_then_bad(estate, operator)
        protect(estate)
        await rollback(operator)
        why = await operator.engine.why(operator.repository, "web", "Thing/a", "spec.size", 10, lambda _: None)
    assert (why.commit, why.desired, why.live, why.changed_by) == (bad, 2, 1, ())


async def test_after_a_refusal_a_pull_request_or_a_second_try_finishes(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        hook = protect(estate)
        await rollback(operator)
        asked = await rollback(operator, pull_request=True)
        hook.unlink()
        done = await rollback(operator)
        status = await operator.status("web")
        assert await operator.waiting() == []
    assert asked.branch == f"trueup/rollback-web-{bad[:7]}"
    assert origin(estate, "rev-parse", f"{asked.branch}^") == bad
    assert held(status) == (Sync.SYNCED, done.commit, done.commit)
    assert origin(estate, "diff", "--stat", good, "main") == ""


async def test_a_newer_revision_lifts_the_hold(estate: Estate) -> None:
    async with estate.operator() as operator:
        await good_then_bad(estate, operator)
        await rollback(operator, pull_request=True)
        mended = estate.commit(web(3))
        await operator.apply()
        status = await operator.status("web")
        assert await operator.waiting() == []
    assert held(status) == (Sync.SYNCED, mended, mended)
    assert size(estate) == 3


async def test_release_lets_the_bad_revision_in_again(estate: Estate) -> None:
    async with estate.operator() as operator:
        _, bad = await good_then_bad(estate, operator)
        protect(estate)
        await rollback(operator)
        await operator.engine.release(operator.repository, "web", "tester")
        (run,) = await operator.apply("web")
    assert (run.revision, size(estate)) == (bad, 2)


async def test_a_pull_request_is_a_branch_and_what_runs_is_good_meanwhile(estate: Estate) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        done = await rollback(operator, pull_request=True)
        again = await rollback(operator, pull_request=True)
        status = await operator.status("web")
        estate.workplace.git("fetch", "-q")
        estate.workplace.git("merge", "-q", "--no-ff", "-m", "merge it", f"origin/{done.branch}")
        estate.workplace.push("origin", "main")
        await operator.apply()
        merged = await operator.status("web")
        assert await operator.waiting() == []
    assert origin(estate, "rev-parse", f"{done.branch}^", "main^") == f"{bad}\n{bad}"
    assert (again.commit, again.branch) == (done.commit, done.branch)
    assert done.message == f"merge the branch {done.branch} to finish; until then {good[:7]} is what runs"
    assert held(status) == (Sync.HELD, good, bad)
    assert held(merged) == (Sync.SYNCED, estate.workplace.head(), estate.workplace.head())
    assert size(estate) == 1


async def test_a_tag_cannot_be_moved_and_says_so(estate: Estate) -> None:
    good = estate.commit({**declared(), **web(1)})
    estate.workplace.git("tag", "live")
    estate.workplace.push("origin", "live")
    estate.repository = Repository(estate.repository.url, "live")
    async with estate.operator(repositories=[{"url": estate.url, "branch": "live"}]) as operator:
        await operator.apply()
        bad = estate.commit(web(2, health="degraded"))
        estate.workplace.git("tag", "-f", "live")
        estate.workplace.push("--force", "origin", "live")
        await operator.apply()
        done = await rollback(operator)
        status = await operator.status("web")
    assert done.message.startswith("no revert commit could be pushed: the tag live is followed, and no branch")
    assert held(status) == (Sync.HELD, good, bad)
    assert size(estate) == 1


async def test_a_remote_that_is_gone_does_not_keep_the_good_revision_away(estate: Estate, tmp_path: Path) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        away = estate.workplace.origin.rename(tmp_path / "away.git")
        done = await rollback(operator)
        gone = size(estate)
        away.rename(estate.workplace.origin)
        again = await rollback(operator)
        status = await operator.status("web")
    assert (done.commit, gone) == ("", 1)
    assert "tries again" in done.message or "--pull-request" in done.message
    assert (again.bad, again.good) == (bad, good)
    assert held(status) == (Sync.SYNCED, again.commit, again.commit)


# ---------------------------------------------------------------------- others push meanwhile


def pushing(estate: Estate, operator: Operator, files: list[Files], monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is quicker: before each push of ours they push one of these."""
    mirror = operator.engine.equipment.following(operator.repository).mirror
    push, waiting = mirror.push, iter(files)

    async def later(commit: str, name: str, expected: str) -> None:
        theirs = next(waiting, None)
        if theirs is not None:
            estate.commit(theirs, "somebody was quicker")
        await push(commit, name, expected)

    monkeypatch.setattr(mirror, "push", later)


async def test_when_others_are_quicker_it_is_built_again_on_top(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        pushing(estate, operator, [{"README": str(number)} for number in range(4)], monkeypatch)
        done = await rollback(operator)
    assert show(estate, "README") == "3"
    assert origin(estate, "log", "--format=%s", "main").splitlines()[:2] == ['Revert "the bad one" for web', "somebody was quicker"]
    assert (done.commit, done.bad, done.good) == (origin(estate, "rev-parse", "main"), bad, good)
    assert origin(estate, "diff", "--name-only", good, "main") == "README"


async def test_five_times_are_enough(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        pushing(estate, operator, [{"README": str(number)} for number in range(9)], monkeypatch)
        done = await rollback(operator)
        status = await operator.status("web")
    assert (
        done.message
        == "no revert commit could be pushed: the branch moved 5 times while the commit was made; `trueup rollback web` tries again"
    )
    assert held(status) == (Sync.HELD, good, bad)


async def test_a_newer_revision_that_comes_meanwhile_is_not_taken_back(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with estate.operator() as operator:
        await good_then_bad(estate, operator)
        pushing(estate, operator, [web(3)], monkeypatch)
        with pytest.raises(TrueupError, match="has a newer revision by now"):
            await rollback(operator)
        await operator.apply()
        assert await operator.waiting() == []
    assert size(estate) == 3
    assert origin(estate, "log", "-1", "--format=%s", "main") == "somebody was quicker"


async def test_two_that_roll_back_at_once_make_one_commit(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with estate.operator() as operator, estate.operator(state=estate.folder / "other") as other:
        _, bad = await good_then_bad(estate, operator)
        await other.apply()
        mirror = operator.engine.equipment.following(operator.repository).mirror
        push = mirror.push

        async def later(commit: str, name: str, expected: str) -> None:
            await rollback(other, to=origin(estate, "rev-parse", f"{bad}^"))
            await push(commit, name, expected)

        monkeypatch.setattr(mirror, "push", later)
        done = await rollback(operator)
        runs = await told(operator)
        assert await operator.waiting() == []
    assert origin(estate, "rev-list", "--count", f"{bad}..main") == "1"
    assert done.commit == origin(estate, "rev-parse", "main")
    assert runs[-1] == (Trigger.ROLLBACK, RunState.SUCCEEDED, done.commit)


async def test_words_in_a_message_are_no_rollback(estate: Estate) -> None:
    async with estate.operator() as operator:
        good = estate.commit({**declared(), **web(1)})
        await operator.apply()
        estate.commit(web(2, health="degraded"), f"a trick\n\nTrueup-Application: web\nTrueup-From: {'0' * 40}\nTrueup-To: {good}")
        await operator.apply()
        done = await rollback(operator)
    assert (done.good, done.commit, size(estate)) == (good, origin(estate, "rev-parse", "main"), 1)


# ---------------------------------------------------------------------- death in between


class Died(BaseException):
    """As if the process was killed."""


@pytest.mark.parametrize("pushed", [False, True])
async def test_whoever_dies_around_the_push_leaves_the_bad_revision_held(
    estate: Estate, pushed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        mirror = operator.engine.equipment.following(operator.repository).mirror
        push = mirror.push

        async def dying(commit: str, name: str, expected: str) -> None:
            if pushed:
                await push(commit, name, expected)
            raise Died

        monkeypatch.setattr(mirror, "push", dying)
        with pytest.raises(Died):
            await rollback(operator)
    async with estate.operator() as operator:
        if not pushed:
            runs = await operator.apply("web")
            assert "`trueup rollback web` pushes the revert commit" in (await operator.status("web")).message
            assert (runs[-1].revision, runs[-1].trigger, size(estate)) == (good, Trigger.ROLLBACK, 1)
        done = await rollback(operator)
        status = await operator.status("web")
        runs = await operator.history("web")
        assert await operator.waiting() == []
    assert origin(estate, "rev-list", "--count", f"{bad}..main") == "1"
    assert done.commit == origin(estate, "rev-parse", "main")
    assert held(status) == (Sync.SYNCED, done.commit, done.commit)
    assert (runs[0].trigger, runs[0].revision) == (Trigger.ROLLBACK, done.commit)
    assert {run.revision for run in runs if run.state is RunState.ROLLED_BACK} == {bad}


async def test_asking_twice_makes_one_commit(estate: Estate) -> None:
    async with estate.operator() as operator:
        _, bad = await good_then_bad(estate, operator)
        done = await rollback(operator)
        again = await rollback(operator)
    assert (again.commit, again.bad, again.good) == (done.commit, done.bad, done.good)
    assert "was rolled back by this commit before" in again.message
    assert origin(estate, "rev-list", "--count", f"{bad}..main") == "1"


# ---------------------------------------------------------------------- by itself


async def test_auto_takes_a_bad_revision_back_once(estate: Estate) -> None:
    estate.commit({**declared(**AUTO), **web(1)}, "the good one")
    async with estate.served() as operator:
        await eventually(lambda: size(estate) == 1)
        bad = estate.commit(web(2, health="degraded"), "the bad one")
        await eventually(lambda: origin(estate, "rev-parse", "main^") == bad)

        async def is_back() -> bool:
            runs = await operator.history("web")
            return runs[0].trigger is Trigger.ROLLBACK and runs[0].state is RunState.SUCCEEDED and not await operator.waiting()

        await eventually(is_back)
        await asyncio.sleep(0.5)
        runs = await operator.history("web")
    revert = origin(estate, "rev-parse", "main")
    assert origin(estate, "log", "-1", "--format=%b", "main").splitlines()[0] == "Thing/a: spec.health says so"
    assert (runs[0].revision, size(estate)) == (revert, 1)
    assert [run.state for run in runs if run.revision == bad] == [RunState.ROLLED_BACK]
    assert {run.of for run in runs if run.trigger is Trigger.ROLLBACK} == {run.id for run in runs if run.revision == bad}
    assert origin(estate, "rev-list", "--count", f"{bad}..main") == "1"


async def test_auto_answers_a_timeout_too(estate: Estate) -> None:
    policy: dict[str, Any] = {"policy": {"rollback": "auto", "timeout": "1s"}}
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator, web(2, health="progressing"), **policy)
        assert operator.problem is not None
        revert = origin(estate, "rev-parse", "main")
        runs = await told(operator)
    assert operator.problem.message == f"{bad[:7]} of `web` turned out bad and was rolled back to {good[:7]} by {revert[:7]}"
    assert runs[1:] == [(Trigger.PERSON, RunState.ROLLED_BACK, bad), (Trigger.ROLLBACK, RunState.SUCCEEDED, revert)]
    assert size(estate) == 1


async def test_auto_does_not_answer_a_bad_rollback(estate: Estate) -> None:
    """The good revision is not what it was: its own run turns out bad, and that is told, not rolled back."""
    estate.commit({**declared(**AUTO), **web(1, healthyAfter="1500ms")})
    async with estate.served() as operator:
        await eventually(lambda: size(estate) == 1)

        async def has(trigger: Trigger, state: RunState) -> bool:
            return (trigger, state) in [each[:2] for each in await told(operator)]

        await eventually(lambda: has(Trigger.POLL, RunState.SUCCEEDED))
        bad = estate.commit(web(2, health="degraded"))
        await eventually(lambda: has(Trigger.ROLLBACK, RunState.RUNNING))
        estate.world().put(thing("a", size=1, healthyAfter="1500ms", health="degraded"))
        await eventually(lambda: has(Trigger.ROLLBACK, RunState.FAILED))
        await asyncio.sleep(0.5)
    assert origin(estate, "rev-list", "--count", f"{bad}..main") == "1"


async def test_auto_that_would_take_others_back_holds_and_says_how_to_go_on(estate: Estate) -> None:
    async with estate.operator() as operator:
        good = estate.commit({**sharing(**AUTO), "shared/a.yaml": documents(thing("a", size=1))})
        await operator.apply()
        bad = estate.commit({"shared/a.yaml": documents(thing("a", size=2, health="degraded"))})
        await operator.apply("web")
        status = await operator.status("web")
    assert held(status) == (Sync.HELD, good, bad)
    assert "--with-others" in status.message
    assert size(estate) == 1
    assert origin(estate, "rev-parse", "main") == bad


async def test_auto_does_not_act_again_on_what_a_person_let_in(estate: Estate) -> None:
    async with estate.operator() as operator:
        estate.commit({**declared(**AUTO), **web(1)})
        await operator.apply()
        bad = estate.commit(web(2, health="degraded"))
        protect(estate)
        await operator.apply()
        assert size(estate) == 1
        await operator.engine.release(operator.repository, "web", "tester")
        await operator.apply("web")
        assert operator.problem is not None
        assert "was rolled back before, and let in again" in operator.problem.message
    assert size(estate) == 2
    assert origin(estate, "rev-parse", "main") == bad


# ---------------------------------------------------------------------- beside


async def test_a_run_that_is_under_way_gives_way(estate: Estate) -> None:
    """The bad revision waits to become healthy: nobody has to wait for its timeout."""
    estate.commit({**declared(), **web(1)})
    async with estate.served() as operator:
        await eventually(lambda: size(estate) == 1)
        bad = estate.commit(web(2, health="progressing"))
        await eventually(lambda: size(estate) == 2)
        done = await rollback(operator)

        async def is_back() -> bool:
            return held(await operator.status("web")) == (Sync.SYNCED, done.commit, done.commit)

        await eventually(is_back)
        runs = await operator.history("web")
    assert [run.state for run in runs if run.revision == bad] == [RunState.ROLLED_BACK]
    assert size(estate) == 1


async def test_signed_histories_take_our_own_commit(estate: Estate, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("commit.gpgSign", "true")):
        estate.workplace.git("config", name, value)
    public = key.with_suffix(".pub").read_text().strip()
    async with estate.operator(repositories=[{"url": estate.url, "signing_keys": [public]}]) as operator:
        await good_then_bad(estate, operator)
        done = await rollback(operator)
        status = await operator.status("web")
        assert await operator.waiting() == []
    assert held(status) == (Sync.SYNCED, done.commit, done.commit)


async def test_a_push_that_arrives_although_the_answer_does_not_is_known_as_ours(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with estate.operator() as operator:
        good, bad = await good_then_bad(estate, operator)
        mirror = operator.engine.equipment.following(operator.repository).mirror
        push = mirror.push

        async def interrupted(commit: str, name: str, expected: str) -> None:
            await push(commit, name, expected)
            raise Unreachable("it went away in the middle of it")

        monkeypatch.setattr(mirror, "push", interrupted)
        done = await rollback(operator)
        await operator.apply()
        runs = await told(operator)
        assert await operator.waiting() == []
    assert "tries again" in done.message
    assert runs[-1] == (Trigger.ROLLBACK, RunState.SUCCEEDED, origin(estate, "rev-parse", "main"))
    assert (Trigger.PERSON, RunState.ROLLED_BACK, bad) in runs
    assert origin(estate, "diff", "--stat", good, "main") == ""


async def test_a_command_beside_a_serve_leaves_the_walk_to_it(estate: Estate) -> None:
    good = estate.commit({**declared(), **web(1)})
    with estate.serving():
        await eventually(lambda: size(estate) == 1)
        bad = estate.commit(web(2, health="degraded"))
        await eventually(lambda: estate.trueup("history", "web", "-o", "json").document["items"][0]["state"] == "failed")
        said = estate.trueup("rollback", "web")
        assert said.code == 0, said.err
        await eventually(lambda: size(estate) == 1)
        revert = origin(estate, "rev-parse", "main")
        await eventually(lambda: estate.trueup("status", "-o", "json").document["items"][1]["revision"] == revert)
        await eventually(lambda: estate.trueup("history", "web", "-o", "json").document["items"][0]["state"] == "succeeded")
    runs = estate.trueup("history", "web", "-o", "json").document["items"]
    assert f"web: from {bad[:7]} back to {good[:7]}" in said.out
    assert (runs[0]["trigger"], runs[0]["state"], runs[0]["revision"]) == ("rollback", "succeeded", revert)
    assert [run["state"] for run in runs if run["revision"] == bad] == ["rolledBack"]


async def test_over_http_with_a_token_that_nobody_sees(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH_TOKEN", TOKEN)
    with http_server(estate.folder / "work", TOKEN) as server:
        estate.repository = Repository(server.url())
        async with estate.operator(repositories=[{"url": server.url(), "token_env": "PUSH_TOKEN"}]) as operator:
            good, bad = await good_then_bad(estate, operator)
            hook = protect(estate)
            refused = await rollback(operator)
            status = await operator.status("web")
            hook.unlink()
            done = await rollback(operator)
    assert held(status) == (Sync.HELD, good, bad)
    assert done.commit == origin(estate, "rev-parse", "main")
    assert TOKEN not in f"{refused} {status} {estate.log.getvalue()}"


# ---------------------------------------------------------------------- on this machine


@pytest.fixture
def cleared(tmp_path: Path) -> Iterator[None]:
    """No service outlives the test."""
    yield
    Machine.clear(tmp_path)


def host(*command: str) -> Files:
    """A service that is ready once it says so."""
    return {
        "trueup.yaml": documents(target("here", "host"), application(policy={"rollback": "auto"})),
        "web/web.yaml": documents(service("web", command, readiness={"logLine": "^ready", "timeout": "10s"})),
    }


@pytest.mark.usefixtures("cleared")
async def test_a_service_that_does_not_start_is_back_by_itself(estate: Estate) -> None:
    good = estate.commit(host("sh", "-c", "echo ready; exec sleep 1000"))
    async with estate.served() as operator:

        async def stands(*wanted: object) -> bool:
            status = await operator.remembered("web")
            return status is not None and (status.sync, status.health, status.revision) == wanted

        await eventually(lambda: stands(Sync.SYNCED, "healthy", good))
        bad = estate.commit(host("sh", "-c", "echo out of luck; exit 3"))
        await eventually(lambda: origin(estate, "rev-parse", "main^") == bad)
        await eventually(lambda: stands(Sync.SYNCED, "healthy", origin(estate, "rev-parse", "main")))
        runs = await told(operator)
    assert (Trigger.POLL, RunState.ROLLED_BACK, bad) in runs
    assert runs[-1][:2] == (Trigger.ROLLBACK, RunState.SUCCEEDED)
    assert origin(estate, "diff", "--stat", good, "main") == ""
    assert "Service/web: exited with code 3" in origin(estate, "log", "-1", "--format=%b", "main")


# ---------------------------------------------------------------------- as a person reads it


def test_the_command_tells_what_it_did(estate: Estate) -> None:
    good = estate.commit({**declared(), **web(1)}, "the good one")
    assert estate.trueup("apply").code == 0
    bad = estate.commit(web(2, health="degraded"), "the bad one")
    assert estate.trueup("apply").code == 1
    said = estate.trueup("rollback", "web", "--reason", "it hurts")
    assert said.code == 0
    revert = origin(estate, "rev-parse", "main")
    assert said.out.splitlines() == [
        f"web: from {bad[:7]} back to {good[:7]}",
        f"  commit {revert[:7]} on main, 1 file",
        "    web/a.yaml",
    ]
    again = estate.trueup("rollback", "web")
    assert again.code == 0
    assert "was rolled back by this commit before" in again.out
    nothing = estate.trueup("rollback", "api")
    assert (nothing.code, nothing.out) == (64, "")
    assert "hint: name the revision to go back to with --to" in nothing.err


def test_the_command_exits_with_3_when_the_bad_revision_stays_held(estate: Estate) -> None:
    estate.commit({**declared(), **web(1)})
    assert estate.trueup("apply").code == 0
    estate.commit(web(2, health="degraded"))
    assert estate.trueup("apply").code == 1
    protect(estate)
    said = estate.trueup("rollback", "web")
    assert said.code == 3
    assert "protected branch" in said.out
