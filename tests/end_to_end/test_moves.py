"""What moves between applications and between targets is handed over: never deleted and made again, and never left behind."""

import asyncio
from typing import Any

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from trueup.model.run import RunState, Sync
from trueup.model.selection import Selection

ALL = Selection(everything=True)


def _two(first: list[str], second: list[str], **policy: Any) -> Files:
    """Two applications on one target with these things."""
    declared = [application(name, policy=policy) for name in ("first", "second")]
    files: Files = {"trueup.yaml": documents(target(), *declared)}
    for name, things in (("first", first), ("second", second)):
        files[f"{name}/keep"] = "."
        files[f"{name}/things.yaml"] = documents(*(thing(each) for each in things)) if things else ""
    return files


async def test_an_object_that_moves_to_another_application_is_handed_over(estate: Estate) -> None:
    estate.commit(_two(["a", "b", "shared"], ["c"]))
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world().identity("Thing/shared")
        estate.commit(_two(["a", "b"], ["c", "shared"]))
        plan = (await operator.plan("second"))[0]
        assert [(action.verb, action.reason) for action in plan.changes] == [("adopt", "moved from first")]
        assert plan.held is None
        runs = {run.application: run for run in await operator.apply()}
        assert [(outcome.verb, str(outcome.key)) for outcome in runs["second"].outcomes] == [("adopt", "Thing/shared")]
        assert (runs["first"].state, runs["first"].outcomes) == (RunState.SUCCEEDED, ())
        assert await operator.apply() == []
    assert estate.world().identity("Thing/shared") == before
    assert estate.world().owners()["Thing/shared"] == "second"


async def test_the_order_in_which_the_two_are_applied_does_not_matter(estate: Estate) -> None:
    for turn, (giver, taker) in enumerate((("first", "second"), ("second", "first"))):
        having = {"first": (["a", "b", "x"], ["c", "d"]), "second": (["a", "b"], ["c", "d", "x"])}
        estate.commit(_two(*having[giver]))
        async with estate.operator() as operator:
            await operator.apply()
            before = estate.world().identity("Thing/x")
            estate.commit(_two(*having[taker]))
            await operator.apply(giver)
            assert estate.world().owners()["Thing/x"] == giver, "left to be handed over"
            await operator.apply(taker)
        assert (estate.world().identity("Thing/x"), estate.world().owners()["Thing/x"], turn) == (before, taker, turn)


async def test_an_object_is_handed_over_though_the_policy_prunes_nothing(estate: Estate) -> None:
    estate.commit(_two(["a", "b", "x"], ["c"], prune=False))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit(_two(["a", "b"], ["c", "x"], prune=False))
        await operator.apply("first")
        runs = await operator.apply("second")
    assert [run.state for run in runs] == [RunState.SUCCEEDED]
    assert estate.world().owners()["Thing/x"] == "second"


async def test_all_objects_of_an_application_may_move_at_once(estate: Estate) -> None:
    names = [f"t{number:02}" for number in range(20)]
    estate.commit(_two([*names, "stays"], ["c"]))
    async with estate.operator() as operator:
        await operator.apply()
        before = {key: record.entry.uid for key, record in estate.world().objects().items()}
        estate.commit(_two(["stays"], ["c", *names]))
        assert {run.state for run in await operator.apply()} == {RunState.SUCCEEDED}
    assert {key: record.entry.uid for key, record in estate.world().objects().items()} == before


async def test_the_objects_of_an_application_that_goes_are_handed_over_to_who_declares_them(estate: Estate) -> None:
    estate.commit(_two(["a", "b"], ["c"]))
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world().identity("Thing/a")
        estate.commit({"trueup.yaml": documents(target(), application("second")), "first/things.yaml": None, "first/keep": None})
        estate.commit({"second/things.yaml": documents(thing("a"), thing("b"), thing("c"))})
        runs = await operator.apply()
        assert {run.state for run in runs} == {RunState.SUCCEEDED}
        assert await operator.waiting() == []
        assert await operator.apply() == []
        assert [each.application for each in await operator.engine.statuses(operator.repository, ALL)] == ["second"]
    assert estate.world().owners() == {"Thing/a": "second", "Thing/b": "second", "Thing/c": "second"}
    assert estate.world().identity("Thing/a") == before


async def test_an_object_that_two_applications_declare_stays_with_its_owner(estate: Estate) -> None:
    estate.commit(_two(["a", "shared"], ["c"]))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit(_two(["a", "shared"], ["c", "shared", "d"], adopt=True))
        runs = {run.application: run for run in await operator.apply()}
        assert (runs["second"].state, runs["second"].message) == (RunState.HELD, "Thing/shared belongs to first")
        assert estate.world().owners() == {"Thing/a": "first", "Thing/c": "second", "Thing/shared": "first"}
        estate.commit(_two(["a"], ["c", "shared", "d"], adopt=True))
        assert {run.state for run in await operator.apply()} == {RunState.SUCCEEDED}
        assert await operator.waiting() == []
    assert estate.world().owners()["Thing/shared"] == "second"


async def test_a_serve_hands_over_whoever_walks_first(estate: Estate) -> None:
    estate.commit(_two(["a", "b", "x"], ["c"]))
    async with estate.served() as operator:
        await eventually(lambda: len(estate.world().names()) == 4)
        before = estate.world().identity("Thing/x")
        estate.commit(_two(["a", "b"], ["c", "x"]))
        await eventually(lambda: estate.world().owners()["Thing/x"] == "second")
        await eventually(lambda: _synced(operator, "first", "second"))
    assert estate.world().identity("Thing/x") == before


def _placed(where: str, **specification: Any) -> Files:
    targets = (target("old"), target("new"))
    return {"trueup.yaml": documents(*targets, application("web", where)), "web/a.yaml": documents(thing("a", **specification))}


async def test_an_application_that_changes_its_target_is_ready_at_the_new_one_before_it_goes_at_the_old(estate: Estate) -> None:
    estate.commit(_placed("old"))
    async with estate.served() as operator:
        await eventually(lambda: estate.world("old").names() == ["Thing/a"])
        await eventually(lambda: _synced(operator, "web", where="old"))
        commit = estate.commit(_placed("new", healthyAfter="2s"))
        await eventually(lambda: estate.world("new").names() == ["Thing/a"])
        assert estate.world("old").names() == ["Thing/a"], "not before it is ready at the new one"
        old = await operator.remembered("web", "old")
        assert old is not None
        assert old.message in ("waits for itself at new", "")
        await eventually(lambda: estate.world("old").names() == [])
        await eventually(lambda: _is_alone(operator))
        assert (await operator.status("web")).revision == commit
        assert await operator.waiting() == [], "nobody has to approve it"


def _pointed(where: str, policy: dict[str, Any] | None = None, **place: Any) -> Files:
    """One application on a target that means the world of this name."""
    declared = (target("here", file=f"{where}.world", **place), application("web", "here", policy=policy or {}))
    return {"trueup.yaml": documents(*declared), "web/a.yaml": documents(thing("a"))}


async def test_what_a_target_meant_before_it_was_pointed_elsewhere_is_told_and_goes_when_somebody_approves(estate: Estate) -> None:
    first = estate.commit(_pointed("one"))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit(_pointed("two"))
        runs = {run.target: run for run in await operator.apply()}
        former = f"here@{first[:7]}"
        assert {name: run.state for name, run in runs.items()} == {"here": RunState.SUCCEEDED, former: RunState.HELD}
        assert runs[former].message == "here means another place now: Thing/a would be deleted"
        assert (estate.world("one").names(), estate.world("two").names()) == (["Thing/a"], ["Thing/a"])
        statuses = await operator.engine.statuses(operator.repository, ALL)
        assert {each.target: each.sync for each in statuses} == {"here": Sync.SYNCED, former: Sync.HELD}
        await operator.engine.approve(operator.repository, "web", "", "ann")
        await operator.apply()
        assert (estate.world("one").names(), estate.world("two").names()) == ([], ["Thing/a"])
        # What says something else of the same place leaves nothing behind; and a policy may say beforehand what goes.
        for where, place in (("two", {"delay": "1ms"}), ("three", {})):
            estate.commit(_pointed(where, {"removal": "delete"}, **place))
            await operator.apply()
            assert operator.problem is None
        assert (estate.world("two").names(), estate.world("three").names()) == ([], ["Thing/a"])
        assert [each.target for each in await operator.engine.statuses(operator.repository, ALL)] == ["here"]


async def test_each_place_that_is_left_waits_for_an_approval_of_its_own(estate: Estate) -> None:
    left = [estate.commit(_pointed("one"))[:7]]
    async with estate.served() as operator:
        for where in ("two", "three"):
            await eventually(lambda: _are_held(operator, left[:-1]))
            left.append(estate.commit(_pointed(where))[:7])
        await eventually(lambda: _are_held(operator, left[:-1]))
        digests = {each.target: each.digest for each in await operator.waiting()}
        await operator.approve("web", digests[f"here@{left[0]}"])
        await eventually(lambda: _are_held(operator, left[1:-1]))
        assert (estate.world("one").names(), estate.world("two").names()) == ([], ["Thing/a"])
        await operator.approve("web")
        await eventually(lambda: _are_held(operator, []))
        told = [run.target for run in await operator.history("web") if run.state is RunState.HELD]
    assert sorted(told) == sorted(f"here@{commit}" for commit in left[:-1]), "each was held once, and stayed so"
    assert (estate.world("two").names(), estate.world("three").names()) == ([], ["Thing/a"])


async def test_what_is_going_waits_at_the_place_where_it_is_though_its_target_is_pointed_elsewhere(estate: Estate) -> None:
    estate.commit(_pointed("one"))
    async with estate.served() as operator:
        await eventually(lambda: _synced(operator, "web", where="here"))
        gone = estate.commit({"trueup.yaml": documents(target("here", file="one.world")), "web/a.yaml": None})
        await eventually(lambda: _waits(operator, "here"))
        estate.commit({"trueup.yaml": documents(target("here", file="two.world"))})
        await eventually(lambda: _waits(operator, f"here@{gone[:7]}"))
        await operator.approve("web")
        await eventually(lambda: estate.world("one").names() == [])


async def _waits(operator: Operator, where: str) -> bool:
    """Whether it stands there alone, and waits for an approval."""
    statuses = await operator.engine.remembered(operator.repository, ALL)
    return [each.target for each in await operator.waiting()] == [each.target for each in statuses] == [where]


async def _are_held(operator: Operator, left: list[str]) -> bool:
    """Whether exactly what was left since these commits waits, and nobody walks any more."""
    here = await operator.remembered("web", "here")
    walking = any(address.application for address in operator.engine.memory.pending())
    synced = here is not None and (here.sync, here.revision) == (Sync.SYNCED, here.desired_revision)
    held = sorted(each.target for each in await operator.waiting())
    statuses = await operator.engine.remembered(operator.repository, ALL)
    others = sorted(each.target for each in statuses if each.target != "here")
    return synced and not walking and held == others == sorted(f"here@{commit}" for commit in left)


async def test_what_is_left_at_a_target_that_does_not_answer_is_let_go_of(estate: Estate) -> None:
    hasty = {"timeout": "1s", "retry": {"from": "100ms"}}
    estate.commit(_pointed("one", hasty))
    async with estate.operator() as operator:
        await operator.apply()
    [file] = estate.state.rglob("one.world")
    file.unlink()
    file.mkdir()
    estate.commit(_pointed("two", hasty))
    async with estate.operator() as operator:
        await operator.apply()
        assert getattr(operator.problem, "hint", "") == "`trueup release web` lets go of what is there"
        assert estate.world("two").names() == ["Thing/a"]
        assert [each.kind for each in await operator.engine.release(operator.repository, "web", "ann")] == ["left behind"]
        await operator.apply()
        assert operator.problem is None
        assert [each.target for each in await operator.engine.statuses(operator.repository, ALL)] == ["here"]


async def test_an_application_that_is_not_ready_at_its_new_target_stays_at_the_old_one(estate: Estate) -> None:
    estate.commit(_placed("old"))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit(_placed("new", health="degraded"))
        await operator.apply()
        assert estate.world("old").names() == ["Thing/a"]
        estate.commit(_placed("new"))
        await operator.apply()
    assert (estate.world("old").names(), estate.world("new").names()) == ([], ["Thing/a"])


async def test_a_move_that_loses_too_much_is_held_at_the_old_target(estate: Estate) -> None:
    names = [f"t{number}" for number in range(6)]
    files = _placed("old")
    estate.commit({**files, "web/a.yaml": documents(*(thing(name) for name in names))})
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({**_placed("new"), "web/a.yaml": documents(thing("t0"))})
        runs = {run.target: run for run in await operator.apply()}
        assert (runs["new"].state, runs["old"].state) == (RunState.SUCCEEDED, RunState.HELD)
        assert runs["old"].message == "5 of 6 objects would be deleted, more than deleteLimit.percent (50)"
        assert len(estate.world("old").names()) == 6
        await operator.approve("web")
        await operator.apply()
    assert (estate.world("old").names(), estate.world("new").names()) == ([], ["Thing/t0"])


async def test_an_application_that_moves_back_in_time_stays_where_it_was(estate: Estate) -> None:
    estate.commit(_placed("old"))
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world("old").identity("Thing/a")
        estate.commit(_placed("new", health="degraded"))
        await operator.apply()
        estate.commit(_placed("old"))
        runs = await operator.apply()
        assert {run.state for run in runs} == {RunState.SUCCEEDED}
        assert await operator.apply() == []
    assert (estate.world("new").names(), estate.world("old").identity("Thing/a")) == ([], before)


async def test_a_target_that_vanishes_from_git_is_emptied_by_approval_before_it_is_forgotten(estate: Estate) -> None:
    estate.commit(_placed("old"))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"trueup.yaml": documents(target("new")), "web/a.yaml": None})
        runs = await operator.apply()
        assert [(run.target, run.state) for run in runs] == [("old", RunState.HELD)]
        assert estate.world("old").names() == ["Thing/a"]
        await operator.approve("web")
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
        estate.commit({"README.md": "."})
        await operator.follow()
        targets = await operator.engine.store(operator.engine.memory.targets, operator.repository.identity)
    assert estate.world("old").names() == []
    assert [each.name for each in targets] == ["new"]


async def test_a_move_to_a_new_target_may_take_the_old_one_out_of_git_at_once(estate: Estate) -> None:
    estate.commit(_placed("old"))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({**_placed("new"), "trueup.yaml": documents(target("new"), application("web", "new"))})
        runs = await operator.apply()
        assert {(run.target, run.state) for run in runs} == {("new", RunState.SUCCEEDED), ("old", RunState.SUCCEEDED)}
    assert (estate.world("old").names(), estate.world("new").names()) == ([], ["Thing/a"])


async def test_a_target_that_vanishes_while_its_application_stays_is_a_fault(estate: Estate) -> None:
    estate.commit(_placed("old"))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"trueup.yaml": documents(target("new"), application("web", "old"))})
        followed = await operator.follow()
        assert [fault.message for fault in followed.faults] == ["target `old` does not exist"]
        await operator.apply()
        assert (await operator.status("web")).sync == Sync.FAILED
        assert estate.world("old").names() == ["Thing/a"]
        estate.commit(_placed("old", size=2))
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
    assert estate.world("old").specification("Thing/a") == {"size": 2}


async def test_a_target_that_is_renamed_loses_nothing(estate: Estate) -> None:
    def named(name: str, **specification: Any) -> Files:
        declared = documents(target(name, file="shared.world"), application("web", name))
        return {"trueup.yaml": declared, "web/a.yaml": documents(thing("a", **specification))}

    estate.commit(named("old"))
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world("shared").objects()["Thing/a"].entry
        estate.commit(named("new"))
        assert [(plan.target, plan.empty) for plan in await operator.plan()] == [("new", True)]
        assert {run.state for run in await operator.apply()} == {RunState.SUCCEEDED}
        assert estate.world("shared").objects()["Thing/a"].entry == before
        assert await operator.apply() == []
        assert [(each.target, each.sync) for each in await operator.engine.remembered(operator.repository, ALL)] == [("new", "synced")]
        estate.commit(named("new", size=2))
        await operator.apply()
    assert estate.world("shared").specification("Thing/a") == {"size": 2}


async def test_what_is_removed_in_the_middle_of_a_move_goes_at_both_targets(estate: Estate) -> None:
    gone = {"policy": {"removal": "delete"}}
    targets = (target("old"), target("new"))
    for where, health in (("old", "healthy"), ("new", "degraded")):
        declared = documents(*targets, application("web", where, **gone))
        estate.commit({"trueup.yaml": declared, "web/a.yaml": documents(thing("a", health=health))})
        async with estate.operator() as operator:
            await operator.apply()
    assert (estate.world("old").names(), estate.world("new").names()) == (["Thing/a"], ["Thing/a"])
    async with estate.served() as operator:
        await eventually(lambda: "followed" in estate.log.getvalue())
        await asyncio.sleep(0.5)
        estate.commit({"trueup.yaml": documents(*targets), "web/a.yaml": None})
        await eventually(lambda: estate.world("new").names() == [])
        await eventually(lambda: estate.world("old").names() == [])
        await eventually(lambda: _is_gone(operator))


async def _is_gone(operator: Operator) -> bool:
    return await operator.engine.remembered(operator.repository, ALL) == []


async def _synced(operator: Operator, *names: str, where: str = "here") -> bool:
    statuses = await asyncio.gather(*(operator.remembered(name, where) for name in names))
    return all(status is not None and status.sync == Sync.SYNCED for status in statuses)


async def _is_alone(operator: Operator) -> bool:
    return await operator.remembered("web", "old") is None
