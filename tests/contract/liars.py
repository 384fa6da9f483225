"""Runtimes that lie, each in just one way: a wrapper around an honest one."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from trueup.model.application import Policy
from trueup.model.contracts import Desired, Live, Lost, Moved, Owned, Owner, Runtime
from trueup.model.errors import Unreachable
from trueup.model.health import Health, State
from trueup.model.manifest import Key
from trueup.model.plan import Action, Change, Plan, Verb, plan_of
from trueup.model.run import Outcome
from trueup.testing import Ground, under


class Liar:
    """Honest as long as nothing is overridden."""

    def __init__(self, honest: Runtime, ground: Ground) -> None:
        self.honest = honest
        self.ground = ground

    async def owned(self) -> list[Owned]:
        return await self.honest.owned()

    async def plan(self, desired: Desired) -> Plan:
        return await self.honest.plan(desired)

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, actions):
            yield outcome

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        return await self.honest.health(desired, versions)

    def watch(self) -> AsyncIterator[Moved | Lost] | None:
        return self.honest.watch()

    async def live(self, owner: Owner, key: Key) -> Live | None:
        return await self.honest.live(owner, key)

    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        async for line in self.honest.logs(owner, key, follow):
            yield line

    async def close(self) -> None:
        await self.honest.close()

    async def _fresh(self, desired: Desired, actions: Sequence[Action]) -> list[Action]:
        """The same actions as a plan of this very moment has them."""
        now = {action.key: action for action in (await self.honest.plan(desired)).actions}
        return [replace(action, seen=now[action.key].seen if action.key in now else "") for action in actions]


def _rewritten(plan: Plan, actions: Sequence[Action]) -> Plan:
    return plan_of(plan.application, plan.target, plan.repository, plan.revision, actions)


class ActsWhilePlanning(Liar):
    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        async for _ in self.honest.apply(desired, plan.changes):
            pass
        return plan


class MarksWhilePlanning(Liar):
    async def plan(self, desired: Desired) -> Plan:
        async for _ in self.honest.apply(desired, []):
            pass
        return await self.honest.plan(desired)


class AlwaysSeesAChange(Liar):
    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        return _rewritten(plan, [replace(each, verb=Verb.UPDATE) if each.verb is Verb.UNCHANGED else each for each in plan.actions])


class SeesNoDrift(Liar):
    """Believes what it applied: a plan for a revision that it knows is empty."""

    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        known = any(owned.revision == desired.revision for owned in await self.honest.owned())
        return _rewritten(plan, [replace(each, verb=Verb.UNCHANGED, changes=()) if known else each for each in plan.actions])


class SaysDone(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for action in actions:
            yield Outcome(action.key, action.verb, "done")


class HealsNothing(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for action in actions:
            if action.verb is Verb.UPDATE:
                yield Outcome(action.key, action.verb, "done")
                continue
            async for outcome in self.honest.apply(desired, [action]):
                yield outcome


class KeepsWhatLeaves(Liar):
    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        return _rewritten(plan, [each for each in plan.actions if each.verb is not Verb.DELETE])


class DeletesFirst(Liar):
    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        return _rewritten(plan, [replace(each, wave=-1) if each.verb is Verb.DELETE else each for each in plan.actions])


class LeavesSomething(Liar):
    """An application that is gone keeps its last object."""

    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        return _rewritten(plan, plan.actions[:-1]) if desired.removed else plan


class KeepsRecords(Liar):
    """The record of an application that is gone stays."""

    async def owned(self) -> list[Owned]:
        kept = Owned(Owner("https://git.example.org/estate#main", "shop"), "1" * 40, (), Policy())
        return await self.honest.owned() or [kept]


class TakesEverybodysAway(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, actions):
            yield outcome
        for key in (await self.ground.world()) if desired.removed else ():
            await self.ground.remove(Owner("", ""), key)


class TakesSilently(Liar):
    """What is not ours is overwritten, and the plan says that it is an update."""

    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        adoptions = {each.key: replace(each, verb=Verb.UPDATE, foreign=False, owner="", reason="") for each in plan.actions if each.foreign}
        return _rewritten(plan, [adoptions.get(each.key, each) for each in plan.actions])


class NamesNobody(Liar):
    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        return _rewritten(plan, [replace(each, owner="") for each in plan.actions])


class MakesAnew(Liar):
    """What moves to another application is deleted there and made here."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for action in actions:
            anew = action
            if action.verb is Verb.ADOPT:
                await self.ground.remove(Owner("", ""), action.key)
                anew = replace(action, verb=Verb.CREATE, seen="")
            async for outcome in self.honest.apply(desired, [anew]):
                yield outcome


class NeverLooksAgain(Liar):
    """Carries out whatever it is given: the world may have moved."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, await self._fresh(desired, actions)):
            yield outcome


class DeletesWithoutLooking(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for action in actions:
            if action.verb is Verb.DELETE:
                await self.ground.remove(Owner("", ""), action.key)
            async for outcome in self.honest.apply(desired, [action]):
                yield outcome


class WritesEachTime(Liar):
    """Doing it twice is doing it twice."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for action in actions:
            with suppress(AssertionError):
                await self.ground.remove(Owner("", ""), action.key)
            anew = replace(action, verb=Verb.CREATE if action.desired else action.verb, seen="")
            async for outcome in self.honest.apply(desired, [anew]):
                yield replace(outcome, verb=action.verb)


class BelievesItsRecord(SeesNoDrift):
    """What was begun counts as done: after an interruption nobody finishes."""


class DoesEverything(Liar):
    """Carries out its whole plan, whatever was asked."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        plan = await self.honest.plan(desired)
        asked = {action.key for action in actions}
        async for outcome in self.honest.apply(desired, plan.changes):
            if outcome.key in asked:
                yield outcome


class TouchesWhatIsTheSame(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for key in await self.ground.world():
            await self.ground.tamper(Owner("", ""), key)
        async for outcome in self.honest.apply(desired, await self._fresh(desired, actions)):
            yield outcome


class KnowsNoIgnore(Liar):
    """Leaves fields alone in the plan, and overwrites them when it applies."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        spec = desired.application.spec.model_copy(update={"ignore": ()})
        strict = Desired(replace(desired.application, spec=spec), desired.revision, desired.manifests, desired.tree, desired.removed)
        async for outcome in self.honest.apply(strict, await self._fresh(strict, actions)):
            yield outcome


class HidesRefusals(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, actions):
            yield replace(outcome, state="done", message="")


class StopsAtRefusals(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, actions):
            yield outcome
            if outcome.state == "failed":
                return


class ForgetsPolicies(Liar):
    async def owned(self) -> list[Owned]:
        return [replace(owned, policy=Policy()) for owned in await self.honest.owned()]


class ForgetsRevisions(Liar):
    """Writes the record only along with an object."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        if actions:
            async for outcome in self.honest.apply(desired, actions):
                yield outcome


class PrunesAlways(Liar):
    async def plan(self, desired: Desired) -> Plan:
        return await self.honest.plan(under(desired, Policy()))


class KeepsTheMark(Liar):
    """With prune off, what leaves Git just stays."""

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        for action in actions:
            if action.verb is Verb.UPDATE and not action.desired:
                yield Outcome(action.key, action.verb, "done")
                continue
            async for outcome in self.honest.apply(desired, [action]):
                yield outcome


class KnowsOnlyItsOwnPlans(Liar):
    """Keeps at hand what a plan saw, so that a plan from a file is not understood."""

    def __init__(self, honest: Runtime, ground: Ground) -> None:
        super().__init__(honest, ground)
        self.kept: dict[int, Action] = {}

    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        bare = _rewritten(plan, [replace(each, seen="") for each in plan.actions])
        self.kept.update((id(each), real) for each, real in zip(bare.actions, plan.actions, strict=True))
        return bare

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, [self.kept.get(id(each), each) for each in actions]):
            yield outcome


class HasAnotherDigestEachTime(Liar):
    def __init__(self, honest: Runtime, ground: Ground) -> None:
        super().__init__(honest, ground)
        self.salt = str(id(self))

    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        return _rewritten(plan, [replace(each, seen=each.seen + self.salt) for each in plan.actions])

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, [replace(each, seen=each.seen.removesuffix(self.salt)) for each in actions]):
            yield outcome


class SeesNothing(Liar):
    """Takes a target that does not answer for an empty one."""

    async def owned(self) -> list[Owned]:
        try:
            return await self.honest.owned()
        except Unreachable:
            return []


class NeverAsksWhichVersion(Liar):
    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        return await self.honest.health(desired, dict.fromkeys(versions, ""))


class AlwaysWell(Liar):
    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        return dict.fromkeys(versions, Health(State.HEALTHY))


class WatchesNothing(Liar):
    def watch(self) -> AsyncIterator[Moved | Lost]:
        return self._silence()

    async def _silence(self) -> AsyncIterator[Moved | Lost]:
        await asyncio.Event().wait()
        yield Lost("never")


class ShowsWhatItWants(Liar):
    """Shows what was applied as what is there."""

    def __init__(self, honest: Runtime, ground: Ground) -> None:
        super().__init__(honest, ground)
        self.shown: dict[Key, Live | None] = {}

    async def live(self, owner: Owner, key: Key) -> Live | None:
        if key not in self.shown:
            self.shown[key] = await self.honest.live(owner, key)
        return self.shown[key]


def _revealed(desired: Desired) -> list[str]:
    bodies = [manifest.body for manifest in desired.manifests if "stringData" in manifest.body]
    return [body["stringData"]["password"].reveal() for body in bodies]


class ShowsSecretsInPlans(Liar):
    async def plan(self, desired: Desired) -> Plan:
        plan = await self.honest.plan(desired)
        shown = tuple(Change("stringData.password", None, value) for value in _revealed(desired))
        return _rewritten(plan, [replace(each, changes=each.changes + shown) for each in plan.actions])


class ShowsSecretsInOutcomes(Liar):
    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in self.honest.apply(desired, actions):
            yield replace(outcome, message=f"wrote {_revealed(desired)}")


class ShowsSecretsInHealth(Liar):
    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        return dict.fromkeys(versions, Health(State.DEGRADED, f"cannot sign in with {_revealed(desired)}"))


class ShowsSecretsLive(Liar):
    """Shows what a hand put where a secret was."""

    async def live(self, owner: Owner, key: Key) -> Live | None:
        return Live({"stringData": {"password": "put-there-by-hand"}})


class ShowsSecretsInLogs(Liar):
    async def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        yield "started with --password correct-horse-battery"
