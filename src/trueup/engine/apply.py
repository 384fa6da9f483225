"""A plan and what was done of it -> the next batch, carried out."""

from collections.abc import AsyncIterator, Iterable, Iterator

from trueup.model.contracts import Desired, Runtime
from trueup.model.plan import Action, Plan
from trueup.model.run import Outcome


def next_batch(plan: Plan, outcomes: Iterable[Outcome], failed: Iterable[Outcome] = ()) -> tuple[Action, ...]:
    """The actions of the first wave that is not done which wait for nothing; empty when there are none.

    What failed in an earlier pass is in it again (a retry), what ``failed`` in this one is not, nor what depends on it inside its wave;
    and no later wave begins before it is done.
    """
    done = {(outcome.key, outcome.verb) for outcome in outcomes if outcome.state == "done"}
    given_up = {outcome.key for outcome in failed}
    for _, actions in _waves(plan.changes):
        open_actions = [action for action in actions if (action.key, action.verb) not in done]
        if open_actions:
            waiting = {action.key for action in open_actions}
            return tuple(action for action in open_actions if action.key not in given_up and not waiting.intersection(action.after))
    return ()


def begun(plan: Plan, outcomes: Iterable[Outcome]) -> tuple[Action, ...]:
    """The actions of every wave that is done: what must be healthy before the next one begins."""
    done = {(outcome.key, outcome.verb) for outcome in outcomes if outcome.state == "done"}
    return tuple(action for action in plan.changes if (action.key, action.verb) in done)


def starts_wave(plan: Plan, batch: tuple[Action, ...], outcomes: Iterable[Outcome]) -> bool:
    """Whether this batch is the first of a later wave."""
    first = min((action.wave for action in plan.changes), default=0)
    wave = batch[0].wave
    done = {(outcome.key, outcome.verb) for outcome in outcomes if outcome.state == "done"}
    return wave != first and not any(action.wave == wave and (action.key, action.verb) in done for action in plan.changes)


def on_failure(plan: Plan, outcomes: Iterable[Outcome]) -> Iterator[tuple[Action, ...]]:
    """What is to be done once the run has failed, wave after wave, without what was done."""
    done = {(outcome.key, outcome.verb) for outcome in outcomes if outcome.state == "done"}
    for _, actions in _waves(plan.on_failure):
        if batch := tuple(action for action in actions if (action.key, action.verb) not in done):
            yield batch


def apply(runtime: Runtime, desired: Desired, batch: tuple[Action, ...]) -> AsyncIterator[Outcome]:
    """Carry the batch out, and tell each outcome as it comes. Raises Unreachable; what was refused or has moved is an outcome."""
    return runtime.apply(desired, batch)


def _waves(actions: Iterable[Action]) -> Iterator[tuple[int, list[Action]]]:
    waves: dict[int, list[Action]] = {}
    for action in actions:
        waves.setdefault(action.wave, []).append(action)
    yield from sorted(waves.items())
