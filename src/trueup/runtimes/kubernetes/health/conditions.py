"""What holds for every kind: an object that goes away, a controller that lags behind, and the conditions that say so themselves."""

from trueup.model.health import Health, State
from trueup.runtimes.kubernetes.health.seen import Seen, line


def terminating(seen: Seen) -> Health | None:
    """An object with a deletionTimestamp is progressing until it is gone; what it waits for is its reason."""
    if not seen.text("metadata", "deletionTimestamp"):
        return None
    # A namespace says in its conditions what is left in it.
    left = [condition.message for condition in seen.conditions.values() if condition.true and condition.message]
    finalizers = seen.at("metadata", "finalizers")
    named = ", ".join(str(each) for each in finalizers) if isinstance(finalizers, list) else ""
    waits = left[0] if seen.kind == "Namespace" and left else f"waits for {named}" if named else ""
    return Health(State.PROGRESSING, line(f"terminating, {waits}" if waits else "terminating"))


def unobserved(seen: Seen) -> Health | None:
    """A controller that has not seen the newest generation says nothing of it."""
    generation, observed = seen.number("metadata", "generation"), seen.at("status", "observedGeneration")
    if isinstance(observed, str) and observed.isascii() and observed.isdigit():
        observed = int(observed[:18])  # Argo Rollouts writes it as a text
    if isinstance(observed, bool) or not isinstance(observed, int) or not generation or observed >= generation:
        return None
    return Health(State.PROGRESSING, f"generation {generation} is not observed yet, the last one was {observed}")


def reconciling(seen: Seen) -> Health | None:
    """The conditions of kstatus: Reconciling, Stalled."""
    if (condition := seen.condition("Reconciling")).true:
        return Health(State.PROGRESSING, condition.words or "it is being reconciled")
    if (condition := seen.condition("Stalled")).true:
        return Health(State.DEGRADED, condition.words or "it is stalled")
    return None


def ready(seen: Seen) -> Health:
    """A Ready condition, where there is one; what says nothing of itself is healthy."""
    condition = seen.condition("Ready")
    if not condition.status:
        return Health(State.HEALTHY)
    generation = seen.number("metadata", "generation")
    if condition.generation and condition.generation < generation:
        return Health(State.PROGRESSING, f"Ready is not judged for generation {generation} yet, the last one was {condition.generation}")
    if condition.true:
        return Health(State.HEALTHY)
    return Health(State.PROGRESSING, f"not ready: {condition.words}" if condition.words else "not ready")
