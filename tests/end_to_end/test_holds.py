"""What is dangerous waits for a person, with its reason; what they approve is what runs."""

from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Operator, application, documents, eventually, target, thing
from trueup.model.contracts import Owner
from trueup.model.errors import UsageError
from trueup.model.run import Run, RunState, Sync

NAMES = [f"t{number:02}" for number in range(24)]


def _web(names: list[str], **policy: Any) -> dict[str, str | bytes | None]:
    """One application with these things, all in one file."""
    return {
        "trueup.yaml": documents(target(), application("web", policy=policy)),
        "web/things.yaml": documents(*(thing(name) for name in names)) if names else "",
    }


async def _applied(estate: Estate, names: list[str], **policy: Any) -> None:
    estate.commit(_web(names, **policy))
    async with estate.operator() as operator:
        await operator.apply()
    assert estate.world().names() == [f"Thing/{name}" for name in names]


async def _held(operator: Operator) -> Run:
    runs = await operator.apply()
    assert [run.state for run in runs] == [RunState.HELD], (runs, operator.problem)
    return runs[0]


@pytest.mark.parametrize(
    ("before", "after", "policy", "reason"),
    [
        (NAMES, NAMES[:13], {}, "11 objects would be deleted, more than deleteLimit.count (10)"),
        (NAMES[:4], NAMES[:1], {}, "3 of 4 objects would be deleted, more than deleteLimit.percent (50)"),
        (NAMES[:2], NAMES[:1], {"deleteLimit": {"count": 0}}, "1 objects would be deleted, more than deleteLimit.count (0)"),
        (NAMES[:2], [], {}, "the render is empty: Thing/t01, Thing/t00 would be deleted"),
    ],
    ids=["count", "percent", "count of the policy", "empty render"],
)
async def test_a_plan_that_deletes_too_much_is_held(
    estate: Estate, before: list[str], after: list[str], policy: dict[str, Any], reason: str
) -> None:
    await _applied(estate, before, **policy)
    estate.commit(_web(after, **policy))
    async with estate.operator() as operator:
        run = await _held(operator)
        status = await operator.status("web")
        waiting = await operator.waiting("web")
    assert (run.message, status.sync, status.message) == (reason, Sync.HELD, reason)
    assert [(hold.kind, hold.digest, hold.target) for hold in waiting] == [("approval", run.plan, "here")]
    assert estate.world().names() == [f"Thing/{name}" for name in before]


@pytest.mark.parametrize(
    ("before", "after", "policy"),
    [
        (NAMES, NAMES[:14], {}),
        (NAMES[:4], NAMES[:2], {}),
        (NAMES[:3], NAMES[:1], {}),
        (NAMES, NAMES[:2], {"deleteLimit": {"count": 30, "percent": 100}}),
    ],
    ids=["ten are few", "half is not more than half", "of three none are many", "the policy allows it"],
)
async def test_a_plan_within_the_limits_is_carried_out(estate: Estate, before: list[str], after: list[str], policy: dict[str, Any]) -> None:
    await _applied(estate, before, **policy)
    estate.commit(_web(after, **policy))
    async with estate.operator() as operator:
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
    assert estate.world().names() == [f"Thing/{name}" for name in after]


async def test_an_approval_lifts_exactly_the_plan_that_it_was_given_for(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    async with estate.operator() as operator:
        first = await _held(operator)
        await operator.approve("web", first.plan)
        estate.commit(_web(NAMES[1:2]))
        second = await _held(operator)
        assert second.plan != first.plan
        assert estate.world().names() == [f"Thing/{name}" for name in NAMES[:4]]
        await operator.approve("web", second.plan[:12])
        runs = await operator.apply()
        assert [(run.state, run.plan) for run in runs] == [(RunState.SUCCEEDED, second.plan)]
        assert await operator.waiting() == []
    assert estate.world().names() == ["Thing/t01"]


async def test_an_approval_is_not_given_for_a_plan_that_nobody_made(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    async with estate.operator() as operator:
        await _held(operator)
        with pytest.raises(UsageError):
            await operator.approve("web", "0" * 32)
        await _held(operator)


async def test_an_approval_does_not_outlive_a_change_at_the_target(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    async with estate.operator() as operator:
        first = await _held(operator)
        await operator.approve("web")
        estate.world().put(thing("t03", kept="by somebody"))
        second = await _held(operator)
    assert second.plan != first.plan
    assert len(estate.world().names()) == 4


async def test_an_approval_survives_waves_and_waiting(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    slow = documents(thing("slow", healthyAfter="300ms"), thing("later", wave=1, healthyAfter="300ms"), thing("last", wave=2))
    estate.commit({"web/things.yaml": slow})
    async with estate.operator() as operator:
        await _held(operator)
        await operator.approve("web")
    async with estate.operator() as operator:
        runs = await operator.apply(wait=False)
        assert [run.state for run in runs] == [RunState.RUNNING]
    async with estate.operator() as operator:
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
        assert len([run for run in await operator.history() if run.state is RunState.HELD]) == 1
    assert estate.world().names() == ["Thing/last", "Thing/later", "Thing/slow"]


async def test_a_hold_that_is_not_needed_any_more_goes_away_by_itself(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    async with estate.operator() as operator:
        await _held(operator)
        commit = estate.commit(_web(NAMES[:3]))
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
        assert await operator.waiting() == []
        assert (await operator.status("web")).revision == commit


async def test_a_hold_is_told_once_however_often_it_is_looked_at(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    async with estate.operator() as operator:
        await _held(operator)
        await operator.apply()
        await operator.apply()
        assert len(await operator.history()) == 2


async def test_a_manual_application_waits_for_a_person_each_time(estate: Estate) -> None:
    estate.commit(_web(["a"], sync="manual"))
    async with estate.operator() as operator:
        assert (await _held(operator)).message == "policy.sync is manual"
        assert estate.world().names() == []
        await operator.approve("web")
        await operator.apply()
        assert estate.world().names() == ["Thing/a"]
        estate.commit(_web(["a", "b"], sync="manual"))
        await _held(operator)
    assert estate.world().names() == ["Thing/a"]


async def test_an_object_that_would_be_made_anew_is_held_unless_it_allows_that_itself(estate: Estate) -> None:
    estate.commit({**_web([]), "web/things.yaml": documents(thing("a", immutable=1))})
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world().identity("Thing/a")
        estate.commit({"web/things.yaml": documents(thing("a", immutable=2))})
        assert (await _held(operator)).message == "Thing/a would be deleted and made anew"
        assert estate.world().identity("Thing/a") == before
        allowed = thing("a", immutable=2)
        allowed["metadata"]["annotations"] = {"trueup.dev/replace": "allowed"}
        estate.commit({"web/things.yaml": documents(allowed)})
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
    assert estate.world().identity("Thing/a") != before


async def test_objects_of_nobody_are_held_until_adoption_is_approved_or_allowed(estate: Estate) -> None:
    await _applied(estate, ["a"])
    estate.world().put(thing("b", by="hand"))
    estate.commit(_web(["a", "b"]))
    async with estate.operator() as operator:
        assert (await _held(operator)).message == "Thing/b exists and is not ours: adopt"
        assert estate.world().specification("Thing/b") == {"by": "hand"}
        estate.commit(_web(["a", "b"], adopt=True))
        runs = await operator.apply()
    assert [[(outcome.verb, str(outcome.key)) for outcome in run.outcomes] for run in runs] == [[("adopt", "Thing/b")]]
    assert estate.world().owners() == {"Thing/a": "web", "Thing/b": "web"}


async def test_what_belongs_to_another_repository_is_never_taken(estate: Estate) -> None:
    await _applied(estate, ["a"], adopt=True)
    estate.world().put(thing("b"))
    estate.world().give("Thing/b", "/elsewhere.git#HEAD", "web")
    estate.commit(_web(["a", "b"], adopt=True))
    async with estate.operator() as operator:
        run = await _held(operator)
        assert run.message == "Thing/b belongs to web of /elsewhere.git#HEAD"
        with pytest.raises(UsageError):
            await operator.approve("web", run.plan)
        await operator.apply(yes=True)
        await operator.apply()
    assert estate.world().objects()["Thing/b"].owner == Owner("/elsewhere.git#HEAD", "web")


async def test_removal_of_a_declaration_is_held_by_default(estate: Estate) -> None:
    await _applied(estate, ["a", "b"])
    estate.commit({"trueup.yaml": documents(target()), "web/things.yaml": None})
    async with estate.operator() as operator:
        run = await _held(operator)
        assert run.message == "its declaration is gone: Thing/b, Thing/a would be deleted"
        assert estate.world().names() == ["Thing/a", "Thing/b"]
        await operator.approve("web")
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
        assert await operator.waiting() == []
        assert await operator.apply() == []
    assert estate.world().names() == []


async def test_removal_may_delete_at_once(estate: Estate) -> None:
    await _applied(estate, NAMES, removal="delete")
    estate.commit({"trueup.yaml": documents(target()), "web/things.yaml": None})
    async with estate.operator() as operator:
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
    assert estate.world().names() == []


async def test_removal_may_leave_everything_as_nobodys(estate: Estate) -> None:
    await _applied(estate, ["a", "b"], removal="keep")
    estate.commit({"trueup.yaml": documents(target()), "web/things.yaml": None})
    async with estate.operator() as operator:
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
        assert await operator.apply() == []
    assert estate.world().owners() == {"Thing/a": "", "Thing/b": ""}


async def test_without_pruning_what_leaves_git_stays_and_is_nobodys(estate: Estate) -> None:
    await _applied(estate, NAMES, prune=False)
    estate.commit(_web(NAMES[:1], prune=False))
    async with estate.operator() as operator:
        runs = await operator.apply()
    assert [run.state for run in runs] == [RunState.SUCCEEDED]
    owners = estate.world().owners()
    assert (len(owners), owners["Thing/t00"], owners["Thing/t01"]) == (24, "web", "")


async def test_the_policy_that_rules_a_removal_is_the_last_one_that_was_applied(estate: Estate) -> None:
    await _applied(estate, ["a"], removal="delete")
    estate.commit(_web(["a"], removal="hold"))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"trueup.yaml": documents(target())})
        await _held(operator)
    assert estate.world().names() == ["Thing/a"]


async def test_a_paused_application_stays_as_it_is_until_it_is_released(estate: Estate) -> None:
    await _applied(estate, ["a"])
    async with estate.operator() as operator:
        await operator.engine.pause(operator.repository, "web", "the freeze", "alice")
        estate.commit(_web(["a", "b"]))
        assert await operator.apply() == []
        status = await operator.status("web")
        assert (status.sync, status.message) == (Sync.HELD, "paused: the freeze")
        assert estate.world().names() == ["Thing/a"]
        await operator.engine.release(operator.repository, "web", "alice")
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
    assert estate.world().names() == ["Thing/a", "Thing/b"]


async def test_a_person_decides_on_the_command_line(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    assert estate.trueup("hold", "web", "--reason", "the freeze").code == 0
    assert (estate.trueup("apply").code, estate.trueup("status").code) == (3, 3)
    assert estate.trueup("release", "web").code == 0
    held = estate.trueup("apply", "-o", "json")
    digest = held.document["items"][0]["plan"]
    assert (held.code, "3 of 4 objects would be deleted" in held.err) == (3, True), held.err
    assert estate.trueup("approve", "web", "--digest", "0" * 32).code == 64
    assert estate.trueup("approve", "web", "--digest", digest[:10]).code == 0
    assert estate.trueup("apply").code == 0
    assert estate.world().names() == ["Thing/t00"]
    assert estate.trueup("approve", "web").code == 64, "nothing waits any more"


async def test_yes_approves_what_is_held(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    estate.commit(_web(NAMES[:1]))
    async with estate.operator() as operator:
        runs = await operator.apply(yes=True)
        assert [run.state for run in runs] == [RunState.SUCCEEDED]
        assert await operator.waiting() == []
    assert estate.world().names() == ["Thing/t00"]


async def test_a_serve_carries_out_what_somebody_approves_meanwhile(estate: Estate) -> None:
    await _applied(estate, NAMES[:4])
    async with estate.served() as operator:
        estate.commit(_web(NAMES[:1]))
        await eventually(lambda: operator.waiting("web"))
        await operator.approve("web")
        await eventually(lambda: estate.world().names() == ["Thing/t00"])
        await eventually(lambda: _nothing_waits(operator))


async def _nothing_waits(operator: Operator) -> bool:
    return not await operator.waiting()
