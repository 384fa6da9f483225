"""A plan is carried out wave by wave: what fails is told and tried again, what is newer goes first, and nothing waits for ever."""

import asyncio
import time
from typing import Any

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from trueup.model.manifest import Body
from trueup.model.run import RunState, Sync

SOON = {"retry": {"limit": 3, "from": "10ms", "to": "50ms"}}


def _web(*things: Body, **policy: Any) -> Files:
    return {"trueup.yaml": documents(target(), application("web", policy=policy)), "web/things.yaml": documents(*things)}


def _wave_times(estate: Estate) -> dict[str, str]:
    """When each object was written first."""
    return {key: record.entry.lines[0].split()[0] for key, record in estate.world().objects().items()}


async def test_a_wave_begins_when_the_one_before_is_healthy(estate: Estate) -> None:
    estate.commit(_web(thing("last", wave=7), thing("first", wave=-1, healthyAfter="2s"), thing("middle", healthyAfter="100ms")))
    async with estate.served() as operator:
        await eventually(lambda: estate.world().names() == ["Thing/first"])

        async def is_told() -> bool:
            return [str(outcome.key) for outcome in (await operator.history())[0].outcomes] == ["Thing/first"]

        await eventually(is_told)  # before the next wave begins
        await eventually(lambda: len(estate.world().names()) == 3)
        await eventually(lambda: _ended(operator))
        run = (await operator.history())[0]
    assert [str(outcome.key) for outcome in run.outcomes] == ["Thing/first", "Thing/middle", "Thing/last"]
    assert run.state is RunState.SUCCEEDED
    times = _wave_times(estate)
    assert times["Thing/first"] < times["Thing/middle"] < times["Thing/last"]
    assert len(await _history(estate)) == 1, "one run, however long it waits"


async def test_what_does_not_depend_on_a_failure_goes_on_and_later_waves_do_not_begin(estate: Estate) -> None:
    things = [thing("one", refuse="no"), thing("two"), thing("three", refuse="never"), thing("later", wave=1)]
    estate.commit(_web(*things, retry={"limit": 0}))
    async with estate.operator() as operator:
        run = (await operator.apply())[0]
        status = await operator.status("web")
    assert estate.world().names() == ["Thing/two"]
    assert run.state is RunState.FAILED
    assert {str(outcome.key): outcome.state for outcome in run.outcomes} == {
        "Thing/one": "failed",
        "Thing/two": "done",
        "Thing/three": "failed",
    }
    assert "Thing/one was refused: no" in run.message
    assert "(and 1 more)" in run.message
    assert (status.sync, "Thing/one was refused: no" in status.message) == (Sync.FAILED, True)


async def test_a_refusal_is_tried_again_as_often_as_the_policy_says(estate: Estate) -> None:
    estate.commit(_web(thing("one", refuse="no"), **SOON))
    async with estate.operator() as operator:
        runs = await operator.apply()
    assert [run.state for run in runs] == [RunState.FAILED]
    assert estate.log.getvalue().count("tried again") == 3


async def test_a_failed_run_waits_for_something_new_and_a_newer_commit_is_never_blocked(estate: Estate) -> None:
    estate.commit(_web(thing("one", refuse="no"), **SOON))
    async with estate.served() as operator:
        await eventually(lambda: _ended(operator))
        await asyncio.sleep(0.5)
        assert len(await operator.history()) == 1, "it is not begun again by itself"
        commit = estate.commit({"web/things.yaml": documents(thing("one"))})
        await eventually(lambda: estate.world().names() == ["Thing/one"])
        await eventually(lambda: _ended(operator))
        newest = (await operator.history())[0]
    assert (newest.revision, newest.state) == (commit, RunState.SUCCEEDED)


async def test_a_failed_run_is_begun_again_by_a_person_and_by_a_change_at_the_target(estate: Estate) -> None:
    estate.commit(_web(thing("one"), thing("two", refuse="no"), retry={"limit": 0}))
    async with estate.operator() as operator:
        await operator.apply()
        assert [run.state for run in await operator.apply()] == [RunState.FAILED]
        assert len(await operator.history()) == 2
    async with estate.served() as operator:
        await eventually(lambda: _ended(operator, 3))
        estate.world().take("Thing/one")
        await eventually(lambda: "Thing/one" in estate.world().names())
        await eventually(lambda: _ended(operator, 4))


async def test_a_newer_commit_overtakes_a_run_that_tries_again(estate: Estate) -> None:
    estate.commit(_web(thing("one", refuse="no"), retry={"limit": 100, "from": "1m", "to": "1m"}))
    async with estate.served() as operator:
        await eventually(lambda: "tried again" in estate.log.getvalue())
        commit = estate.commit({"web/things.yaml": documents(thing("one"))})
        await eventually(lambda: estate.world().names() == ["Thing/one"])
        await eventually(lambda: _ended(operator))
        assert [(run.revision == commit, run.state) for run in await operator.history()] == [
            (True, RunState.SUCCEEDED),
            (False, RunState.SUPERSEDED),
        ]


async def test_a_newer_commit_overtakes_between_waves_and_never_inside_one(estate: Estate) -> None:
    first = [*(thing(f"t{number}") for number in range(10)), thing("gate", health="progressing"), thing("later", wave=1)]
    estate.commit({**_web(*first), "trueup.yaml": documents(target(delay="40ms"), application("web"))})
    async with estate.served() as operator:
        await eventually(lambda: len(estate.world().names()) > 1)
        second = estate.commit({"web/things.yaml": documents(*(thing(f"t{number}", size=2) for number in range(10)))})
        await eventually(lambda: _ended(operator, 2))
        runs = await operator.history()
    assert [(run.revision == second, run.state) for run in runs] == [(True, RunState.SUCCEEDED), (False, RunState.SUPERSEDED)]
    assert len(runs[1].outcomes) == 11, "the wave that had begun was carried out to its end"
    assert "Thing/later" not in estate.world().names()


async def test_a_run_that_is_not_healthy_in_time_fails(estate: Estate) -> None:
    estate.commit(_web(thing("slow", health="progressing"), timeout="300ms"))
    async with estate.operator() as operator:
        begun = time.monotonic()
        run = (await operator.apply())[0]
        assert time.monotonic() - begun < 60
        status = await operator.status("web")
    assert (run.state, "not healthy after" in run.message, "Thing/slow" in run.message) == (RunState.FAILED, True, True)
    assert (status.sync, status.health) == (Sync.SYNCED, "progressing"), "what was asked for was applied"


async def test_a_wave_that_is_not_healthy_in_time_lets_no_later_one_begin(estate: Estate) -> None:
    estate.commit(_web(thing("slow", health="progressing"), thing("later", wave=1), timeout="300ms"))
    async with estate.operator() as operator:
        run = (await operator.apply())[0]
        status = await operator.status("web")
    assert (run.state, "not healthy after" in run.message) == (RunState.FAILED, True)
    assert estate.world().names() == ["Thing/slow"]
    assert status.sync == Sync.FAILED


async def test_a_degraded_object_ends_the_run_at_once(estate: Estate) -> None:
    estate.commit(_web(thing("ill", health="degraded"), timeout="1h"))
    async with estate.operator() as operator:
        run = (await operator.apply())[0]
        status = await operator.status("web")
    assert (run.state, "Thing/ill" in run.message) == (RunState.FAILED, True)
    assert (status.health, status.sync) == ("degraded", Sync.SYNCED)


async def test_an_apply_that_does_not_wait_leaves_the_run_to_whoever_comes_next(estate: Estate) -> None:
    estate.commit(_web(thing("slow", healthyAfter="300ms")))
    async with estate.operator() as operator:
        runs = await operator.apply(wait=False)
        assert [run.state for run in runs] == [RunState.RUNNING]
    async with estate.served() as operator:
        await eventually(lambda: _ended(operator))
        assert [run.id for run in await operator.history()] == [runs[0].id]


async def test_deletes_come_after_all_else_and_in_the_reverse_order(estate: Estate) -> None:
    policy = {"deleteLimit": {"percent": 100}}
    estate.commit(_web(thing("a"), thing("b", wave=1), thing("c", wave=2), **policy))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit(_web(thing("fresh"), **policy))
        run = (await operator.apply())[0]
    assert [(outcome.verb, str(outcome.key)) for outcome in run.outcomes] == [
        ("create", "Thing/fresh"),
        ("delete", "Thing/c"),
        ("delete", "Thing/b"),
        ("delete", "Thing/a"),
    ]


async def test_what_was_done_of_a_failed_run_is_not_done_again(estate: Estate) -> None:
    estate.commit(_web(thing("one"), thing("two", refuse="no"), retry={"limit": 0}))
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world().objects()["Thing/one"].entry.version
        estate.commit({"web/things.yaml": documents(thing("one"), thing("two"))})
        run = (await operator.apply())[0]
    assert [str(outcome.key) for outcome in run.outcomes] == ["Thing/two"]
    assert estate.world().objects()["Thing/one"].entry.version == before


async def test_an_object_that_moved_since_the_plan_ends_the_run_and_it_is_planned_again(estate: Estate) -> None:
    estate.commit(_web(thing("gate", healthyAfter="2s"), thing("later", wave=1, size=1)))
    async with estate.served() as operator:
        await eventually(lambda: estate.world().names() == ["Thing/gate"])
        estate.world().put(thing("later", by="hand"))
        await eventually(lambda: _ended(operator, 2))
        runs = await operator.history()
    assert [run.state for run in runs] == [RunState.HELD, RunState.SUPERSEDED]
    assert runs[0].message == "Thing/later exists and is not ours: adopt"
    assert estate.world().specification("Thing/later") == {"by": "hand"}


async def _ended(operator: Operator, count: int = 0) -> bool:
    runs = await operator.history()
    return len(runs) >= max(count, 1) and all(run.state is not RunState.RUNNING for run in runs)


async def _history(estate: Estate) -> list[Any]:
    async with estate.operator() as operator:
        return await operator.history()
