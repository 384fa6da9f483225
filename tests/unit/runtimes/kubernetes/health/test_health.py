"""Objects and the health that they are given: each case is data in ``tests/cases/health``."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trueup.runtimes.kubernetes.health import BUILT_IN, HealthRule, Rules, health_of
from trueup.toolkit.documents import read
from trueup.toolkit.expression import Confined

CASES = Path(__file__).parents[4] / "cases" / "health"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def cases() -> Iterator[Any]:
    for file in sorted(CASES.glob("*.yaml")):
        [document] = read(file.read_bytes(), file.name)
        assert isinstance(document.body, list)
        yield from (pytest.param(case, id=f"{file.stem}: {case['about']}") for case in document.body)


@pytest.fixture(scope="module")
def confined() -> Iterator[Confined]:
    confined = Confined()
    yield confined
    confined.close()


@pytest.mark.parametrize("case", list(cases()))
def test_an_object_is_given_its_health_and_the_reason(case: dict[str, Any], confined: Confined) -> None:
    rules = Rules(map(HealthRule.model_validate, case["rules"]), confined=confined) if "rules" in case else BUILT_IN
    health = health_of(case["object"], rules, datetime.fromisoformat(case["now"]) if "now" in case else NOW)
    expected = case.get("message", "")
    assert health.state == case["state"], health.message
    if expected.startswith("/"):
        assert re.match(expected[1:], health.message), health.message
    else:
        assert health.message == expected
