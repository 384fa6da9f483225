"""The rules that ship, kind by kind: ``tests/cases/health/shipped``."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trueup.runtimes.kubernetes.health import health_of
from trueup.runtimes.kubernetes.health.rules import shipped_rules
from trueup.toolkit.documents import read

CASES = Path(__file__).parents[4] / "cases" / "health" / "shipped" / "kinds.yaml"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def kinds() -> list[dict[str, Any]]:
    [document] = read(CASES.read_bytes(), CASES.name)
    assert isinstance(document.body, list)
    return document.body


def cases() -> Iterator[Any]:
    for entry in kinds():
        version, kind = entry["kind"].split()
        for number, case in enumerate(entry["cases"]):
            yield pytest.param(version, kind, case, id=f"{kind}.{version} {number} {case['state']}")


def condition(text: str) -> dict[str, str]:
    kind, _, rest = text.partition("=")
    head, _, message = rest.partition(": ")
    status, _, reason = head.partition(" ")
    return {"type": kind, "status": status, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}


def beside_others(value: Any) -> Any:
    """The same object with conditions among its own that mean nothing to anybody."""
    if isinstance(value, list):
        return [beside_others(each) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {name: beside_others(each) for name, each in value.items()}
    if "conditions" in value:
        noise = [condition(f"Noise{status}={status} Noise: noise") for status in ("True", "False", "Unknown")]
        changed["conditions"] = [*noise, *value["conditions"], *noise]
    return changed


@pytest.mark.parametrize(("version", "kind", "case"), list(cases()))
def test_a_custom_kind_is_given_its_health(version: str, kind: str, case: dict[str, Any]) -> None:
    body: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": "x", **case.get("metadata", {})}}
    body |= {part: dict(case[part]) for part in ("spec", "status") if part in case}
    if "conditions" in case:
        body["status"] = {**body.get("status", {}), "conditions": [condition(text) for text in case["conditions"]]}
    with_conditions = {**body, "status": {"conditions": [], **body.get("status", {})}}
    for seen in (body, beside_others(with_conditions)):
        health = health_of(seen, now=NOW)
        assert health.state == case["state"], health.message
        if "message" in case:
            assert health.message == case["message"]


def test_every_rule_that_ships_has_its_cases() -> None:
    book = shipped_rules()
    tried = {id(book.of(f"{kind}.{version.partition('/')[0]}")) for version, kind in (entry["kind"].split() for entry in kinds())}
    assert [rule.kind for rule in book if id(rule) not in tried] == []
