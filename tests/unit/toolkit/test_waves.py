import pytest

from trueup.toolkit.waves import batches, removal_waves


def test_what_is_removed_goes_after_all_that_is_made_and_in_the_reverse_order() -> None:
    assert removal_waves([0, 5], [0, 1, -3, 1]) == {1: 6, 0: 7, -3: 8}


def test_where_nothing_is_made_removal_begins_at_once() -> None:
    assert removal_waves([], [2]) == {2: 0}


def test_things_come_after_what_they_depend_on() -> None:
    assert batches({"web": ["store", "settings"], "store": ["settings"], "settings": [], "site": []}) == [
        ["settings", "site"],
        ["store"],
        ["web"],
    ]


def test_what_is_not_among_the_things_is_not_waited_for() -> None:
    assert batches({"web": ["elsewhere"]}) == [["web"]]


@pytest.mark.parametrize("ring", [{"a": ["a"]}, {"z": ["a"], "a": ["b"], "b": ["a"]}])
def test_a_ring_is_named(ring: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match=r"^(a -> a|a -> b -> a)$"):
        batches(ring)
