"""What was tried out becomes actions."""

from typing import Any

import pytest

from tests.unit.runtimes.kubernetes.objects import MARKS, PLAIN, config_map, desired, live, managed, marked, wanted
from trueup.model.application import Policy
from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.model.plan import Action, Effect, Verb, When
from trueup.runtimes.kubernetes.fields import Fields
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.planning import actions_of, refuse
from trueup.runtimes.kubernetes.trial import Trial

OURS = managed("trueup", {"f:data": {"f:colour": {}}}, "Apply")


def action(want: Body, there: Body | None, result: Body | None, policy: Policy = PLAIN, **trial: Any) -> Action:
    [only] = actions_of(desired(policy), [Trial(wanted(want), live(there) if there else None, result, **trial)], [], MARKS)
    return only


def leaving(*objects: LiveObject, policy: Policy = PLAIN, removed: bool = False) -> list[Action]:
    return list(actions_of(desired(policy, removed), [], objects, MARKS))


def test_an_object_that_is_as_git_says_is_unchanged() -> None:
    there = marked(config_map({"colour": "red"}, managedFields=[OURS]))
    assert action(config_map({"colour": "red"}), there, there).verb is Verb.UNCHANGED


def test_it_is_said_from_whom_a_field_is_taken() -> None:
    hand = managed("kubectl-edit", {"f:data": {"f:colour": {}}})
    there = marked(config_map({"colour": "blue"}, managedFields=[hand]))
    result = marked(config_map({"colour": "red"}, managedFields=[OURS]))
    planned = action(config_map({"colour": "red"}), there, result)
    assert (planned.verb, planned.reason) == (Verb.UPDATE, "takes data.colour from kubectl-edit")


def test_what_exists_and_is_nobodys_is_adopted_with_that_reason() -> None:
    planned = action(config_map({}), config_map({}), marked(config_map({})))
    assert (planned.verb, planned.foreign, planned.owner) == (Verb.ADOPT, True, "")
    assert planned.reason == "exists and belongs to nobody"


def test_an_immutable_field_means_a_replace_that_names_it() -> None:
    there = marked(config_map({"colour": "blue"}, managedFields=[OURS]))
    planned = action(config_map({"colour": "red"}), there, None, immutable="data")
    assert (planned.verb, planned.reason, planned.verified, planned.allowed) == (Verb.REPLACE, "data cannot change", False, False)


@pytest.mark.parametrize(
    "annotation",
    [
        {"trueup.dev/replace": "allowed"},
        {"argocd.argoproj.io/sync-options": "Replace=true,Force=true"},
        {"kustomize.toolkit.fluxcd.io/force": "Enabled"},
    ],
)
def test_the_object_itself_allows_a_replace(annotation: dict[str, str]) -> None:
    there = marked(config_map({"colour": "blue"}, managedFields=[OURS]))
    assert action(config_map({"colour": "red"}, annotations=annotation), there, None, immutable="data").allowed


def test_an_object_that_is_only_to_be_replaced_in_place_is_not_made_anew_without_a_person() -> None:
    there = marked(config_map({"colour": "blue"}, managedFields=[OURS]))
    said = {"argocd.argoproj.io/sync-options": "Replace=true"}
    assert not action(config_map({"colour": "red"}, annotations=said), there, None, immutable="data").allowed


def test_what_is_made_anew_is_told_with_what_it_loses() -> None:
    ours = managed("trueup", {"f:data": {"f:colour": {}, "f:more": {}}}, "Apply")
    there = marked(config_map({"colour": "red", "more": "x", "others": "y"}, managedFields=[ours]))
    planned = action(config_map({"colour": "red"}), there, None, immutable="data")
    assert [(change.path, change.before, change.after) for change in planned.changes] == [("data.more", "x", None)]


def test_a_plan_names_its_actions_in_the_order_in_which_they_are_carried_out() -> None:
    def of_kind(kind: str) -> Body:
        return {**config_map({}, name="x"), "kind": kind}

    made = [Trial(wanted(of_kind(kind)), None) for kind in ("Service", "ConfigMap", "Gadget", "Namespace")]
    gone = [live(marked(of_kind(kind))) for kind in ("ServiceAccount", "Secret", "Pod")]
    planned = [f"{each.verb} {each.key.kind}" for each in actions_of(desired(), made, gone, MARKS)]
    assert planned == [
        *("create Namespace", "create ConfigMap", "create Service", "create Gadget"),
        *("delete Pod", "delete Secret", "delete ServiceAccount"),
    ]


def test_what_could_not_be_tried_out_says_so() -> None:
    planned = action(config_map({"colour": "red"}), None, None, unverified="its namespace shop is made by this very plan")
    assert (planned.verb, planned.verified) == (Verb.CREATE, False)
    assert "its namespace shop is made" in planned.reason


def test_what_a_hand_added_is_shown_and_left_and_taken_away_only_where_that_is_asked_for() -> None:
    hand = managed("kubectl-edit", {"f:data": {"f:more": {}}})
    there = marked(config_map({"colour": "red", "more": "x"}, managedFields=[OURS, hand]))
    shown = action(config_map({"colour": "red"}), there, there)
    assert (shown.verb, [change.path for change in shown.changes]) == (Verb.UNCHANGED, ["data.more"])
    strict = action(config_map({"colour": "red"}), there, there, Policy(self_heal="strict"))
    assert (strict.verb, [(change.path, change.after) for change in strict.changes]) == (Verb.UPDATE, [("data.more", None)])
    assert strict.reason == "takes away what kubectl-edit added"


def test_hooks_run_when_something_moves_and_those_of_a_failure_behind_it() -> None:
    def hook(name: str, phase: str, policy: str = "") -> Trial:
        said = {"argocd.argoproj.io/hook": phase, "argocd.argoproj.io/hook-delete-policy": policy}
        return Trial(wanted(config_map({}, name=name, annotations=said)), None)

    there = marked(config_map({"colour": "red"}, managedFields=[OURS]))
    hooks = [hook("before", "PreSync", "HookFailed"), hook("alarm", "SyncFail"), hook("word", "PostSync,SyncFail")]
    still = Trial(wanted(config_map({"colour": "red"})), live(there), there)
    moves = Trial(wanted(config_map({"colour": "blue"})), None)
    assert [each.key.name for each in actions_of(desired(), [still, *hooks], [], MARKS)] == ["page"]
    planned = sorted(actions_of(desired(), [moves, *hooks], [], MARKS), key=lambda each: each.wave)
    told = [(each.verb, each.key.name, each.when) for each in planned]
    assert told == [
        (Verb.CREATE, "before", When.ALWAYS),
        (Verb.CREATE, "page", When.ALWAYS),
        (Verb.CREATE, "word", When.ALWAYS),
        (Verb.CREATE, "alarm", When.FAILED),
        (Verb.CREATE, "word", When.FAILED),
        (Verb.DELETE, "before", When.FAILED),
    ]


def test_a_new_template_restarts_a_workload() -> None:
    def deployment(image: str) -> Body:
        body = marked(config_map({}, managedFields=[managed("trueup", {"f:spec": {}}, "Apply")]))
        containers = [{"name": "web", "image": image}]
        return {**body, "apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": containers}}}}

    there = deployment("a")
    there["metadata"]["annotations"] = MARKS.annotations(there, "1")
    result = deployment("b")
    result["metadata"]["annotations"] = MARKS.annotations(result, "1")
    planned = action(deployment("b"), there, result)
    assert (planned.verb, planned.effect) == (Verb.UPDATE, Effect.RESTART)


def test_everything_refused_is_told_with_its_file_and_line() -> None:
    trials = [Trial(wanted(config_map({})), None, refusal=f"spec.{name}: is wrong") for name in ("a", "b")]
    with pytest.raises(Refused) as told:
        refuse(trials, "shop")
    assert "2 objects were refused" in told.value.message
    assert told.value.message.count("shop/page.yaml:3") == 2
    assert told.value.hint == "nothing was changed; correct it in Git"
    with pytest.raises(Refused) as told:
        refuse([Trial(wanted(config_map({})), None, refusal='configmaps "page" is forbidden: User "bot" cannot patch it')], "shop")
    assert told.value.hint == "nothing was changed; grant it by a role of the cluster"


@pytest.mark.parametrize(
    ("annotation", "removed", "verb"),
    [
        ({}, False, Verb.DELETE),
        ({"argocd.argoproj.io/sync-options": "Prune=false"}, False, Verb.UPDATE),
        ({"kustomize.toolkit.fluxcd.io/prune": "disabled"}, False, Verb.UPDATE),
        ({"trueup.dev/prune": "disabled"}, True, Verb.UPDATE),
        ({"helm.sh/resource-policy": "keep"}, True, Verb.UPDATE),
        ({"argocd.argoproj.io/sync-options": "Delete=false"}, False, Verb.DELETE),
        ({"argocd.argoproj.io/sync-options": "Delete=false"}, True, Verb.UPDATE),
    ],
)
def test_an_object_stays_where_git_said_so(annotation: dict[str, str], removed: bool, verb: Verb) -> None:
    body = marked(config_map({}))
    fields: Fields = {"f:metadata": {"f:annotations": {f"f:{name}": {} for name in annotation}}}
    body["metadata"]["annotations"] |= annotation
    body["metadata"]["managedFields"] = [managed("trueup", fields, "Apply")]
    assert [each.verb for each in leaving(live(body), removed=removed)] == [verb]


def test_a_mark_that_somebody_put_on_the_live_object_does_not_count() -> None:
    body = marked(config_map({}))
    body["metadata"]["annotations"] |= {"argocd.argoproj.io/sync-options": "Prune=false"}
    assert [each.verb for each in leaving(live(body))] == [Verb.DELETE]
