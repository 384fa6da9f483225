"""What is left alone, and what that makes of what is applied."""

from tests.unit.runtimes.kubernetes.objects import config_map, live, managed, wanted
from trueup.model.application import Ignore
from trueup.runtimes.kubernetes.ignoring import scaled_fields

REVISION = "1" * 40
OURS = managed("trueup", {"f:data": {"f:colour": {}}}, "Apply")


def said(rule: Ignore, body: dict[str, object], *managers: dict[str, object], settled: bool = False) -> object:
    """The data that is applied where Git says red and large."""
    want = wanted(config_map({"colour": "red", "size": "large"}), rules=(rule,), settled=settled)
    return want.configuration(REVISION, live(config_map(body, managedFields=list(managers))))["data"]


def test_what_was_changed_by_another_is_no_longer_said() -> None:
    assert said(Ignore(field="data.colour"), {"colour": "blue"}, managed("kubectl-edit", {"f:data": {"f:colour": {}}})) == {"size": "large"}


def test_what_is_still_ours_is_said_as_it_is_so_that_it_stays() -> None:
    assert said(Ignore(field="/data/colour"), {"colour": "old"}, OURS) == {"colour": "old", "size": "large"}


def test_a_manager_is_left_alone_in_what_it_owns() -> None:
    other = managed("painter", {"f:data": {"f:colour": {}}})
    assert said(Ignore(manager="paint*"), {"colour": "blue"}, other) == {"size": "large"}
    assert said(Ignore(manager="plumber"), {"colour": "blue"}, other) == {"colour": "red", "size": "large"}


def test_a_rule_is_about_the_objects_that_it_names() -> None:
    assert said(Ignore(key="Secret/*", field="data.colour"), {"colour": "blue"}) == {"colour": "red", "size": "large"}


def test_an_object_that_is_new_is_applied_whole() -> None:
    want = wanted(config_map({"colour": "red"}), rules=(Ignore(field="data.colour"),))
    assert want.configuration(REVISION, None)["data"] == {"colour": "red"}


def test_what_came_through_the_scale_subresource_is_left_unless_git_says_something_new() -> None:
    scaled = managed("kubectl", {"f:data": {"f:size": {}}}, subresource="scale")
    assert scaled_fields(live(config_map({"size": "small"}, managedFields=[scaled]))) == {"data.size"}
    assert said(Ignore(key="x"), {"colour": "red", "size": "small"}, scaled, settled=True) == {"colour": "red"}
    assert said(Ignore(key="x"), {"colour": "red", "size": "small"}, scaled) == {"colour": "red", "size": "large"}
