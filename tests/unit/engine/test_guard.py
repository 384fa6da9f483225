"""What is held, and why."""

from typing import Any

import pytest

from tests.unit.engine.plans import action, actions, planned
from trueup.engine.guard import Facts, guard
from trueup.model.application import Policy
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan

HERE = Facts(removed=False, desired=1)
GONE = Facts(removed=True, desired=0)


def moved(count: int) -> Facts:
    """It moved to another target, where there are so many of its objects."""
    return Facts(True, 0, elsewhere=frozenset(Key("Thing", f"delete{number}", namespace="there") for number in range(count)))


def policy(**said: Any) -> Policy:
    """A policy as it is written in a declaration."""
    return Policy.model_validate(said)


@pytest.mark.parametrize(
    ("several", "said", "facts", "reason"),
    [
        (actions("create", 50), {}, HERE, ""),
        (actions("unchanged", 5), {"sync": "manual"}, HERE, ""),
        (actions("delete", 10) + actions("unchanged", 90), {}, HERE, ""),
        (actions("delete", 11) + actions("unchanged", 90), {}, HERE, "11 objects would be deleted, more than deleteLimit.count (10)"),
        (actions("delete", 11) + actions("unchanged", 90), {"deleteLimit": {"count": 11}}, HERE, ""),
        (actions("delete", 1) + actions("unchanged", 90), {"deleteLimit": {"count": 0}}, HERE, "1 objects would be deleted"),
        (actions("delete", 2) + actions("update", 2), {}, HERE, ""),
        (actions("delete", 3) + actions("update", 1), {}, HERE, "3 of 4 objects would be deleted, more than deleteLimit.percent (50)"),
        (actions("delete", 3) + actions("create", 9), {}, HERE, ""),
        (actions("delete", 4) + actions("create", 9), {}, HERE, "4 of 4 objects would be deleted"),
        (actions("delete", 4), {"deleteLimit": {"percent": 100}}, HERE, ""),
        (actions("delete", 1), {}, Facts(False, 0), "the render is empty: Thing/delete0 would be deleted"),
        (actions("delete", 1), {"deleteLimit": {"percent": 100}}, Facts(False, 0), "the render is empty"),
        (actions("replace", 1), {}, HERE, "Thing/replace0 would be deleted and made anew"),
        ([action("a", "replace", allowed=True)], {}, HERE, ""),
        ([action("a", "adopt", foreign=True)], {}, HERE, "Thing/a exists and is not ours: adopt"),
        ([action("a", "adopt", foreign=True)], {"adopt": True}, HERE, ""),
        ([action("a", "adopt", reason="moved from api")], {}, HERE, ""),
        (actions("update", 1), {"sync": "manual"}, HERE, "policy.sync is manual"),
        (
            actions("delete", 7),
            {},
            GONE,
            "its declaration is gone: Thing/delete0, Thing/delete1, Thing/delete2, Thing/delete3, Thing/delete4",
        ),
        (actions("delete", 7), {"removal": "delete"}, GONE, ""),
        (actions("update", 7), {"removal": "keep"}, GONE, ""),
        (actions("delete", 7), {"removal": "delete", "sync": "manual"}, GONE, ""),
        (actions("delete", 20), {"removal": "delete"}, moved(20), ""),
        (actions("delete", 20), {"removal": "delete"}, moved(10), ""),
        (actions("delete", 20), {"removal": "delete"}, moved(9), "11 objects would be deleted, more than deleteLimit.count (10)"),
        (actions("delete", 8), {"removal": "delete"}, moved(3), "5 of 8 objects would be deleted"),
        (actions("delete", 2), {"removal": "delete"}, moved(0), "the render is empty: Thing/delete0, Thing/delete1 would be deleted"),
    ],
)
def test_what_a_policy_holds(several: list[Action], said: dict[str, Any], facts: Facts, reason: str) -> None:
    hold = guard(planned(*several), policy(**said), facts)
    assert (hold.reason if hold else "").startswith(reason)
    assert (hold is None) == (reason == "")
    assert hold is None or hold.kind == "approval"


def test_many_names_are_counted() -> None:
    hold = guard(planned(*actions("delete", 7)), policy(), GONE)
    assert hold is not None
    assert hold.reason.endswith("Thing/delete4 and 2 more would be deleted")


def _held() -> Plan:
    return planned(*actions("delete", 4))


def test_an_approval_lifts_the_plan_of_its_digest_and_no_other() -> None:
    approved = Facts(False, 0, frozenset({_held().digest}))
    assert guard(_held(), policy(), approved) is None
    assert guard(planned(*actions("delete", 5)), policy(), approved) is not None


def test_what_belongs_to_another_is_held_whatever_was_approved_or_allowed() -> None:
    plan = planned(action("a", "adopt", foreign=True, owner="api"), action("b"))
    hold = guard(plan, policy(adopt=True), Facts(False, 2, frozenset({plan.digest})))
    assert hold is not None
    assert (hold.kind, hold.reason) == ("owner", "Thing/a belongs to api")
