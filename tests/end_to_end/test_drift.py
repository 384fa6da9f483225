"""What others change at the target is drift: seen, told, undone or left as the policy says, and never fought over without end."""

import asyncio
import itertools
from typing import Any

import msgspec
import pytest

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from trueup.model.errors import Unreachable
from trueup.model.manifest import Key
from trueup.model.memory import Drifted
from trueup.model.run import RunState, Status, Sync, Trigger
from trueup.model.selection import Selection

WEB = Selection(("web",))


def _web(things: list[Any], ignore: list[Any] | None = None, **policy: Any) -> Files:
    declared = application("web", policy=policy, ignore=ignore or [])
    return {"trueup.yaml": documents(target(), declared), "web/things.yaml": documents(*things)}


async def _runs_of(operator: Operator, trigger: Trigger) -> int:
    return sum(run.trigger is trigger and run.state is RunState.SUCCEEDED for run in await operator.history())


async def test_a_serve_undoes_drift_with_a_run_of_its_own(estate: Estate) -> None:
    commit = estate.commit(_web([thing("a", size=1), thing("b")]))
    async with estate.served() as operator:
        await eventually(lambda: len(estate.world().names()) == 2)
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        estate.world().put(thing("a", size=9))
        await eventually(lambda: estate.world().specification("Thing/a") == {"size": 1})
        estate.world().take("Thing/b")
        await eventually(lambda: estate.world().names() == ["Thing/a", "Thing/b"])
        await eventually(lambda: _is(operator, Trigger.DRIFT, 2))
        newest = (await operator.history())[0]
        await eventually(lambda: _stands(operator, Sync.SYNCED))
    assert (newest.trigger, newest.revision, [outcome.verb for outcome in newest.outcomes]) == (Trigger.DRIFT, commit, ["create"])


async def test_what_is_taken_away_while_a_run_waits_for_it_is_made_again(estate: Estate) -> None:
    estate.commit(_web([thing("a", health="progressing"), thing("b")]))
    async with estate.served() as operator:
        await eventually(lambda: len(estate.world().names()) == 2)
        estate.world().take("Thing/b")
        await eventually(lambda: len(estate.world().names()) == 2)
        await eventually(lambda: _ended(operator, RunState.SUPERSEDED))


async def _ended(operator: Operator, state: RunState) -> bool:
    return any(run.state is state for run in await operator.history())


async def test_drift_while_nothing_serves_is_seen_and_undone_by_the_next_apply(estate: Estate) -> None:
    estate.commit(_web([thing("a", size=1)]))
    async with estate.operator() as operator:
        await operator.apply()
        estate.world().put(thing("a", size=9))
        status, drifted = (await _drift(operator))[0]
        assert (str(drifted.key), [(each.path, each.before, each.after) for each in drifted.changes]) == (
            "Thing/a",
            [("spec.size", 9, 1)],
        )
        assert status.application == "web"
        assert [run.trigger for run in await operator.apply()] in ([Trigger.DRIFT], [Trigger.PERSON])
    assert estate.world().specification("Thing/a") == {"size": 1}


async def test_without_self_healing_drift_is_told_and_left(estate: Estate) -> None:
    estate.commit(_web([thing("a", size=1)], selfHeal=False))
    async with estate.served() as operator:
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        estate.world().put(thing("a", size=9))
        await eventually(lambda: _stands(operator, Sync.OUT_OF_SYNC))
        status = await operator.remembered("web")
        assert status is not None
        assert status.message == "drift: Thing/a"
        assert len(await operator.history()) == 1, "what is left alone makes no run"
        assert estate.world().specification("Thing/a") == {"size": 9}
        estate.world().put(thing("a", size=1))
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        estate.world().put(thing("a", size=9))
        await eventually(lambda: _stands(operator, Sync.OUT_OF_SYNC))
        estate.commit({"web/things.yaml": documents(thing("a", size=1), thing("b"))})
        await eventually(lambda: estate.world().names() == ["Thing/a", "Thing/b"])
    assert estate.world().specification("Thing/a") == {"size": 1}, "a new revision is applied as a whole"


async def test_drift_that_was_seen_is_told_though_another_application_could_not_be_looked_at(estate: Estate) -> None:
    files = {f"{name}/things.yaml": documents(thing(name)) for name in ("also", "web")}
    estate.commit({"trueup.yaml": documents(target(), application("also"), application()), **files})
    async with estate.operator() as operator:
        await operator.apply()
        memory, repository = operator.engine.memory, operator.repository
        also, web = memory.standings(repository.identity)
        silent = msgspec.structs.replace(also.status, sync=Sync.UNKNOWN, message="unreachable: nobody answers")
        memory.stand(msgspec.structs.replace(also, status=silent))
        memory.stand(msgspec.structs.replace(web, drift=(Drifted(key=Key("Thing", "web"), changes=(), since=""),)))
        told = operator.engine.inspections.seen_drift(repository, Selection())
        assert [(await anext(told))[0].application] == ["web"]
        with pytest.raises(Unreachable, match="nobody answers"):
            await anext(told)


async def test_a_look_that_finds_nothing_makes_no_run(estate: Estate) -> None:
    estate.commit(_web([thing("a")]))
    async with estate.operator() as operator:
        await operator.apply()
    async with estate.served() as operator:
        await eventually(lambda: "observe done" in estate.log.getvalue().rpartition("run succeeded")[2])
        await asyncio.sleep(0.3)
        await operator.apply("web")
        assert len(await operator.history()) == 1


async def test_what_git_leaves_to_others_is_no_drift(estate: Estate) -> None:
    estate.commit(_web([thing("a", size=1, replicas=1)], ignore=[{"key": "Thing/a", "field": "spec.replicas"}]))
    async with estate.operator() as operator:
        await operator.apply()
        estate.world().put(thing("a", size=1, replicas=7))
        assert await _drift(operator) == []
        estate.commit({"web/things.yaml": documents(thing("a", size=2, replicas=1))})
        await operator.apply()
    assert estate.world().specification("Thing/a") == {"size": 2, "replicas": 7}


async def test_two_who_fight_over_an_object_are_slowed_down(estate: Estate) -> None:
    estate.commit(_web([thing("a", size=1)]))
    async with estate.served() as operator:
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        for turn in range(2, 5):
            estate.world().put(thing("a", size=turn))
            await eventually(lambda: estate.world().specification("Thing/a") == {"size": 1})
        while await _runs_of(operator, Trigger.DRIFT) < 6:
            if estate.world().specification("Thing/a") == {"size": 1}:
                estate.world().put(thing("a", size=9))
            await asyncio.sleep(0.05)
        began = sorted(run.started_at.timestamp() for run in await operator.history() if run.trigger is Trigger.DRIFT)
    pauses = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert (pauses[3] > 0.9, pauses[4] > 1.9) == (True, True), "each time it waits longer; at first it does not wait at all"


async def test_a_heal_that_would_delete_and_make_anew_is_held(estate: Estate) -> None:
    estate.commit(_web([thing("a", immutable=1)]))
    async with estate.served() as operator:
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        before = estate.world().identity("Thing/a")
        estate.world().put(thing("a", immutable=2))
        await eventually(lambda: _stands(operator, Sync.HELD))
        status = await operator.remembered("web")
        assert status is not None
        assert status.message == "Thing/a would be deleted and made anew"
        assert estate.world().identity("Thing/a") == before
        estate.world().put(thing("a", immutable=1))
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        await eventually(lambda: _nothing_waits(operator))


async def test_health_that_changes_without_drift_is_told(estate: Estate) -> None:
    estate.commit(_web([thing("a", size=1), thing("b", size=1)], ignore=[{"field": "spec.health"}]))
    async with estate.served() as operator:
        await eventually(lambda: _stands(operator, Sync.SYNCED))
        estate.world().put(thing("a", size=1, health="degraded"))
        await eventually(lambda: _is_ill(operator))
        assert len(await operator.history()) == 1
        # What is undone beside it goes well; the application does not.
        estate.world().put(thing("b", size=9))
        await eventually(lambda: _newest(operator, 2, RunState.SUCCEEDED))
        assert estate.world().specification("Thing/b") == {"size": 1}
        assert (await operator.history())[0].health.state == "healthy"
        assert await _is_ill(operator)
        # A commit that does not touch what is degraded may be what makes it well: it is waited for.
        estate.commit(_web([thing("a", size=1), thing("b", size=2)], ignore=[{"field": "spec.health"}]))
        await eventually(lambda: _newest(operator, 3, RunState.RUNNING))
        await eventually(lambda: estate.world().specification("Thing/b") == {"size": 2})
        assert await _newest(operator, 3, RunState.RUNNING)
        estate.world().put(thing("a", size=1))
        await eventually(lambda: _newest(operator, 3, RunState.SUCCEEDED))


async def _drift(operator: Operator) -> list[tuple[Status, Drifted]]:
    return [each async for each in operator.engine.drift(operator.repository, WEB)]


async def _stands(operator: Operator, sync: Sync) -> bool:
    status = await operator.remembered("web")
    return status is not None and status.sync == sync


async def _newest(operator: Operator, count: int, state: RunState) -> bool:
    runs = await operator.history()
    return (len(runs), runs[0].state) == (count, state)


async def _is_ill(operator: Operator) -> bool:
    status = await operator.remembered("web")
    return status is not None and (status.sync, status.health) == (Sync.SYNCED, "degraded")


async def _is(operator: Operator, trigger: Trigger, count: int) -> bool:
    return await _runs_of(operator, trigger) == count


async def _nothing_waits(operator: Operator) -> bool:
    return not await operator.waiting()
