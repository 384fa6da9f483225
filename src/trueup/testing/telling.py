"""Sentences about what is told: health, watches, faults, secrets, and plans that travel."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from trueup.model.contracts import Desired, Lost, Moved, Runtime
from trueup.model.errors import RuntimeFault, Unreachable
from trueup.model.health import Health, State
from trueup.model.manifest import Key
from trueup.model.plan import Plan, plan_of
from trueup.model.secret import Secret
from trueup.model.wire import decode, encode
from trueup.testing.ground import Ground, gone, keys_of, opened, owner_of
from trueup.testing.walking import carry_out, changes, done

_SECRETS = ("correct-horse-battery", "staple-of-another-kind", "put-there-by-hand")


class Tells:
    """What is told is true, in time, and never a secret."""

    ground: type[Ground]

    async def test_a_plan_survives_json_and_back(self, tmp_path: Path) -> None:
        """What was written to a file and read again is the same plan, and is carried out as such."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            for desired in (ground.version(1), ground.version(2), gone(ground.version(1))):
                plan = await runtime.plan(desired)
                read = decode(encode(plan), Plan)
                assert encode(read) == encode(plan)
                assert plan_of(read.application, read.target, read.repository, read.revision, read.actions).digest == plan.digest
                outcomes = await carry_out(runtime, desired, read)
                assert [(outcome.state, outcome.message) for outcome in outcomes] == [("done", "")] * len(plan.changes)
                assert changes(await runtime.plan(desired)) == {}

    async def test_a_digest_is_the_same_until_something_moves(self, tmp_path: Path) -> None:
        """Whoever plans again gets the digest that was approved; when the world moved, another."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            key = keys_of(ground.version(1))[0]
            await done(runtime, ground.version(1))
            digest = (await runtime.plan(ground.version(2))).digest
        async with opened(ground) as runtime:
            assert (await runtime.plan(ground.version(2))).digest == digest
            await ground.tamper(owner_of(ground.version(1)), key)
            assert (await runtime.plan(ground.version(2))).digest != digest

    async def test_unreachable_says_so(self, tmp_path: Path) -> None:
        """Never an empty answer, from which somebody would conclude that nothing is there; and afterwards all is as before."""
        ground = self.ground(tmp_path)
        desired = ground.version(2)
        async with opened(ground) as runtime:
            versions = {outcome.key: outcome.version for outcome in await done(runtime, ground.version(1))}
            plan, world, owned = await runtime.plan(desired), await ground.world(), await runtime.owned()
            unreachable = ground.unreachable()
            if unreachable is None:
                pytest.skip("this target is always reached")
            async with unreachable:
                with pytest.raises(Unreachable):
                    await runtime.owned()
                with pytest.raises(Unreachable):
                    await runtime.plan(desired)
                with pytest.raises(Unreachable):
                    await runtime.health(desired, versions)
                with pytest.raises(Unreachable):
                    await carry_out(runtime, desired, plan)
            assert await ground.world() == world
            assert await runtime.owned() == owned
            await done(runtime, desired)

    async def test_health_is_of_the_version_that_was_applied(self, tmp_path: Path) -> None:
        """Of the version that was written, healthy in time; of one that was replaced, never; of what is not there, missing."""
        ground = self.ground(tmp_path)
        async with opened(ground) as runtime:
            first = {outcome.key: outcome.version for outcome in await done(runtime, ground.version(1))}
            await self._healthy(runtime, ground.version(1), first)
            second = {outcome.key: outcome.version for outcome in await done(runtime, ground.version(2))}
            assert second
            old = await runtime.health(ground.version(2), first)
            assert {key for key, health in old.items() if health.state is not State.HEALTHY} == second.keys()
            await self._healthy(runtime, ground.version(2), second)
            await self._healthy(runtime, ground.version(2), dict.fromkeys(first, ""))
            await done(runtime, gone(ground.version(2)))
            assert {health.state for health in (await runtime.health(ground.version(2), first)).values()} == {State.MISSING}

    async def test_what_moves_is_watched(self, tmp_path: Path) -> None:
        """Who reads the watch hears of what a hand changes and of what it deletes."""
        ground = self.ground(tmp_path)
        owner = owner_of(ground.version(1))
        async with opened(ground) as runtime:
            keys = keys_of(ground.version(1))
            await done(runtime, ground.version(1))
            await self._healthy(runtime, ground.version(1), dict.fromkeys(keys, ""))
            moves = runtime.watch()
            if moves is None:
                pytest.skip("this target cannot tell what moves")
            for hand, key in ((ground.tamper, keys[0]), (ground.remove, keys[1])):
                told = asyncio.create_task(_told(moves, Moved(owner, key)))
                # Whatever still moves after the walk itself is told first.
                await asyncio.sleep(0.5)
                await hand(owner, key)
                finished, _ = await asyncio.wait([told], timeout=ground.patience)
                assert finished, f"nothing was told of {key}"
                await told

    async def test_a_person_sees_what_is_there_and_who_changed_it(self, tmp_path: Path) -> None:
        """The live object, the revision that wrote it, and a hand that changed it since."""
        ground = self.ground(tmp_path)
        owner = owner_of(ground.version(1))
        async with opened(ground) as runtime:
            key = keys_of(ground.version(1))[0]
            await done(runtime, ground.version(1))
            live = await runtime.live(owner, key)
            assert live is not None
            assert (live.revision, live.changed_by) == ("1" * 40, ())
            await ground.tamper(owner, key)
            tampered = await runtime.live(owner, key)
            assert tampered is not None
            assert tampered.body != live.body
            await ground.remove(owner, key)
            assert await runtime.live(owner, key) is None

    async def test_secrets_do_not_show(self, tmp_path: Path) -> None:
        """Neither in plans, outcomes, health, live objects, logs and what is logged, nor when the secret changes here or there."""
        ground = self.ground(tmp_path)
        with _overheard() as said:
            for number, value in enumerate(_SECRETS[:2]):
                bodies = ground.secret_bodies(Secret(value, f"secret {number}"), "shop")
                if bodies is None:
                    pytest.skip("no object here holds a secret")
                async with opened(ground) as runtime:
                    said += await self._everything(ground, runtime, ground.desired("shop", bodies))
        assert len(said) > len(_SECRETS)
        shown = "\n".join(said)
        for value in _SECRETS:
            assert value not in shown
            assert base64.b64encode(value.encode()).decode() not in shown

    async def _everything(self, ground: Ground, runtime: Runtime, desired: Desired) -> list[str]:
        """All that can be had of an application that holds a secret."""
        plan = await runtime.plan(desired)
        assert plan.changes
        outcomes = await carry_out(runtime, desired, plan)
        assert {outcome.state for outcome in outcomes} == {"done"}
        await ground.expose(owner_of(desired), keys_of(desired)[0], _SECRETS[2])
        drift = await runtime.plan(desired)
        assert changes(drift).keys() == {keys_of(desired)[0]}
        health = await runtime.health(desired, {outcome.key: outcome.version for outcome in outcomes})
        parts: list[object] = [plan, outcomes, drift, list(health.values()), await runtime.owned()]
        for outcome in outcomes:
            parts += [await runtime.live(owner_of(desired), outcome.key), await _log(runtime, desired, outcome.key)]
        parts += [await done(runtime, desired), await runtime.plan(gone(desired))]
        return [text for part in parts for text in (repr(part), encode(part).decode())]

    async def _healthy(self, runtime: Runtime, desired: Desired, versions: Mapping[Key, str]) -> None:
        """All of them are healthy in time."""
        healths: dict[Key, Health] = {}
        for _ in range(round(self.ground.patience * 10)):
            healths = await runtime.health(desired, versions)
            if all(health.state is State.HEALTHY for health in healths.values()):
                break
            await asyncio.sleep(0.1)
        assert {key: health for key, health in healths.items() if health.state is not State.HEALTHY} == {}
        assert healths.keys() == versions.keys()


async def _told(moves: AsyncIterator[Moved | Lost], expected: Moved) -> None:
    async for moved in moves:
        if isinstance(moved, Lost) or (moved.owner, moved.key) == (expected.owner, expected.key):
            return
    raise AssertionError(f"the watch ended before it told of {expected.key}")


async def _log(runtime: Runtime, desired: Desired, key: Key) -> list[str]:
    try:
        return [line async for line in runtime.logs(owner_of(desired), key, False)]
    except RuntimeFault as fault:
        return [str(fault), fault.where, fault.hint]


@contextmanager
def _overheard() -> Iterator[list[str]]:
    said: list[str] = []
    ear = _Ear(said)
    logging.getLogger().addHandler(ear)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(ear)


class _Ear(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.NOTSET)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(self.format(record))
