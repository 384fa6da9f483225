"""The clock that nobody sets."""

import time

import pytest

from trueup.toolkit.clock import SteadyClock


def test_it_tells_the_time_of_day_and_does_not_jump_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = SteadyClock(), time.time
    assert abs(clock() - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + 7200)
    before = clock()
    assert abs(before - real()) < 60
    assert clock() >= before
