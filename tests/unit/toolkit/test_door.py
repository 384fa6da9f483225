"""Calls side by side, from one thread to a few others."""

import threading
import time
from collections.abc import Iterator

import pytest

from trueup.toolkit.door import Door


@pytest.fixture
def door() -> Iterator[Door]:
    """Two threads."""
    made = Door("test", 2)
    yield made
    made.close()


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first(door: Door) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item * 10

    assert list(door.each(slow_at_first, range(7))) == [0, 10, 20, 30, 40, 50, 60]


def test_as_many_calls_as_there_are_threads_are_under_way_and_no_more_wait(door: Door) -> None:
    meeting = threading.Barrier(2)
    begun: list[int] = []

    def meet(item: int) -> int:
        begun.append(item)
        meeting.wait(60)
        return item

    results = door.each(meet, range(100))
    assert [next(results), next(results)] == [0, 1]
    assert len(begun) <= 4
    results.close()  # type: ignore[attr-defined]


def test_what_one_call_raises_is_raised_in_its_turn_and_ends_the_others(door: Door) -> None:
    done: list[int] = []

    def breaks(item: int) -> int:
        if item == 2:
            raise ValueError(item)
        done.append(item)
        return item

    results = door.each(breaks, range(1000))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(results)
    assert len(done) < 6


def test_closing_the_door_ends_who_goes_through_it_again_and_again() -> None:
    door = Door("test", 1)
    results = door.each(lambda item: item, range(1000))
    assert next(results) == 0
    door.close()
    with pytest.raises(RuntimeError):
        list(results)
