"""A plan and its policy -> go, or the reason to hold it. Pure: what it needs to know is given to it."""

from dataclasses import dataclass
from typing import Final

from trueup.model.application import Policy, Removal
from trueup.model.manifest import Key
from trueup.model.plan import Action, Hold, Plan, Verb

APPROVAL: Final = "approval"
FEWEST_FOR_PERCENT: Final = 4
MOST_NAMES: Final = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What guard knows beside the plan: whether the application is going, how many objects the render has, what was approved.

    ``parting`` says why it goes. ``elsewhere``: it moves to another target, and these are its objects there; only what is not among them
    is lost.
    """

    removed: bool
    desired: int
    approvals: frozenset[str] = frozenset()
    elsewhere: frozenset[Key] | None = None
    parting: str = "its declaration is gone"


def guard(plan: Plan, policy: Policy, facts: Facts) -> Hold | None:
    """None: go. A hold of kind ``approval`` is lifted by approving this very digest; what belongs to others never is."""
    if plan.empty:
        return None
    taken = [action for action in plan.actions if action.owner]
    if taken:
        return Hold("owner", f"{taken[0].key} belongs to {taken[0].owner}")
    if plan.digest in facts.approvals:
        return None
    reason = _reason(plan, policy, facts)
    return Hold(APPROVAL, reason) if reason else None


def _reason(plan: Plan, policy: Policy, facts: Facts) -> str:
    deletes = [action for action in plan.changes if action.verb is Verb.DELETE]
    replaces = [action for action in plan.actions if action.verb is Verb.REPLACE and not action.allowed]
    foreign = [action for action in plan.actions if action.foreign]
    if facts.removed and facts.elsewhere is not None:
        return _lost(deletes, facts.elsewhere, policy)
    if facts.removed:
        goes = policy.removal is Removal.DELETE or not deletes
        return "" if goes else f"{facts.parting}: {_names(deletes)} would be deleted"
    if not facts.desired and deletes:
        return f"the render is empty: {_names(deletes)} would be deleted"
    if foreign and not policy.adopt:
        return f"{_names(foreign)} {'exists' if len(foreign) == 1 else 'exist'} and {'is' if len(foreign) == 1 else 'are'} not ours: adopt"
    if replaces:
        return f"{_names(replaces)} would be deleted and made anew"
    owned = len(deletes) + sum(action.verb in (Verb.UPDATE, Verb.REPLACE, Verb.UNCHANGED) for action in plan.actions)
    return _too_many(deletes, owned, policy) or ("policy.sync is manual" if policy.sync == "manual" else "")


def _lost(deletes: list[Action], elsewhere: frozenset[Key], policy: Policy) -> str:
    """What is not at the new target either. Namespaces may be others there."""
    there = {(key.kind, key.group, key.name) for key in elsewhere}
    lost = [action for action in deletes if (action.key.kind, action.key.group, action.key.name) not in there]
    if lost and not there:
        return f"the render is empty: {_names(lost)} would be deleted"
    return _too_many(lost, len(deletes), policy)


def _too_many(deletes: list[Action], owned: int, policy: Policy) -> str:
    limit = policy.delete_limit
    if len(deletes) > limit.count:
        return f"{len(deletes)} objects would be deleted, more than deleteLimit.count ({limit.count})"
    if owned >= FEWEST_FOR_PERCENT and len(deletes) * 100 > limit.percent * owned:
        return f"{len(deletes)} of {owned} objects would be deleted, more than deleteLimit.percent ({limit.percent})"
    return ""


def _names(actions: list[Action]) -> str:
    shown = ", ".join(str(action.key) for action in actions[:MOST_NAMES])
    others = len(actions) - MOST_NAMES
    return f"{shown} and {others} more" if others > 0 else shown
