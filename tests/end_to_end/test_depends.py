"""Applications that depend on others: applied in order, told what they wait for, removed in the reverse order."""

import itertools
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from trueup.model.run import Run, RunState, Sync, Trigger
from trueup.model.selection import Selection

CHAIN = [f"link{number}" for number in range(10)]


@pytest.fixture
def nobody_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks now and then whether something has become possible, looks again in an hour."""
    monkeypatch.setattr("trueup.engine.drain.LOOK", 3600.0)
    monkeypatch.setattr("trueup.engine.reconcile.LOOK_WHILE_PROGRESSING", 3600.0)


def _chain(names: list[str], **specification: Any) -> Files:
    """Applications each of which needs the one before, in turn on two targets; the names sort against the order."""
    files: Files = {"targets.trueup.yaml": documents(target("here"), target("there"))}
    for number, name in enumerate(names):
        needs = names[number - 1 : number] if number else []
        where = "here" if number % 2 else "there"
        files[f"{name}/trueup.yaml"] = documents(application(name, where, path=".", dependsOn=needs))
        files[f"{name}/thing.yaml"] = documents(thing(name, **specification))
    return files


def _in_order(runs: list[Run]) -> list[str]:
    """The applications in the order in which their runs began; each began after the one before had ended."""
    ordered = sorted(runs, key=lambda run: run.started_at)
    for before, after in itertools.pairwise(ordered):
        assert before.finished_at is not None
        assert before.finished_at <= after.started_at
    return [run.application for run in ordered]


@pytest.mark.usefixtures("nobody_polls")
async def test_a_chain_of_ten_is_applied_in_order_by_one_apply_without_waiting(estate: Estate) -> None:
    names = CHAIN[::-1]
    estate.commit(_chain(names))
    async with estate.operator() as operator:
        runs = await operator.apply()
    assert _in_order(runs) == names
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    assert len(estate.world("here").names()) + len(estate.world("there").names()) == 10


@pytest.mark.usefixtures("nobody_polls")
async def test_a_chain_of_ten_is_applied_in_order_by_a_serve_without_polling(estate: Estate) -> None:
    names = CHAIN[::-1]
    estate.commit(_chain(names))
    async with estate.served(repositories=[{"url": estate.url, "poll": "1h"}]) as operator:
        await eventually(lambda: len(estate.world("here").names()) + len(estate.world("there").names()) == 10)
        await eventually(lambda: _all_ended(operator, 10))
        assert _in_order(await operator.history()) == names


async def test_a_change_of_two_links_is_applied_in_order_too(estate: Estate) -> None:
    names = CHAIN[::-1]
    estate.commit(_chain(names))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({f"{name}/thing.yaml": documents(thing(name, size=2)) for name in (names[2], names[3])})
        runs = await operator.apply()
    assert _in_order(runs) == [names[2], names[3]]


async def test_what_waits_says_for_whom_and_goes_on_when_that_is_healthy(estate: Estate) -> None:
    estate.commit(_chain(["base", "app"]))
    estate.commit({"base/thing.yaml": documents(thing("base", healthyAfter="2s"))})
    async with estate.served() as operator:

        async def waits() -> bool:
            status = await operator.remembered("app")
            return status is not None and (status.sync, status.message) == (Sync.OUT_OF_SYNC, "waits for base")

        await eventually(waits)
        assert estate.world("here").names() == []
        await eventually(lambda: estate.world("here").names() == ["Thing/app"])
        assert [run.application for run in await operator.history("app")] == ["app"], "waiting is no run"


async def test_an_unhealthy_dependency_blocks_what_is_new_and_nothing_else(estate: Estate) -> None:
    estate.commit(_chain(["base", "app"]))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"base/thing.yaml": documents(thing("base", health="degraded"))})
        estate.commit({"app/thing.yaml": documents(thing("app", size=2))})
        runs = {run.application: run for run in await operator.apply()}
        assert (runs["base"].state, "app" in runs) == (RunState.FAILED, False)
        assert (await operator.status("app")).message.startswith("waits for base")
        assert estate.world("here").specification("Thing/app") == {}

        estate.commit({"app/thing.yaml": documents(thing("app"))})
        estate.world("here").put(thing("app", size=9))
        runs = {run.application: run for run in await operator.apply("app")}
    assert runs == {}, "its revision moved, so that what it is to be waits too"


async def test_drift_is_healed_though_a_dependency_is_unhealthy(estate: Estate) -> None:
    estate.commit(_chain(["base", "app"]))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"base/thing.yaml": documents(thing("base", health="degraded"))})
        await operator.apply("base")
        estate.world("here").put(thing("app", size=9))
        assert [each async for _, each in operator.engine.drift(operator.repository, Selection(("app",)))]
        runs = await operator.apply("app")
    assert [(run.application, run.state) for run in runs] == [("app", RunState.SUCCEEDED)]
    assert estate.world("here").specification("Thing/app") == {}


async def test_a_dependency_that_is_mended_lets_what_waits_go_on(estate: Estate) -> None:
    estate.commit(_chain(["base", "app"], health="degraded"))
    async with estate.served() as operator:
        await eventually(lambda: _has_failed(operator, "base"))
        estate.commit({f"{name}/thing.yaml": documents(thing(name)) for name in ("base", "app")})
        await eventually(lambda: estate.world("here").names() == ["Thing/app"])
        await eventually(lambda: _all_ended(operator, 3))
        newest = (await operator.history("app"))[0]
    assert (newest.state, newest.trigger) == (RunState.SUCCEEDED, Trigger.DEPENDENCY)


async def test_a_dependency_that_is_healthy_late_lets_what_waits_go_on_all_the_same(estate: Estate) -> None:
    files = _chain(["base", "app"])
    files["base/trueup.yaml"] = documents(application("base", "there", path=".", policy={"timeout": "300ms"}))
    estate.commit({**files, "base/thing.yaml": documents(thing("base", healthyAfter="2s"))})
    async with estate.served() as operator:
        await eventually(lambda: _has_failed(operator, "base"))
        assert estate.world("here").names() == []
        await eventually(lambda: estate.world("here").names() == ["Thing/app"])
        await eventually(lambda: _is_synced(operator, "base", "there"))


async def test_removal_goes_in_the_reverse_order(estate: Estate) -> None:
    names = ["base", "middle", "top"]
    files = _chain(names)
    for number, name in enumerate(names):
        needs = names[number - 1 : number] if number else []
        where = "here" if number % 2 else "there"
        files[f"{name}/trueup.yaml"] = documents(application(name, where, path=".", dependsOn=needs, policy={"removal": "delete"}))
    estate.commit(files)
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({path: None for path in files if path != "targets.trueup.yaml"})
        runs = await operator.apply()
    assert _in_order(runs) == ["top", "middle", "base"]
    assert estate.world("here").names() == estate.world("there").names() == []


async def test_what_is_removed_waits_until_those_who_need_it_are_gone(estate: Estate) -> None:
    files = _chain(["base", "top"])
    estate.commit(files)
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({path: None for path in files if path != "targets.trueup.yaml"})
        await operator.apply()
        assert (await operator.status("base")).message.startswith("waits for the removal of top")
        await operator.approve("top")
        await operator.apply()
        assert [hold.application for hold in await operator.waiting()] == ["base"]
        await operator.approve("base")
        await operator.apply()
    assert estate.world("here").names() == estate.world("there").names() == []


async def test_a_dependency_whose_declaration_is_gone_is_a_fault_of_who_needs_it(estate: Estate) -> None:
    files = _chain(["base", "app"])
    estate.commit(files)
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"base/trueup.yaml": None, "base/thing.yaml": None})
        followed = await operator.follow()
        assert [fault.message for fault in followed.faults] == ["`dependsOn` names `base`, which does not exist"]
        await operator.apply()
        assert await operator.waiting() == [], "nothing is concluded from absence while something is wrong"
    assert (estate.world("here").names(), estate.world("there").names()) == (["Thing/app"], ["Thing/base"])


async def _has_failed(operator: Operator, name: str) -> bool:
    return [run.state for run in await operator.history(name)] == [RunState.FAILED]


async def _is_synced(operator: Operator, name: str, where: str) -> bool:
    status = await operator.remembered(name, where)
    return status is not None and (status.sync, status.health) == (Sync.SYNCED, "healthy")


async def _all_ended(operator: Operator, count: int) -> bool:
    runs = await operator.history()
    return len(runs) == count and all(run.state is not RunState.RUNNING for run in runs)
