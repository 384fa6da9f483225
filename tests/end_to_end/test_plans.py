"""A plan before any change: it changes nothing, and what was approved is what runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, application, documents, target, thing
from trueup.model.errors import Outdated, UsageError
from trueup.model.manifest import Origin
from trueup.model.plan import Change, Plan
from trueup.model.selection import Order, Selection
from trueup.toolkit.git.working_tree import WorkingTree

ONE: dict[str, Any] = {
    "trueup.yaml": documents(target(), application("web", labels={"team": "shop"}), application("api", labels={"team": "core"})),
    "web/a.yaml": documents(thing("a", size=1)),
    "api/b.yaml": documents(thing("b", size=1)),
}


async def _applied(estate: Estate) -> str:
    commit = estate.commit(ONE)
    async with estate.operator() as operator:
        await operator.apply()
    return commit


async def _plan(estate: Estate, *names: str, **asked: Any) -> list[Plan]:
    async with estate.operator() as operator:
        return await operator.plan(*names, **asked)


async def test_planning_changes_nothing(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2)), "web/c.yaml": documents(thing("c"))})
    before = estate.world().objects()
    async with estate.operator() as operator:
        plans = await operator.plan()
        assert [(plan.application, [(action.verb, str(action.key)) for action in plan.changes]) for plan in plans] == [
            ("web", [("update", "Thing/a"), ("create", "Thing/c")])
        ]
        assert len(await operator.history()) == 2, "a plan is no run"
        assert (await operator.status("web")).sync == "outOfSync"
    assert estate.world().objects() == before


async def test_a_plan_says_field_by_field_what_would_change_and_where_git_says_so(estate: Estate) -> None:
    await _applied(estate)
    commit = estate.commit({"web/a.yaml": "# first line\n" + documents(thing("a", size=2))})
    action = (await _plan(estate))[0].actions[0]
    assert action.changes == (Change("spec.size", 1, 2),)
    assert action.origin == Origin("web/a.yaml", 2, commit)


async def test_the_digest_is_the_same_for_the_same_change_and_another_for_any_other(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    first = (await _plan(estate))[0].digest
    estate.commit({"web/a.yaml": "# moved down by a line\n" + documents(thing("a", size=2))})
    assert (await _plan(estate))[0].digest == first, "revision and origin are no part of it"
    estate.world().put(thing("a", size=7))
    moved = (await _plan(estate))[0].digest
    assert moved != first, "what was seen at the target is part of it"
    estate.commit({"web/a.yaml": documents(thing("a", size=3))})
    assert (await _plan(estate))[0].digest not in (first, moved)


async def test_a_plan_file_is_carried_out_as_it_was_written(estate: Estate) -> None:
    await _applied(estate)
    commit = estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    file = _written(estate)
    said = estate.trueup("apply", "--plan", str(file), "-o", "json")
    assert said.code == 0, said.err
    assert [(run["application"], run["revision"], run["state"]) for run in said.document["items"]] == [("web", commit, "succeeded")]
    assert estate.world().specification("Thing/a") == {"size": 2}


async def test_a_plan_file_is_refused_when_the_world_moved(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    file = _written(estate)
    estate.world().put(thing("a", size=9))
    said = estate.trueup("apply", "--plan", str(file))
    assert said.code == 1
    assert "the world moved since this plan was made" in said.err
    assert "hint:" in said.err
    assert estate.world().specification("Thing/a") == {"size": 9}


async def test_a_plan_file_is_refused_when_a_newer_commit_was_applied(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    file = _written(estate)
    newer = estate.commit({"web/c.yaml": documents(thing("c"))})
    async with estate.operator() as operator:
        await operator.apply()
    said = estate.trueup("apply", "--plan", str(file))
    assert (said.code, "the world moved since this plan was made" in said.err) == (1, True), said.err
    async with estate.operator() as operator:
        status = await operator.status("web")
    assert (status.sync, status.revision) == ("synced", newer), "it stands as it stood"
    assert estate.world().names() == ["Thing/a", "Thing/b", "Thing/c"]


async def test_a_plan_file_of_a_commit_that_is_on_the_branch_no_more_is_refused(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    file = _written(estate)
    estate.workplace.git("reset", "--quiet", "--hard", "HEAD^")
    estate.commit({"web/a.yaml": documents(thing("a", size=3))})
    assert estate.trueup("release", "--repository").code == 0
    said = estate.trueup("apply", "--plan", str(file))
    assert (said.code, "is not on the followed branch" in said.err) == (64, True), said.err
    assert estate.world().specification("Thing/a") == {"size": 1}


async def test_a_plan_file_still_holds_when_git_moved_elsewhere(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    file = _written(estate)
    estate.commit({"api/b.yaml": documents(thing("b", size=2)), "README.md": "more"})
    said = estate.trueup("apply", "--plan", str(file))
    assert said.code == 0, said.err
    assert (estate.world().specification("Thing/a"), estate.world().specification("Thing/b")) == ({"size": 2}, {"size": 1})


async def test_a_run_under_way_is_not_taken_for_the_plan_of_a_file(estate: Estate) -> None:
    estate.commit({**ONE, "web/a.yaml": documents(thing("a", size=1, healthyAfter="1s"))})
    async with estate.operator() as operator:
        first = (await operator.plan("web"))[0]
        begun = await operator.apply("web", wait=False)
        assert await operator.apply("web", revision=first.revision, digests=(("web", "0" * 32),)) == []
        assert str(operator.problem) == "another plan is carried out just now"
        runs = await operator.apply("web", revision=first.revision, digests=(("web", first.digest),))
        assert operator.problem is None
    assert [(run.id, run.state) for run in runs] == [(begun[0].id, "succeeded")], "it is the one that was asked for"


async def test_the_engine_refuses_another_digest(estate: Estate) -> None:
    estate.commit(ONE)
    async with estate.operator() as operator:
        runs = await operator.apply("web", digests=(("web", "0" * 32),))
    assert runs == []
    assert isinstance(operator.problem, Outdated), operator.problem
    assert estate.world().names() == []


async def test_a_plan_of_another_commit_uses_targets_and_policies_of_the_followed_branch(estate: Estate) -> None:
    await _applied(estate)
    estate.workplace.git("switch", "--quiet", "--create", "proposal")
    changed = documents(
        target(), target("other"), application("web", target="other", policy={"deleteLimit": {"count": 0}}), application("api")
    )
    commit = estate.workplace.commit({"trueup.yaml": changed, "web/a.yaml": documents(thing("a", size=5))}, push=False)
    estate.workplace.push("origin", "proposal")
    for revision in (commit, commit[:10], "proposal"):
        plans = await _plan(estate, "web", revision=revision)
        assert [(plan.application, plan.target, plan.revision) for plan in plans] == [("web", "here", commit)]
    assert estate.world().specification("Thing/a") == {"size": 1}


async def test_a_plan_of_the_working_tree_reads_files_as_they_lie_on_disk(estate: Estate) -> None:
    await _applied(estate)
    clone = estate.workplace.clone
    (clone / "web/a.yaml").write_text(documents(thing("a", size=6)))
    said = estate.trueup("plan", "--working-tree", "-o", "json", cwd=clone)
    assert said.code == 2, said.err
    plans = said.document["items"]
    assert [(plan["application"], plan["actions"][0]["changes"]) for plan in plans] == [
        ("web", [{"path": "spec.size", "before": 1, "after": 6}])
    ]
    file = estate.folder / "plan.json"
    file.write_text(said.out)
    assert estate.trueup("apply", "--plan", str(file)).code == 64, "what is not committed cannot be applied"


async def test_a_new_application_of_the_working_tree_is_planned(estate: Estate) -> None:
    await _applied(estate)
    estate.workplace.write({"new/trueup.yaml": documents(application("new", path=".")), "new/n.yaml": documents(thing("fresh"))})
    said = estate.trueup("plan", "--working-tree", "-o", "json", cwd=estate.workplace.clone)
    assert [(plan["application"], plan["summary"]["create"]) for plan in said.document["items"]] == [("new", 1)]


async def test_apply_refuses_a_commit_that_was_not_pushed_to_the_branch(estate: Estate) -> None:
    await _applied(estate)
    estate.workplace.git("switch", "--quiet", "--create", "side")
    commit = estate.workplace.commit({"web/a.yaml": documents(thing("a", size=5))}, push=False)
    estate.workplace.push("origin", "side")
    said = estate.trueup("apply", "--revision", commit)
    assert said.code == 64
    assert "hint: push it" in said.err
    assert estate.world().specification("Thing/a") == {"size": 1}


async def test_apply_at_an_older_revision_applies_what_it_said(estate: Estate) -> None:
    first = await _applied(estate)
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    assert estate.trueup("apply").code == 0
    said = estate.trueup("apply", "--revision", first, "--app", "web")
    assert said.code == 0, said.err
    assert estate.world().specification("Thing/a") == {"size": 1}


async def test_what_is_not_declared_any_more_is_not_removed_by_asking_for_an_older_revision(estate: Estate) -> None:
    first = await _applied(estate)
    estate.commit({"trueup.yaml": documents(target(), application("api"))})
    async with estate.operator() as operator:
        with pytest.raises(UsageError):
            async for _ in operator.engine.apply(operator.repository, Selection(("web",)), Order(revision=first, yes=True)):
                pass
        await operator.apply(revision=first, yes=True)
    assert estate.world().names() == ["Thing/a", "Thing/b"]


async def test_a_plan_file_of_a_removal_is_held_until_it_is_approved(estate: Estate) -> None:
    await _applied(estate)
    estate.commit({"trueup.yaml": documents(target(), application("api"))})
    file = _written(estate)
    assert estate.trueup("apply", "--plan", str(file)).code == 3
    assert estate.world().names() == ["Thing/a", "Thing/b"]
    said = estate.trueup("apply", "--plan", str(file), "--yes")
    assert (said.code, estate.world().names()) == (0, ["Thing/b"]), said


async def test_applications_are_chosen_by_name_and_by_label(estate: Estate) -> None:
    estate.commit(ONE)

    def planned(*arguments: str) -> list[tuple[str, int]]:
        document = estate.trueup("plan", "-o", "json", *arguments).document
        return [(plan["application"], plan["summary"]["unchanged"]) for plan in document["items"]]

    assert planned() == [("api", 0), ("web", 0)]
    assert planned("--app", "web") == [("web", 0)]
    assert planned("-l", "team=core") == [("api", 0)]
    nobody = estate.trueup("plan", "-l", "team=cor")
    assert (nobody.code, nobody.out) == (64, "")
    assert "no application has the label `team=cor`" in nobody.err
    assert estate.trueup("apply", "-l", "team=core").code == 0
    assert estate.world().names() == ["Thing/b"]
    assert planned() == [("web", 0)], "what is as Git says is not open"
    assert planned("--all") == [("api", 1), ("web", 0)]


async def test_exit_codes_tell_what_came_of_it(estate: Estate) -> None:
    estate.commit(ONE)
    assert estate.trueup("plan").code == 2, "there are changes"
    never = estate.trueup("status", "-o", "json").document["items"]
    assert {(each["sync"], each["health"]) for each in never} == {("outOfSync", "missing")}, "what was never applied is not healthy"
    assert estate.trueup("apply").code == 0
    assert estate.trueup("plan").code == 0
    assert estate.trueup("drift").code == 0
    estate.world().put(thing("a", size=9))
    assert estate.trueup("drift").code == 2
    assert estate.trueup("plan", "--app", "nobody").code == 64
    assert estate.trueup("plan", "--nonsense").code == 64
    estate.commit({"web/a.yaml": documents(thing("a", health="degraded"))})
    assert estate.trueup("apply", "--app", "web").code == 1, "degraded"
    estate.commit({"web/a.yaml": documents(thing("a", refuse="no"))})
    estate.commit({"trueup.yaml": documents(target(), application("web", policy={"retry": {"limit": 0}}), application("api"))})
    failed = estate.trueup("apply", "--app", "web")
    assert (failed.code, "Thing/a was refused: no" in failed.err) == (1, True), failed.err
    estate.commit({"web/a.yaml": "a: ["})
    broken = estate.trueup("apply", "--app", "web")
    assert (broken.code, "web/a.yaml:2" in broken.err, "hint:" in broken.err) == (1, True, True), broken.err
    estate.commit({"api/b.yaml": None, "api/c.yaml": documents(thing("c"))})
    estate.commit({"api/c.yaml": None, "api/notes": "."})
    assert estate.trueup("plan", "--app", "api").code == 2, "held or not"
    partly = estate.trueup("plan")
    assert (partly.code, "api on here" in partly.out, "web/a.yaml:2" in partly.err) == (1, True, True), partly
    held = estate.trueup("apply", "--app", "api")
    assert (held.code, "the render is empty" in held.err) == (3, True), held.err


def _written(estate: Estate) -> Path:
    said = estate.trueup("plan", "-o", "json")
    assert said.code == 2, said.err
    assert json.loads(said.out)["items"][0]["digest"]
    file = estate.folder / "plan.json"
    file.write_text(said.out)
    return file


async def test_a_plan_of_a_proposal_hands_over_what_moves_in_it(estate: Estate) -> None:
    await _applied(estate)
    moved: dict[str, Any] = {"web/a.yaml": documents(thing("c")), "api/a.yaml": documents(thing("a", size=1))}
    estate.workplace.git("switch", "--quiet", "--create", "proposal")
    commit = estate.workplace.commit(moved, push=False)
    estate.workplace.push("origin", "proposal")
    for asked in ({"revision": commit}, {"tree": await WorkingTree.open(estate.workplace.clone)}):
        plans = {each.application: each for each in await _plan(estate, **asked)}
        assert [(str(action.key), action.verb, action.reason) for action in plans["api"].changes] == [
            ("Thing/a", "adopt", "moved from web")
        ]
        assert [(str(action.key), action.verb) for action in plans["web"].changes] == [("Thing/c", "create")]
        assert [each.held for each in plans.values()] == [None, None]


async def test_a_plan_of_a_proposal_shows_what_it_removes_and_only_of_what_is_meant(estate: Estate) -> None:
    await _applied(estate)
    clone = estate.workplace.clone
    removing: dict[str, Any] = {"trueup.yaml": documents(target(), application("web", labels={"team": "shop"})), "api/b.yaml": None}
    estate.workplace.git("switch", "--quiet", "--create", "proposal")
    commit = estate.workplace.commit(removing, push=False)
    estate.workplace.push("origin", "proposal")
    for asked in ({"revision": commit}, {"tree": await WorkingTree.open(clone)}):
        plans = [each for each in await _plan(estate, **asked) if each.application == "api"]
        assert [(each.summary.delete, each.held is not None) for each in plans] == [(1, True)]
        assert [each.application for each in await _plan(estate, "web", **asked)] == ["web"]


async def test_an_older_revision_is_applied_as_it_was_declared_then(estate: Estate) -> None:
    first = await _applied(estate)
    files: dict[str, Any] = {"web/a.yaml": None, "site/a.yaml": documents(thing("a", size=2))}
    estate.commit({**files, "trueup.yaml": documents(target(), application("web", path="site"), application("api"))})
    async with estate.operator() as operator:
        await operator.apply()
        assert estate.world().specification("Thing/a") == {"size": 2}
        runs = await operator.apply("web", revision=first)
        assert [(run.revision, run.state) for run in runs] == [(first, "succeeded")], operator.problem
    assert estate.world().specification("Thing/a") == {"size": 1}
