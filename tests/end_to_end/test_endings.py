"""How a run that does not become ready ends."""

import time

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing
from tests.end_to_end.serving import log_of, runs
from trueup.model.run import RunState, Trigger


async def test_what_stays_unknown_ends_at_its_timeout(estate: Estate) -> None:
    estate.commit(
        {"trueup.yaml": documents(target(), application(policy={"timeout": "1s"})), "web/a.yaml": documents(thing("a", health="unknown"))}
    )
    async with estate.operator() as operator:
        runs = await operator.apply()
    assert runs[-1].state is RunState.FAILED
    assert "not healthy after 1s" in runs[-1].message


async def test_refusals_are_counted_and_then_the_run_fails(estate: Estate) -> None:
    retry = {"limit": 2, "from": "100ms", "to": "200ms"}
    estate.commit(
        {"trueup.yaml": documents(target(), application(policy={"retry": retry})), "web/a.yaml": documents(thing("a", refuse="no room"))}
    )
    async with estate.operator() as operator:
        runs = await operator.apply()
        history = await operator.history()
    assert runs[-1].state is RunState.FAILED
    assert "no room" in runs[-1].message
    assert len(history) == 1, "tries are no runs of their own"
    assert (estate.world().names(), history[0].outcomes[0].state) == ([], "failed")


async def test_drift_while_a_run_waits_is_undone_when_it_has_ended(estate: Estate) -> None:
    files = {"web/a.yaml": documents(thing("a", size=1)), "web/slow.yaml": documents(thing("slow", healthyAfter="1500ms"))}
    estate.commit({"trueup.yaml": documents(target(), application()), **files})
    async with estate.served() as operator:
        await eventually(lambda: estate.world().names() == ["Thing/a", "Thing/slow"])
        estate.world().put(thing("a", size=7))
        await eventually(lambda: estate.world().specification("Thing/a") == {"size": 1})
        history = await operator.history()
    assert [run.trigger for run in reversed(history)] == [Trigger.POLL, Trigger.DRIFT]


async def test_a_command_that_does_not_wait_leaves_a_run_of_serve_that_does(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application()), "web/slow.yaml": documents(thing("slow", healthyAfter="30s"))})
    with estate.serving():
        await eventually(lambda: estate.world().names() == ["Thing/slow"])
        begun = time.monotonic()
        said = estate.trueup("apply", "--app", "web", "--no-wait")
        assert time.monotonic() - begun < 15
    assert said.code == 0, said


async def test_what_was_refused_rests_whatever_moves_meanwhile_until_git_says_something_else(estate: Estate) -> None:
    patient = application("full", policy={"retry": {"limit": 5, "from": "5m", "to": "5m"}})
    files = {"web/a.yaml": documents(thing("web", size=1)), "full/a.yaml": documents(thing("a", size=1), thing("b", refuse="no room"))}
    estate.commit({"trueup.yaml": documents(target(), application(), patient), **files})
    with estate.serving():
        await eventually(lambda: "refusal 1 of 6" in log_of(estate) and runs(estate, "web"))
        for size in (7, 8, 9):
            estate.world().put(thing("a", size=size))
            estate.world().put(thing("web", size=size))  # heard after the other one
            await eventually(lambda: estate.world().specification("Thing/web") == {"size": 1})
        assert log_of(estate).count("no room; tried again") == 1
        estate.commit({"full/a.yaml": documents(thing("a", size=1), thing("b"))})
        await eventually(lambda: runs(estate, "full")[0].state is RunState.SUCCEEDED)
    assert estate.world().specification("Thing/a") == {"size": 1}
