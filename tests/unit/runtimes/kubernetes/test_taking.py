"""Which fields of others become ours, and what goes with them."""

import json

from tests.unit.runtimes.kubernetes.objects import config_map, live, managed
from trueup.runtimes.kubernetes.concealing import LAST_APPLIED
from trueup.runtimes.kubernetes.fields import Fields, paths
from trueup.runtimes.kubernetes.taking import added_by_hand, applied_by_kubectl, going, transfer

NOTE = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"colour": "red", "old": "x"}})
NOTED = {LAST_APPLIED: NOTE}
KUBECTL = managed(
    "kubectl-client-side-apply",
    {"f:data": {".": {}, "f:colour": {}, "f:old": {}, "f:later": {}}, "f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}},
)
DECLARED: Fields = {"f:data": {"f:colour": {}}}


def applied_with_kubectl() -> dict[str, object]:
    data = {"colour": "red", "old": "x", "later": "y"}
    return config_map(data, annotations=NOTED, managedFields=[KUBECTL])


def test_what_kubectl_applied_becomes_ours_and_what_git_does_not_say_goes() -> None:
    body = live(applied_with_kubectl())
    taken = applied_by_kubectl(body)
    note = f'metadata.annotations["{LAST_APPLIED}"]'
    assert paths(taken, body.body) == {"data.colour", "data.old", note}
    assert paths(going(taken, body, DECLARED), body.body) == {"data.old", note}


def test_without_a_note_nothing_was_applied_by_kubectl() -> None:
    assert applied_by_kubectl(live(config_map({"colour": "red"}, managedFields=[KUBECTL]))) == {}


def test_what_another_owns_too_does_not_go() -> None:
    operator = managed("operator", {"f:data": {"f:old": {}}})
    body = live(config_map({"colour": "red", "old": "x"}, annotations=NOTED, managedFields=[KUBECTL, operator]))
    assert "data.old" not in paths(going(applied_by_kubectl(body), body, DECLARED), body.body)


def test_the_records_name_us_for_what_was_taken_and_keep_the_rest() -> None:
    body = live(applied_with_kubectl())
    [edit] = transfer(body, applied_by_kubectl(body))
    by_manager = {each["manager"]: each for each in edit["value"]}
    assert by_manager["kubectl-client-side-apply"]["fieldsV1"] == {"f:data": {".": {}, "f:later": {}}}
    assert by_manager["trueup"]["operation"] == "Apply"
    assert paths(by_manager["trueup"]["fieldsV1"], body.body) >= {"data.colour", "data.old"}


def test_what_a_hand_added_is_found_and_a_restart_is_no_such_thing() -> None:
    restart: Fields = {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}}
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    managers = [
        managed("kubectl-edit", {"f:data": {"f:colour": {}, "f:more": {}}}),
        managed("kubectl-rollout", restart),
        managed("kubectl-create", {"f:data": {"f:early": {}}}),
        managed("kubectl", {"f:data": {"f:size": {}}}, subresource="scale"),
        managed("operator", {"f:data": {"f:own": {}}}),
    ]
    data = {"colour": "red", "more": "x", "early": "y", "size": "3", "own": "z"}
    body = live({**config_map(data, managedFields=managers), "spec": {"template": template}})
    assert paths(added_by_hand(body, DECLARED), body.body) == {"data.more"}
