"""What differs is told by field, and a field's path leads back to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.model.errors import UsageError
from trueup.model.secret import Secret
from trueup.toolkit.difference import Change, Named, changes, parse_path, resolve, steps

KEY = st.text('ab.[]="/~ \\1é', max_size=3)
VALUE = st.recursive(
    st.integers(0, 2) | st.booleans() | st.text("ab", max_size=1),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEY, inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"name": KEY, "x": inner}), max_size=3)
    ),
    max_leaves=10,
)
POD = {
    "metadata": {"annotations": {"a.b/c": "1"}},
    "spec": {"containers": [{"name": "web", "image": "x:1"}, {"name": "db", "args": ["-a", "-b"]}]},
}


def test_fields_are_told_by_key_name_and_index() -> None:
    after = {
        "metadata": {"annotations": {"a.b/c": "2", "plain": "3"}},
        "spec": {"containers": [{"name": "web", "image": "x:2"}, {"name": "db", "args": ["-a", "-c", "-d"]}], "replicas": 2},
    }
    assert changes(POD, after) == [
        Change('metadata.annotations["a.b/c"]', "1", "2"),
        Change("metadata.annotations.plain", None, "3"),
        Change("spec.containers[name=web].image", "x:1", "x:2"),
        Change("spec.containers[name=db].args[1]", "-b", "-c"),
        Change("spec.containers[name=db].args[2]", None, "-d"),
        Change("spec.replicas", None, 2),
    ]


def test_a_named_item_that_comes_or_goes_leaves_the_others_alone() -> None:
    old, new, same = {"name": "old"}, {"name": "new", "x": 1}, {"name": "same"}
    assert changes({"a": [old, same]}, {"a": [same, new]}) == [Change("a[name=old]", old, None), Change("a[name=new]", None, new)]


def test_a_change_of_order_alone_shows() -> None:
    a, b = {"name": "a"}, {"name": "b"}
    assert changes({"env": [a, b]}, {"env": [b, a]}) == [Change("env", ["a", "b"], ["b", "a"])]
    assert changes(["a", "b"], ["b", "a"]) == [Change("[0]", "a", "b"), Change("[1]", "b", "a")]


def test_items_that_share_a_name_are_compared_by_index() -> None:
    twice = [{"name": "a", "x": 1}, {"name": "a", "x": 2}]
    assert changes(twice, [{"name": "a", "x": 1}, {"name": "a", "x": 3}]) == [Change("[1].x", 2, 3)]


def test_a_value_that_changes_its_kind_is_one_change() -> None:
    assert changes({"a": {"b": 1}}, {"a": [1]}) == [Change("a", {"b": 1}, [1])]
    assert changes({"a": 1}, {"a": True}) == [Change("a", 1, True)]
    assert changes(1, "1") == [Change("", 1, "1")]


def test_what_is_null_is_the_same_as_what_is_not_there() -> None:
    assert changes({"a": None, "b": 1}, {"b": 1.0}) == []


def test_secrets_are_told_apart_by_their_identity() -> None:
    assert changes({"a": Secret("x", "1")}, {"a": Secret("y", "1")}) == []
    [change] = changes({"a": Secret("x", "1")}, {"a": Secret("x", "2")})
    assert repr(change) == "Change(path='a', before=(secret), after=(secret))"


@pytest.mark.parametrize(
    ("path", "value", "places"),
    [
        ("spec.containers[name=web].image", "x:1", ("spec", "containers", 0, "image")),
        ('metadata.annotations["a.b/c"]', "1", ("metadata", "annotations", "a.b/c")),
        (".spec.containers[1].args[0]", "-a", ("spec", "containers", 1, "args", 0)),
        ("/spec/containers/0/image", "x:1", ("spec", "containers", 0, "image")),
        ("/metadata/annotations/a.b~1c", "1", ("metadata", "annotations", "a.b/c")),
        ("", POD, ()),
    ],
)
def test_a_path_leads_to_its_field(path: str, value: object, places: tuple[str | int, ...]) -> None:
    assert resolve(POD, path) == (True, value)
    assert steps(POD, path) == places


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("spec.replicas", ("spec",)),
        ("spec.containers[name=api].image", ("spec", "containers")),
        ("spec.containers[2]", ("spec", "containers")),
        ("spec.containers[name=web].image.tag", ("spec", "containers", 0, "image")),
        ("spec[0]", ("spec",)),
        ("/spec/containers/-", ("spec", "containers")),
    ],
)
def test_of_a_path_that_is_not_there_the_part_that_is_there_is_known(path: str, places: tuple[str | int, ...]) -> None:
    assert resolve(POD, path) == (False, None)
    assert steps(POD, path) == places


def test_a_field_that_is_null_is_there() -> None:
    assert resolve({"a": None}, "a") == (True, None)


def test_names_in_a_path_may_be_quoted() -> None:
    assert parse_path('a[name="b]c"]["d\\"e"]') == ("a", Named("name", "b]c"), 'd"e')
    assert parse_path("ports[containerPort=80].name") == ("ports", Named("containerPort", "80"), "name")


@pytest.mark.parametrize("path", ["spec..x", "spec.", "[", "a[b", "a]", "a[]", 'a["b]', "a b", "[0]x", '["\\q"]'])
def test_a_path_that_is_not_understood_is_refused_with_a_hint(path: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_path(path)
    assert caught.value.hint


@given(VALUE, VALUE)
def test_every_path_of_a_change_leads_to_what_it_tells(before: object, after: object) -> None:
    found = changes(before, after)
    for change in found:
        for value, told in ((before, change.before), (after, change.after)):
            _, there = resolve(value, change.path)
            assert there == told or _names(there) == told
    assert changes(before, before) == []
    assert found or before == after


def _names(value: object) -> object:
    return [item["name"] for item in value if isinstance(item, dict)] if isinstance(value, list) else value
