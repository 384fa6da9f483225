"""CEL over plain data: values, absence, faults."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trueup.toolkit.expression import Finding, fault_of, findings
from trueup.toolkit.expression.cel import DEEPEST, LONGEST

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
STATUS: dict[str, Any] = {"phase": "Ready", "conditions": [{"type": "Ready", "status": "True"}], "since": "2026-11-28T11:50:00Z"}


def value(text: str, **given: Any) -> Finding:
    return findings([text], given or {"status": STATUS}, NOW)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status.phase == 'Ready'", True),
        ("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", True),
        ("has(status.nothing)", False),
        ("now - timestamp(status.since) > duration('5m')", True),
        ("'at ' + status.phase", "at Ready"),
    ],
)
def test_an_expression_has_a_value(text: str, expected: object) -> None:
    assert value(text) == Finding(expected)


@pytest.mark.parametrize("text", ["status.nothing == 1", "status.nothing.below", "status.conditions[3].type", "status['x']"])
def test_a_field_that_is_not_there_is_no_fault(text: str) -> None:
    assert value(text) == Finding(absent=True)


@pytest.mark.parametrize("text", ["1 +", "status.phase + 1", "unheard_of(1)", "nobody == 1", "1 / 0"])
def test_what_cannot_be_evaluated_says_why_in_one_line(text: str) -> None:
    found = value(text)
    assert found.fault
    assert "\n" not in found.fault


def test_a_long_expression_is_refused() -> None:
    assert "4097 characters" in fault_of("'" + "a" * (LONGEST - 1) + "'")
    assert fault_of("'" + "a" * (LONGEST - 2) + "'") == ""


@pytest.mark.parametrize("deep", ["(" * 2000 + ")" * 2000, "a ? a : " * 500 + "a", "[" * 2000])
def test_an_expression_that_nests_too_deeply_is_refused_and_breaks_nothing(deep: str) -> None:
    assert fault_of(deep)


def test_data_that_nests_too_deeply_is_refused_and_breaks_nothing() -> None:
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    assert f"{DEEPEST} levels" in value("true", status=deep).fault
