"""The rules of custom kinds: how they are declared, where scripts come from, and that nothing that an object holds breaks a judgement."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trueup.model.errors import SettingsError
from trueup.model.health import Health, State
from trueup.runtimes.kubernetes.health import HealthRule, Rules, health_of, scripts_in
from trueup.runtimes.kubernetes.health.kinds import KINDS
from trueup.runtimes.kubernetes.health.rules import shipped_rules
from trueup.toolkit.expression import Confined, fault_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WIDGET: dict[str, Any] = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "status": {"phase": "Broken"}}


@pytest.fixture(scope="module")
def confined() -> Iterator[Confined]:
    confined = Confined()
    yield confined
    confined.close()


def script(folder: Path, group: str, kind: str, source: str) -> None:
    (folder / group / kind).mkdir(parents=True)
    (folder / group / kind / "health.lua").write_text(source, encoding="utf-8")


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ({"kind": "Widget.example.com"}, "say `lua`, or at least one of"),
        ({"kind": "Widget.example.com", "lua": "return nil", "healthy": "true"}, "not both"),
        ({"kind": "Widget.example.com", "healthy": "1 +"}, "is no CEL expression: 1:4: Syntax error"),
        ({"kind": "Widget.example.com", "degraded": {"when": "true", "messageExpression": ")"}}, "is no CEL expression"),
        ({"kind": "Widget.example.com", "healthy": "'" + "a" * 5000 + "'"}, "characters, more than 4096"),
        ({"kind": "Widget.example.com", "healthy": {"wen": "true"}}, "Extra inputs are not permitted"),
        ({"kind": "Widget.example.com", "lua": "-" * 70_000}, "at most 65536 characters"),
        ({"kind": "example.com/Widget", "healthy": "true"}, "should match pattern"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(declared: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault.replace(")", r"\)").replace("+", r"\+")):
        HealthRule.model_validate(declared)


def test_every_expression_that_ships_can_be_evaluated() -> None:
    verdicts = [verdict for rule in shipped_rules() for _, verdict in rule.verdicts]
    texts = [text for verdict in verdicts for text in (verdict.when, verdict.message_expression) if text]
    assert len(texts) > 100
    assert [text for text in texts if fault_of(text)] == []


def test_scripts_are_found_where_argo_cd_keeps_them(tmp_path: Path) -> None:
    script(tmp_path, "example.com", "Widget", "return {status = 'Degraded'}")
    script(tmp_path, "_.crossplane.io", "_", "return {status = 'Progressing'}")
    (tmp_path / "example.com" / "Widget" / "testdata").mkdir()
    found = scripts_in(tmp_path)
    assert found == {"Widget.example.com": "return {status = 'Degraded'}", "*.*.crossplane.io": "return {status = 'Progressing'}"}


def test_a_folder_without_scripts_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no health scripts"):
        scripts_in(tmp_path)


def test_a_script_that_is_too_large_is_refused(tmp_path: Path) -> None:
    script(tmp_path, "example.com", "Widget", "-" * 65_536)
    assert len(scripts_in(tmp_path)) == 1
    script(tmp_path, "example.com", "Gadget", "-" * 65_537)
    with pytest.raises(SettingsError, match=r"Gadget\.example\.com is larger"):
        scripts_in(tmp_path)


def test_a_script_that_is_no_text_is_refused(tmp_path: Path) -> None:
    script(tmp_path, "example.com", "Widget", "")
    (tmp_path / "example.com" / "Widget" / "health.lua").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        scripts_in(tmp_path)


def test_a_declared_rule_counts_before_a_script(confined: Confined) -> None:
    declared = HealthRule.model_validate({"kind": "Widget.example.com", "suspended": "true"})
    scripts = {"Widget.example.com": "return {status = 'Degraded', message = 'x'}"}
    assert health_of(WIDGET, Rules([declared], scripts, confined), NOW) == Health(State.SUSPENDED)
    assert health_of(WIDGET, Rules((), scripts, confined), NOW) == Health(State.DEGRADED, "x")


def test_a_rule_that_never_ends_makes_its_objects_unknown_and_harms_no_other(confined: Confined) -> None:
    endless = Rules((), {"Widget.example.com": "while true do end", "Gadget.example.com": "return {status = 'Suspended'}"}, confined)
    health = health_of(WIDGET, endless, NOW)
    assert health.state is State.UNKNOWN
    assert "takes more than" in health.message
    assert health_of({**WIDGET, "kind": "Gadget"}, endless, NOW).state is State.SUSPENDED


def test_a_reason_is_one_line_of_bounded_length() -> None:
    health = health_of({**WIDGET, "status": {"conditions": [{"type": "Stalled", "status": "True", "message": "no\n" * 5000}]}}, now=NOW)
    assert "\n" not in health.message
    assert len(health.message) < 600


TIMES = ["2026-11-28T11:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45", "2026-11-28"]
WORDS = [
    "True",
    "False",
    "Unknown",
    "Ready",
    "Available",
    "Progressing",
    "Failed",
    "Running",
    "Pending",
    "Unschedulable",
    "CrashLoopBackOff",
]
NAMES = [
    *["conditions", "type", "status", "reason", "message", "observedGeneration", "generation", "replicas", "phase", "spec", "metadata"],
    *["containerStatuses", "state", "waiting", "terminated", "exitCode", "loadBalancer", "ingress", "updateStrategy", "rollingUpdate"],
    *["partition", "deletionTimestamp", "finalizers", "creationTimestamp", "annotations", "parents", "listeners", "forProvider", "health"],
    *["autoscaling.alpha.kubernetes.io/conditions", "lastTransitionTime", "lastState", "restartCount", "suspend", "paused", "clusterIP"],
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*WORDS, *TIMES])
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5))
PARTS = ANYTHING | st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6)
TRIED = [*KINDS, *(rule.kind.replace("*", "Any") for rule in shipped_rules()), "Widget.example.com", "Namespace"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TRIED), PARTS, PARTS, PARTS)
def test_nothing_that_an_object_holds_breaks_a_judgement(kind: str, metadata: Any, specification: Any, status: Any) -> None:
    name, _, group = kind.partition(".")
    body = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name, "metadata": metadata, "spec": specification, "status": status}
    health = health_of(body, now=NOW)
    assert isinstance(health, Health)
    assert "\n" not in health.message


@settings(max_examples=20, deadline=None)
@given(ANYTHING, ANYTHING)
def test_what_is_hardly_an_object_breaks_nothing(version: Any, kind: Any) -> None:
    for body in ({"apiVersion": version, "kind": kind}, {}, {"apiVersion": None}):
        assert isinstance(health_of(body, now=NOW), Health)


def test_an_object_that_nests_too_deeply_breaks_nothing() -> None:
    deep: Any = {}
    for _ in range(20_000):
        deep = {"below": deep}
    for kind in ("Deployment", "Pod", "Widget"):
        assert isinstance(health_of({"apiVersion": "apps/v1", "kind": kind, "metadata": {}, "status": deep}, now=NOW), Health)
    certificate = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {}, "status": deep}
    assert health_of(certificate, now=NOW).state is State.UNKNOWN
