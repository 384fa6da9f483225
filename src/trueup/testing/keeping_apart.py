"""Sentences about ownership: what is whose, what is taken over, what is let go."""

from pathlib import Path

import msgspec
import pytest

from trueup.model.application import DeleteLimit, Policy
from trueup.model.contracts import Owned
from trueup.model.plan import Verb
from trueup.testing.ground import OTHERS, Ground, as_of, gone, opened, owner_of, under, without
from trueup.testing.walking import carry_out, changes, done, states


class KeepsApart:
    """Every object has one owner, the target itself says which, and nobody takes what is another's."""

    ground: type[Ground]

    async def test_the_objects_of_others_stay(self, tmp_path: Path) -> None:
        """Those of another application, of an application of the same name elsewhere, and those of nobody."""
        ground = self.ground(tmp_path)
        neighbour, namesake = ground.version(1, "till"), ground.desired("shop", ground.bodies(1, "theirs"), OTHERS)
        async with opened(ground) as runtime:
            await ground.plant(owner_of(ground.version(1)), ground.bodies(1, "planted")[0])
            await done(runtime, neighbour)
            await done(runtime, namesake)
            before, owned = await ground.world(), await runtime.owned()
            for desired in (ground.version(1), without(ground.version(2), 1), gone(ground.version(1))):
                assert (await runtime.plan(desired)).changes != ()
                await done(runtime, desired)
                now = await ground.world()
                assert {key: now.get(key) for key in before} == before
            assert await runtime.owned() == owned
            assert changes(await runtime.plan(neighbour)) == changes(await runtime.plan(namesake)) == {}

    async def test_what_belongs_to_nobody_is_adopted_by_name_only(self, tmp_path: Path) -> None:
        """It is in the plan as an adoption; a plan that does not say so never takes it."""
        ground = self.ground(tmp_path)
        desired = ground.version(1)
        async with opened(ground) as runtime:
            blind = await runtime.plan(desired)
            await ground.plant(owner_of(desired), ground.bodies(1, "shop")[0])
            planted = await ground.world()
            plan = await runtime.plan(desired)
            adoptions = [action for action in plan.changes if action.verb is Verb.ADOPT]
            assert [(action.foreign, action.owner) for action in adoptions] == [(True, "")]
            assert adoptions[0].reason
            key = adoptions[0].key
            assert states(await carry_out(runtime, desired, blind))[key] == "failed"
            assert (await ground.world())[key] == planted[key]
            assert key not in [key for owned in await runtime.owned() for key in owned.keys]
            await done(runtime, desired)
            assert key in (await runtime.owned())[0].keys
            assert changes(await runtime.plan(desired)) == {}

    async def test_what_belongs_to_another_is_named_with_its_owner(self, tmp_path: Path) -> None:
        """By the application's name in the same repository, with the repository elsewhere; and planning takes nothing."""
        ground = self.ground(tmp_path)
        self._needs_handover()
        desired = ground.version(1)
        same = ground.bodies(1, "shop")[:1]
        neighbour, stranger = ground.desired("till", same), ground.desired("shop", same, OTHERS)
        async with opened(ground) as runtime:
            await done(runtime, desired)
            owned = await runtime.owned()
            for other, name in ((neighbour, "shop"), (stranger, str(owner_of(desired)))):
                plan = await runtime.plan(other)
                assert {(action.verb, action.foreign, action.owner) for action in plan.actions} == {(Verb.ADOPT, True, name)}
            assert await runtime.owned() == owned

    async def test_an_object_moves_between_two_applications_without_being_made_again(self, tmp_path: Path) -> None:
        """The one that declares it now adopts it; the one that had it lets go of it, even by a plan that is older than the move."""
        ground = self.ground(tmp_path)
        self._needs_handover()
        old, new = without(ground.version(1), 0), ground.desired("till", ground.bodies(1, "shop")[:1])
        async with opened(ground) as runtime:
            await done(runtime, ground.version(1))
            before = await ground.world()
            stale = await runtime.plan(old)
            moved = (await runtime.plan(new)).changes[0]
            settled = msgspec.structs.replace(moved, owner="", foreign=False, reason="moved from shop")
            assert states([outcome async for outcome in runtime.apply(new, [settled])]) == {moved.key: "done"}
            assert [outcome.outdated for outcome in await carry_out(runtime, old, stale)] == [True]
            assert await ground.world() == before
            assert changes(await runtime.plan(old)) == changes(await runtime.plan(new)) == {}
            assert {owned.owner.application: len(owned.keys) for owned in await runtime.owned()} == {"shop": len(before) - 1, "till": 1}

    async def test_ownership_is_read_back_by_a_fresh_opening(self, tmp_path: Path) -> None:
        """With revision, keys and policy; and a walk without changes brings them up to date and writes to no object."""
        ground = self.ground(tmp_path)
        policy = Policy(prune=False, delete_limit=DeleteLimit(count=3))
        async with opened(ground) as runtime:
            keys = sorted(outcome.key for outcome in await done(runtime, under(ground.version(1), policy)))
            world = await ground.world()
        async with opened(ground) as runtime:
            assert _sorted(await runtime.owned()) == [Owned(owner_of(ground.version(1)), "1" * 40, tuple(keys), policy)]
            later = as_of(under(ground.version(1), Policy(self_heal=False)), "3" * 40)
            assert await done(runtime, later) == []
        async with opened(ground) as runtime:
            assert _sorted(await runtime.owned()) == [Owned(owner_of(later), "3" * 40, tuple(keys), later.application.policy)]
            assert await ground.world() == world

    async def test_with_prune_off_objects_stay_and_our_mark_goes(self, tmp_path: Path) -> None:
        """They are left as they are, belong to nobody, and can be adopted again."""
        ground = self.ground(tmp_path)
        keeping = under(without(ground.version(1), 1), Policy(prune=False))
        async with opened(ground) as runtime:
            await done(runtime, under(ground.version(1), Policy(prune=False)))
            before = await ground.world()
            leaving = (await runtime.plan(keeping)).changes
            assert [(action.verb, action.reason) for action in leaving] == [(Verb.UPDATE, "leaves Git, stays")]
            await done(runtime, keeping)
            assert await ground.world() == before
            assert [leaving[0].key in owned.keys for owned in await runtime.owned()] == [False]
            assert changes(await runtime.plan(keeping)) == {}
            again = (await runtime.plan(ground.version(1))).changes
            assert [(action.verb, action.key, action.foreign, action.owner) for action in again] == [(Verb.ADOPT, leaving[0].key, True, "")]

    def _needs_handover(self) -> None:
        if not self.ground.hands_over:
            pytest.skip("two applications cannot name the same object here")


def _sorted(owned: list[Owned]) -> list[Owned]:
    return [Owned(each.owner, each.revision, tuple(sorted(each.keys)), each.policy) for each in owned]
