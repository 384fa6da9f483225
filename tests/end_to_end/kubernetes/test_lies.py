"""A test that nothing can fail promises nothing: each rule is taken out of the runtime once, and the test of that rule must notice."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from tests.end_to_end.kubernetes import test_apply, test_drift, test_ownership, test_plan, test_reasons, test_secrets, test_targets
from tests.end_to_end.kubernetes.shop import Shop
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.comparing import changes_between
from trueup.runtimes.kubernetes.marks import annotations, labels
from trueup.runtimes.kubernetes.planning import refuse

RUNTIME: Final = "trueup.runtimes.kubernetes"


async def nothing(*_: object, **__: object) -> None:
    """Done at once."""


async def nobody_refused(*_: object, **__: object) -> dict[str, str]:
    """Tried out again, and all is well."""
    return {}


def as_it_is(body: Body, *_: object) -> Body:
    """Nothing is concealed."""
    return dict(body)


def refuse_one(trials: list[Any], application: str) -> None:
    """Tells the first refusal, and no other."""
    refuse([trial for trial in trials if trial.refusal][:1], application)


LIES: Final[dict[str, tuple[Callable[[Shop], Awaitable[None]], str, object]]] = {
    "prunes whatever carries our labels": (
        test_ownership.test_what_carries_copied_labels_or_has_a_controller_is_never_pruned,
        "marks.Marks.holds",
        lambda self, body: self.labels.items() <= labels(body).items(),
    ),
    "writes no record before the members": (
        test_ownership.test_the_parent_names_kinds_before_the_first_member_and_no_longer_than_there_are_any,
        "runtime.KubernetesRuntime._declare",
        nothing,
    ),
    "never narrows the record": (
        test_ownership.test_the_parent_names_kinds_before_the_first_member_and_no_longer_than_there_are_any,
        "runtime.KubernetesRuntime._conclude",
        nothing,
    ),
    "believes an opt-out on the live object": (
        test_ownership.test_an_opt_out_counts_as_it_stands_in_git,
        "planning.declared_annotations",
        lambda body, manager: annotations(body),
    ),
    "leaves what kubectl applied and no longer says": (
        test_ownership.test_what_kubectl_applied_is_taken_over_once_with_what_it_no_longer_says,
        "taking.applied_by_kubectl",
        lambda *_: {},
    ),
    "does not try out again what could not be": (
        test_plan.test_what_could_not_be_tried_out_is_tried_before_any_of_its_wave_is_written,
        "runtime.KubernetesRuntime._rehearse",
        nobody_refused,
    ),
    "tries out what is known": (
        test_plan.test_a_plan_that_needs_no_dry_run_asks_for_none,
        "settled.Settled.holds",
        lambda *_: False,
    ),
    "tells one refusal": (
        test_plan.test_three_refused_among_many_are_all_told_with_file_and_line_and_nothing_is_done,
        "planner.refuse",
        refuse_one,
    ),
    "takes what the server adds for a change": (
        test_plan.test_defaults_and_units_are_no_change,
        "planning.changes_between",
        lambda live, result, known: changes_between(None, result, known),
    ),
    "believes that what it deletes is gone": (
        test_apply.test_an_object_whose_finalizer_never_ends_is_told_and_others_go_on,
        "writing.until_gone",
        nothing,
    ),
    "sees nothing that a hand added": (
        test_drift.test_what_a_hand_added_is_shown_and_undone_only_where_the_policy_is_strict,
        "planning.added_by_hand",
        lambda *_: {},
    ),
    "shows what is in a Secret": (
        test_secrets.test_a_secret_changed_by_hand_is_drift_that_shows_no_value,
        "comparing.concealed",
        as_it_is,
    ),
    "tells the secrets that a program says": (
        test_reasons.test_a_secret_that_a_program_says_in_its_last_words_does_not_show,
        "judging.masked",
        lambda text, manifests: text,
    ),
    "acts in its own name": (
        test_targets.test_an_application_has_the_rights_of_its_account_and_no_others,
        "runtime.KubernetesRuntime._acting",
        lambda self, desired: self._cluster,
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_the_test_of_a_rule_notices_when_the_rule_is_gone(lie: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, rule, instead = LIES[lie]
    monkeypatch.setattr(f"{RUNTIME}.{rule}", instead)
    # Some look something up that is not there then.
    with pytest.raises((AssertionError, pytest.fail.Exception, LookupError, ValueError)):
        await honest(shop)
