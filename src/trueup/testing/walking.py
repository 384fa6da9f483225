"""A plan carried out as the engine does it: wave by wave, and inside a wave in batches that do not depend on each other."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from trueup.model.contracts import Desired, Runtime
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, Verb
from trueup.model.run import Outcome
from trueup.testing.ground import Ground, World
from trueup.toolkit.waves import batches


def batches_of(actions: Sequence[Action]) -> Iterator[list[Action]]:
    """The actions in the batches in which they are carried out."""
    by_wave: dict[int, list[Action]] = {}
    for action in actions:
        by_wave.setdefault(action.wave, []).append(action)
    for _, wave in sorted(by_wave.items()):
        by_key = {action.key: action for action in wave}
        for batch in batches({action.key: action.after for action in wave}):
            yield [by_key[key] for key in batch]


async def carried_out(runtime: Runtime, desired: Desired, plan: Plan) -> AsyncGenerator[Outcome, None]:
    """Apply what changes, told as it goes; without any change, only the records of ownership. Whoever closes it breaks the walk off."""
    for batch in [*batches_of(plan.changes)] or [[]]:
        stream = runtime.apply(desired, batch)
        try:
            async for outcome in stream:
                yield outcome
        finally:
            # An iterator need not be a generator, and only generators can be closed.
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()


async def carry_out(runtime: Runtime, desired: Desired, plan: Plan) -> list[Outcome]:
    """The same, to the end."""
    return [outcome async for outcome in carried_out(runtime, desired, plan)]


async def walk(runtime: Runtime, desired: Desired) -> list[Outcome]:
    """Plan, and carry the plan out."""
    return await carry_out(runtime, desired, await runtime.plan(desired))


async def done(runtime: Runtime, desired: Desired) -> list[Outcome]:
    """Walk, and everything is done."""
    outcomes = await walk(runtime, desired)
    assert [outcome for outcome in outcomes if outcome.state != "done"] == []
    return outcomes


async def interrupted(runtime: Runtime, desired: Desired, plan: Plan, count: int) -> None:
    """Carry out a plan until that many outcomes were told, and drop it there."""
    stream = carried_out(runtime, desired, plan)
    for _ in range(count):
        await anext(stream)
    await stream.aclose()


async def left_alone(ground: Ground, runtime: Runtime, desired: Desired, plan: Plan) -> None:
    """Carry out a plan that is outdated for the application's first object, which then is as before."""
    key = next(action.key for action in plan.changes)
    before = (await ground.world())[key]
    outcomes = await carry_out(runtime, desired, plan)
    assert {outcome.key for outcome in outcomes if outcome.outdated} == {key}
    assert states(outcomes)[key] == "failed"
    assert (await ground.world())[key] == before


def changes(plan: Plan) -> dict[Key, Verb]:
    """What a plan would change."""
    return {action.key: action.verb for action in plan.changes}


def states(outcomes: Iterable[Outcome]) -> dict[Key, str]:
    """What became of each object."""
    return {outcome.key: outcome.state for outcome in outcomes}


def contents(world: World) -> dict[Key, object]:
    """What the world holds, whether it was made anew or not."""
    return {key: thing.content for key, thing in world.items()}
