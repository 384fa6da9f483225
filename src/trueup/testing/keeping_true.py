"""Sentences about what is there: planned, applied, healed, taken away."""

from pathlib import Path

import pytest

from trueup.model.manifest import WAVE_ANNOTATION
from trueup.model.plan import Verb
from trueup.testing.ground import Ground, as_of, gone, ignoring, keys_of, opened, owner_of, without
from trueup.testing.walking import carry_out, changes, contents, done, interrupted, left_alone, states, walk


class KeepsTrue:
    """What Git says is at the target, and nothing else is done to it."""

    ground: type[Ground]

    async def test_planning_changes_nothing(self, tmp_path: Path) -> None:
        """Neither on an empty target, nor for another version, nor for a removal."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            nothing = await ground.world()
            await runtime.plan(ground.version(1))
            assert await ground.world() == nothing
            assert await runtime.owned() == []
            await done(runtime, ground.version(1))
            before, owned = await ground.world(), await runtime.owned()
            for desired in (ground.version(2), gone(ground.version(1)), without(ground.version(1), 0), ground.version(1, "till")):
                assert not (await runtime.plan(desired)).empty
            assert await ground.world() == before
            assert await runtime.owned() == owned

    async def test_what_was_applied_needs_no_change(self, tmp_path: Path) -> None:
        """Not now, and not after the target was opened anew; and what was applied is there."""
        ground = self.ground(tmp_path)
        for number in (1, 2):
            desired = ground.version(number)
            async with opened(ground) as runtime:
                outcomes = await done(runtime, desired)
                assert {outcome.key for outcome in outcomes} <= (await ground.world()).keys()
                assert changes(await runtime.plan(desired)) == {}
            async with opened(ground) as runtime:
                assert changes(await runtime.plan(desired)) == {}
                assert (await runtime.plan(desired)).summary.unchanged == len(desired.manifests)

    async def test_a_new_version_changes_only_what_differs(self, tmp_path: Path) -> None:
        """What is the same in both versions is not touched."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            await done(runtime, ground.version(1))
            before = await ground.world()
            plan = await runtime.plan(ground.version(2))
            assert 0 < len(plan.changes) < len(plan.actions)
            assert all(action.verb is Verb.UPDATE and action.origin.line for action in plan.changes)
            await done(runtime, ground.version(2))
            after = await ground.world()
            assert {key for key in before if after.get(key) != before[key]} == changes(plan).keys()

    async def test_drift_is_seen_and_undone(self, tmp_path: Path) -> None:
        """What was changed or deleted by hand is in the plan, alone, and is as Git says afterwards."""
        ground = self.ground(tmp_path)
        desired = ground.version(1)
        async with opened(ground) as runtime:
            await done(runtime, desired)
            keys, true = keys_of(desired), await ground.world()
            await ground.tamper(owner_of(desired), keys[0])
            await ground.remove(owner_of(desired), keys[1])
            assert await ground.world() != true
            plan = await runtime.plan(desired)
            assert changes(plan) == {keys[0]: Verb.UPDATE, keys[1]: Verb.CREATE}
            assert any(action.changes for action in plan.changes if action.key == keys[0])
            await done(runtime, desired)
            assert contents(await ground.world()) == contents(true)

    async def test_what_is_no_longer_declared_goes(self, tmp_path: Path) -> None:
        """After all else, and nothing goes with it."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            await done(runtime, ground.version(1))
            before = await ground.world()
            plan = await runtime.plan(without(ground.version(2), 1))
            leaving = [action for action in plan.changes if action.verb is Verb.DELETE]
            assert len(leaving) == 1
            assert all(leaving[0].wave > action.wave for action in plan.actions if action is not leaving[0])
            await done(runtime, without(ground.version(2), 1))
            assert before.keys() - (await ground.world()).keys() == {leaving[0].key}

    async def test_what_leaves_goes_in_the_reverse_order(self, tmp_path: Path) -> None:
        """What came in a later wave goes in an earlier one."""
        ground = self.ground(tmp_path)
        bodies = ground.bodies(1, "shop")
        for wave, body in enumerate(bodies):
            body["metadata"] = {**body["metadata"], "annotations": {WAVE_ANNOTATION: str(wave)}}
        desired = ground.desired("shop", bodies)
        async with opened(ground) as runtime:
            came = [outcome.key for outcome in await done(runtime, desired)]
            assert came == [action.key for action in (await runtime.plan(desired)).actions]
            going = (await runtime.plan(gone(desired))).changes
            assert [action.key for action in going] == came[::-1]
            assert len({action.wave for action in going}) == len(came)

    async def test_a_removed_application_leaves_nothing(self, tmp_path: Path) -> None:
        """Neither objects, nor a mark, nor a record of the application."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            nothing = await ground.world()
            await done(runtime, ground.version(1))
            assert set(changes(await runtime.plan(gone(ground.version(1)))).values()) == {Verb.DELETE}
            await done(runtime, gone(ground.version(1)))
            assert await ground.world() == nothing
        async with opened(ground) as runtime:
            assert await runtime.owned() == []
            assert (await runtime.plan(gone(ground.version(1)))).actions == ()

    async def test_applying_twice_is_applying_once(self, tmp_path: Path) -> None:
        """The same actions again are done, and touch nothing: so it is after a crash between a write and its report."""
        ground = self.ground(tmp_path)
        steps = (ground.version(1), as_of(without(ground.version(2), 1), "2" * 40), gone(ground.version(1)))
        async with opened(ground) as runtime:
            for desired in steps:
                plan = await runtime.plan(desired)
                first = await carry_out(runtime, desired, plan)
                world, owned = await ground.world(), await runtime.owned()
                second = await carry_out(runtime, desired, plan)
                assert states(first) == states(second) == dict.fromkeys(changes(plan), "done")
                assert {outcome.key: outcome.version for outcome in first} == {outcome.key: outcome.version for outcome in second}
                assert await ground.world() == world
                assert await runtime.owned() == owned

    async def test_interrupted_half_way_walking_again_finishes(self, tmp_path: Path) -> None:
        """Wherever it was interrupted: what was done stays as it is, the rest follows, by a new plan or by the old one."""
        size = len(self.ground(tmp_path / "size").bodies(1, "shop"))
        for count in range(size + 1):
            ground = self.ground(tmp_path / str(count))
            desired = ground.version(1)
            async with opened(ground) as runtime:
                plan = await runtime.plan(desired)
                await interrupted(runtime, desired, plan, count)
                half = {key: thing for key, thing in (await ground.world()).items() if not thing.half_made}
            async with opened(ground) as runtime:
                outcomes = await carry_out(runtime, desired, plan) if count % 2 else await done(runtime, desired)
                assert set(states(outcomes).values()) <= {"done"}
                whole = await ground.world()
                assert changes(plan).keys() <= whole.keys()
                assert {key: whole[key] for key in half} == half
                assert changes(await runtime.plan(desired)) == {}

    async def test_only_what_was_asked_is_carried_out(self, tmp_path: Path) -> None:
        """A batch of one action touches one object, whatever else is open."""
        ground = self.ground(tmp_path)
        desired = ground.version(1)
        async with opened(ground) as runtime:
            before = (await ground.world()).keys()
            plan = await runtime.plan(desired)
            asked = plan.changes[0]
            outcomes = [outcome async for outcome in runtime.apply(desired, [asked])]
            assert states(outcomes) == {asked.key: "done"}
            assert (await ground.world()).keys() - before == {asked.key}
            assert changes(await runtime.plan(desired)).keys() == changes(plan).keys() - {asked.key}

    async def test_an_outdated_plan_is_not_carried_out(self, tmp_path: Path) -> None:
        """What changed since the plan was made, appeared, or is to be deleted and changed, is left as it is."""
        ground = self.ground(tmp_path)
        owner = owner_of(ground.version(1))
        async with opened(ground) as runtime:
            early = await runtime.plan(ground.version(1))
            await ground.plant(owner, ground.bodies(2, "shop")[0])
            await left_alone(ground, runtime, ground.version(1), early)
            for outcome in await walk(runtime, ground.version(1)):
                assert outcome.state == "done"
            for desired in (ground.version(2), without(ground.version(1), 0)):
                plan = await runtime.plan(desired)
                await ground.tamper(owner, early.changes[0].key)
                await left_alone(ground, runtime, desired, plan)
                await done(runtime, ground.version(1))

    async def test_what_is_ignored_is_left_alone(self, tmp_path: Path) -> None:
        """In the plan, and when another field is applied."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            key = keys_of(ground.version(1))[0]
            rule = ground.ignore(key)
            if rule is None:
                pytest.skip("nothing that a hand changes can be ignored here")
            await done(runtime, ground.version(1))
            await ground.tamper(owner_of(ground.version(1)), key)
            tampered = await ground.world()
            assert changes(await runtime.plan(ground.version(1))) != {}
            assert changes(await runtime.plan(ignoring(ground.version(1), [rule]))) == {}
            await done(runtime, ignoring(ground.version(2), [rule]))
            assert (await ground.world())[key] != tampered[key]
            assert changes(await runtime.plan(ignoring(ground.version(2), [rule]))) == {}
            assert changes(await runtime.plan(ground.version(2))).keys() == {key}

    async def test_what_was_refused_is_told_and_the_rest_is_done(self, tmp_path: Path) -> None:
        """A refusal is an outcome with its reason, never an exception, and stops nobody."""
        ground = self.ground(tmp_path)
        refused = ground.refused_body("no")
        if refused is None:
            pytest.skip("this target refuses nothing")
        desired = ground.desired("shop", [refused, *ground.bodies(1, "shop")])
        async with opened(ground) as runtime:
            outcomes = await walk(runtime, desired)
            failed = [outcome for outcome in outcomes if outcome.state == "failed"]
            assert [outcome.key.name for outcome in failed] == [refused["metadata"]["name"]]
            assert failed[0].message
            assert not failed[0].outdated
            assert changes(await runtime.plan(desired)).keys() == {failed[0].key}
            assert failed[0].key not in await ground.world()
