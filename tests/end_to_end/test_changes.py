"""Changes that come fast, or while their application is walked: none is lost, none is done twice."""

import subprocess
import threading

import pytest

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing
from tests.end_to_end.serving import SELDOM, generation, remembering, runs, shop
from tests.testbed.repositories import Workplace, git
from trueup.model.run import RunState

COMMITS = 100


def push_from_many_hands(workplace: Workplace, hands: int) -> None:
    """Each hand has a clone of its own and pushes commits as fast as it can, again whenever somebody was faster."""

    def work(hand: int) -> None:
        clone = workplace.origin.parent / f"hand{hand}"
        git(workplace.origin.parent, "clone", "--quiet", str(workplace.origin), str(clone))
        for number in range(hand, COMMITS, hands):
            (clone / f"app{number}/thing.yaml").write_text(documents(thing(f"app{number}", size=2)))
            git(clone, "commit", "--quiet", "--all", "-m", f"app{number}")
            while subprocess.run(["git", "push", "--quiet"], cwd=clone, capture_output=True, check=False).returncode:
                git(clone, "pull", "--quiet", "--rebase")

    threads = [threading.Thread(target=work, args=(hand,)) for hand in range(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
async def test_a_hundred_quick_commits_are_each_applied_once(estate: Estate) -> None:
    names = [f"app{number}" for number in range(COMMITS)]
    estate.commit(shop(*names))
    with estate.serving("--poll", "100ms"):
        await eventually(lambda: len(estate.world().names()) == COMMITS)
        push_from_many_hands(estate.workplace, 3)
        with remembering(estate) as memory:
            await eventually(lambda: len(memory.pending()) == 1)
            await eventually(lambda: [run.state for run in runs(estate)] == [RunState.SUCCEEDED] * 2 * COMMITS)
    written = {name: generation(estate, name) for name in names}
    assert written == dict.fromkeys(names, 2)
    line = git(estate.workplace.origin, "log", "--first-parent", "--format=%s %H", "main").splitlines()
    commits = dict(each.split() for each in line if each.startswith("app"))
    second = {run.application: run for run in reversed(runs(estate))}
    assert {name: run.revision for name, run in second.items()} == commits  # each shows its own commit, not the newest


async def test_a_commit_that_comes_while_its_application_is_walked_is_walked_next(estate: Estate) -> None:
    estate.commit(
        {"trueup.yaml": documents(target(delay="500ms"), application()), "web/a.yaml": documents(thing("a", size=1), thing("b", size=1))}
    )
    with estate.serving():
        await eventually(lambda: "Thing/a" in estate.world().names())
        for size in (2, 3, 4):  # while b of the first is still to come
            commit = estate.commit({"web/a.yaml": documents(thing("a", size=size), thing("b", size=size))})
        await eventually(lambda: runs(estate)[0].revision == commit and runs(estate)[0].state is RunState.SUCCEEDED)
    assert {key: record.entry.body["spec"]["size"] for key, record in estate.world().objects().items()} == {"Thing/a": 4, "Thing/b": 4}
    assert (
        generation(estate, "a") == generation(estate, "b") == len(runs(estate))
    )  # a run for each commit that was walked, a write for each run
    assert {run.state for run in runs(estate)} == {RunState.SUCCEEDED}


async def test_a_newer_commit_takes_the_place_of_one_that_does_not_become_ready(estate: Estate) -> None:
    estate.commit(
        {"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("a", healthyAfter="1h"), thing("b", 1))}
    )
    with estate.serving():
        await eventually(lambda: estate.world().names() == ["Thing/a"])
        commit = estate.commit({"web/a.yaml": documents(thing("a"), thing("b", 1))})
        await eventually(lambda: [run.state for run in runs(estate)] == [RunState.SUCCEEDED, RunState.SUPERSEDED])
    assert estate.world().names() == ["Thing/a", "Thing/b"]
    assert commit[:7] in runs(estate)[1].message


async def test_an_application_that_goes_while_its_run_waits_is_held_and_not_forgotten(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("a", healthyAfter="1h"))})
    with estate.serving():
        await eventually(lambda: runs(estate)[0].state is RunState.RUNNING)
        estate.commit({"trueup.yaml": documents(target())})
        await eventually(lambda: [run.state for run in runs(estate)] == [RunState.HELD, RunState.SUPERSEDED])
    assert estate.world().owners() == {"Thing/a": "web"}
    with remembering(estate) as memory:
        [hold] = memory.holds()
        assert (hold.application, hold.kind) == ("web", "approval")


async def test_two_commands_at_once_do_the_work_of_one(estate: Estate) -> None:
    files = {"web/a.yaml": documents(*(thing(f"t{number}") for number in range(4)))}
    estate.commit({"trueup.yaml": documents(target(delay="200ms"), application()), **files})
    with estate.running("apply") as one, estate.running("apply") as other:
        assert (one.wait(90), other.wait(90)) == (0, 0)
    assert [record.entry.generation for record in estate.world().objects().values()] == [1] * 4
    assert [run.state for run in runs(estate)] == [RunState.SUCCEEDED]


async def test_a_serve_and_a_command_do_not_walk_one_application_at_once(estate: Estate) -> None:
    estate.commit(shop("web", delay="400ms"))
    with estate.serving(*SELDOM):
        await eventually(lambda: runs(estate))
        with estate.running("apply", "--yes") as command:
            assert command.wait(90) == 0
        await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
    assert generation(estate, "web") == 1
