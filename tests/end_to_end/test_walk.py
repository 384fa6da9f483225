"""One commit walks to what runs, and the cost follows the change."""

import shutil
from typing import Any

import msgspec

from tests.end_to_end.estate import Estate, Figures, application, documents, target, thing
from trueup.model.health import State
from trueup.model.memory import Address
from trueup.model.run import RunState, Sync

TWO: dict[str, Any] = {
    "trueup.yaml": documents(target()),
    "web/trueup.yaml": documents(application("web", path=".")),
    "web/a.yaml": documents(thing("a", size=1)),
    "shop/trueup.yaml": documents(application("shop", path=".")),
    "shop/b.yaml": documents(thing("b", size=1)),
}


async def test_a_commit_walks_to_what_runs(estate: Estate) -> None:
    commit = estate.commit(TWO)
    async with estate.operator() as operator:
        runs = await operator.apply()
        status = await operator.status("web")
    assert operator.problem is None
    assert [(run.application, run.state, run.revision, run.actor) for run in sorted(runs, key=lambda run: run.application)] == [
        ("shop", RunState.SUCCEEDED, commit, "trueup"),
        ("web", RunState.SUCCEEDED, commit, "trueup"),
    ]
    assert estate.world().owners() == {"Thing/a": "web", "Thing/b": "shop"}
    assert estate.world().specification("Thing/a") == {"size": 1}
    assert (status.sync, status.revision, status.desired_revision, status.health) == (Sync.SYNCED, commit, commit, "healthy")


async def test_a_commit_that_touches_one_application_costs_one_render_one_plan_and_one_run(estate: Estate) -> None:
    first = estate.commit(TWO)
    async with estate.operator() as operator:
        await operator.apply()
    second = estate.commit({"web/a.yaml": documents(thing("a", size=2))})
    figures = Figures()
    async with estate.operator(figures) as operator:
        runs = await operator.apply()
        assert operator.renders == 1
        assert await operator.revisions() == {"web": second, "shop": first}
        assert len(await operator.history()) == 3
    assert [(run.application, run.revision, run.state) for run in runs] == [("web", second, RunState.SUCCEEDED)]
    assert (figures.stages["plan"], figures.stages["apply"]) == (1, 1)
    assert estate.world().specification("Thing/a") == {"size": 2}


async def test_a_commit_that_touches_nothing_of_an_application_asks_nothing_of_its_target(estate: Estate) -> None:
    first = estate.commit(TWO)
    async with estate.operator() as operator:
        await operator.apply()
    estate.commit({"README.md": "hello", "web/notes.txt": "not a manifest", "other/deep/file.yaml": "a: b"})
    estate.commit({"web/notes.txt": "still none"})
    figures = Figures()
    async with estate.operator(figures) as operator:
        assert [run.application for run in await operator.apply()] == ["web"], "a new name in its folder is an input"
        estate.commit({"web/notes.txt": "and again", "README.md": "more"})
        renders = operator.renders
        assert await operator.apply() == []
        assert operator.renders == renders
        assert (await operator.revisions())["shop"] == first
    assert figures.stages["plan"] == 1


async def test_inputs_that_change_without_changing_an_object_make_a_run_without_outcomes_and_move_the_revision(estate: Estate) -> None:
    estate.commit(TWO)
    async with estate.operator() as operator:
        await operator.apply()
    before = estate.world().objects()["Thing/a"].entry
    second = estate.commit({"web/a.yaml": "# a comment\n" + documents(thing("a", size=1))})
    async with estate.operator() as operator:
        runs = await operator.apply()
        status = await operator.status("web")
    assert [(run.state, run.revision, run.outcomes) for run in runs] == [(RunState.SUCCEEDED, second, ())]
    assert (status.revision, status.sync) == (second, Sync.SYNCED)
    assert estate.world().objects()["Thing/a"].entry == before, "nothing was written to the object"


async def test_several_commits_between_two_looks_make_one_walk_at_the_newest(estate: Estate) -> None:
    estate.commit(TWO)
    async with estate.operator() as operator:
        await operator.apply()
        commits = [estate.commit({"web/a.yaml": documents(thing("a", size=size))}) for size in (2, 3, 4)]
        runs = await operator.apply()
    assert [(run.revision, run.state) for run in runs] == [(commits[-1], RunState.SUCCEEDED)]
    assert estate.world().specification("Thing/a") == {"size": 4}


async def test_a_run_tells_who_wrote_the_revision_and_who_asked_for_it(estate: Estate) -> None:
    estate.commit(TWO, "web: begin\n\nWith a long story.")
    async with estate.operator() as operator:
        run = (await operator.apply("web", actor="alice"))[0]
    assert (run.author, run.subject, run.actor, run.trigger) == ("Test", "web: begin", "alice", "person")
    assert run.finished_at is not None
    assert run.finished_at >= run.started_at


async def test_a_lost_memory_deletes_nothing_adopts_nothing_and_finds_what_was_forgotten(estate: Estate) -> None:
    estate.commit(TWO)
    async with estate.operator() as operator:
        await operator.apply()
    before = {key: record.entry.version for key, record in estate.world().objects().items()}
    estate.commit({"shop/trueup.yaml": None, "shop/b.yaml": None})
    for file in estate.state.glob("memory.db*"):
        file.unlink()
    shutil.rmtree(estate.state / "mirrors")
    async with estate.operator() as operator:
        runs = {run.application: run for run in await operator.apply()}
        assert [(hold.application, hold.kind) for hold in await operator.waiting()] == [("shop", "approval")]
        found = estate.world().objects()
        await operator.approve("shop")
        await operator.apply()
        assert (estate.world().names(), await operator.waiting()) == (["Thing/a"], [])
    assert {key: record.entry.version for key, record in found.items()} == before
    assert (runs["web"].state, runs["web"].outcomes) == (RunState.SUCCEEDED, ())
    assert "its declaration is gone" in runs["shop"].message


async def test_what_a_walk_wrote_and_could_not_tell_of_is_ready_for_the_next_revision(estate: Estate) -> None:
    estate.commit(
        {"trueup.yaml": documents(target(), application("web", policy={"timeout": "10s"})), "web/a.yaml": documents(thing("a"), thing("b"))}
    )
    async with estate.operator() as operator:
        await operator.apply()
        memory, address = operator.engine.memory, Address(estate.repository.identity, "web", "here")
        standing = memory.standing(address)
        assert standing is not None
        memory.stand(msgspec.structs.replace(standing, versions=dict.fromkeys(standing.versions, "before the walk was killed")))
        assert (await operator.status("web")).health == State.HEALTHY
        estate.commit({"web/a.yaml": documents(thing("a"), thing("b", size=2))})
        assert [(run.state, run.message) for run in await operator.apply()] == [(RunState.SUCCEEDED, "")]


async def test_links_of_the_repository_bring_what_they_lead_to(estate: Estate) -> None:
    estate.commit({**TWO, "shared/base.yaml": documents(thing("shared", size=1))})
    (estate.workplace.clone / "web/base.yaml").symlink_to("../shared/base.yaml")
    estate.commit({})
    async with estate.operator() as operator:
        await operator.apply()
        assert estate.world().specification("Thing/shared") == {"size": 1}
        moved = estate.commit({"shared/base.yaml": documents(thing("shared", size=2))})
        runs = await operator.apply()
    assert [(run.application, run.revision) for run in runs] == [("web", moved)]
    assert estate.world().specification("Thing/shared") == {"size": 2}


async def test_only_the_followed_folder_of_a_repository_is_looked_at(estate: Estate) -> None:
    estate.commit({**TWO, "one/trueup.yaml": documents(target(), application("one", path=".")), "one/c.yaml": documents(thing("c"))})
    said = estate.trueup("apply", "--path", "one")
    assert said.code == 0, said.err
    listed = estate.trueup("status", "--path", "one", "-o", "json").document
    assert [item["application"] for item in listed["items"]] == ["one"]
