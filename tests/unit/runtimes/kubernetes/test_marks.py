"""Whose an object is."""

from tests.unit.runtimes.kubernetes.objects import MARKS, OWNER, config_map, marked
from trueup.model.contracts import Owner
from trueup.runtimes.kubernetes.marks import Marks, owner_in


def test_the_id_of_a_set_comes_from_its_parent() -> None:
    """That kubectl computes the same is tried where there is a cluster."""
    assert MARKS.parent == "trueup-shop-4e05fdc672"
    assert MARKS.id == "applyset-hmHYky6qwgcfb-f8lBUMsHLZb0iIWw7alENQzRpaQY0-v1"


def test_an_object_names_its_owner_and_itself() -> None:
    body = marked(config_map({}))
    assert owner_in(body) == OWNER
    assert MARKS.holds(body)


def test_a_name_with_colons_and_a_repository_with_a_path_are_read_back() -> None:
    owner = Owner("ssh://git@example.org:22/a/b#release/1:shop", "till.v2")
    body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:shop:x"}}
    body["metadata"]["annotations"] = Marks(owner, "trueup").annotations(body, "1")  # type: ignore[index]
    assert owner_in(body) == owner


def test_what_a_controller_copied_labels_and_annotations_to_is_not_ours() -> None:
    copy = marked(config_map({}))
    copy["metadata"] = {**copy["metadata"], "name": "copy"}
    assert owner_in(copy) is None
    assert not MARKS.holds(copy)


def test_what_has_a_controller_is_not_held() -> None:
    owned = marked(config_map({}, ownerReferences=[{"controller": True, "uid": "x"}]))
    assert not MARKS.holds(owned)


def test_a_mark_that_a_hand_took_off_does_not_end_ownership() -> None:
    body = marked(config_map({}))
    without_labels = {**body, "metadata": {**body["metadata"], "labels": {}}}
    without_annotations = {**body, "metadata": {**body["metadata"], "annotations": {}}}
    assert MARKS.claims(without_labels)
    assert MARKS.claims(without_annotations)
    assert not MARKS.holds(without_labels)
    assert not MARKS.holds(without_annotations)
    assert not MARKS.claims(config_map({}))
