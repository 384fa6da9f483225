"""Who goes first where ports of the host change hands."""

from trueup.model.manifest import Key
from trueup.runtimes.compose.heirs import at_once, in_order, in_time, rings

A, B, C, D = (Key("Service", name, "", "shop") for name in "abcd")


def test_those_that_give_to_each_other_are_a_ring() -> None:
    giving = {A: (B,), B: (C,), C: (A,), D: (A,)}
    assert rings(giving, [A, B, C, D]) == [frozenset([A, B, C])]
    assert rings(giving, [A, B, D]) == []


def test_who_gives_a_port_away_goes_no_later_than_who_gets_it() -> None:
    assert in_time({A: 0, B: 1, C: 2, D: 3}, {A: (B,), B: (C,)}) == {A: 0, B: 0, C: 0, D: 3}
    assert in_time({A: 2, B: 1}, {A: (B,)}) == {A: 2, B: 1}


def test_nobody_waits_for_himself() -> None:
    assert in_order({A: (B,), B: ()}, A, [C]) == {A: (B, C), B: ()}
    assert in_order({A: (B,), B: ()}, B, [A]) == {A: (B,), B: ()}


def test_nobody_of_a_ring_waits_for_another_one_of_it() -> None:
    after = {A: (B, D), B: (), C: (B,), D: (B,)}
    assert at_once(after, frozenset([A, B])) == {A: (), B: (), C: (B,), D: (B,)}
