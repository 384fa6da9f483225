"""Every figure, every fact of a log line and every span is in the reference."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from trueup.toolkit.metrics import COUNTERS, Metrics

TELLING = {"info", "warn", "log"}


def page(root: Path) -> str:
    return (root / "docs" / "reference" / "telemetry.md").read_text(encoding="utf-8")


def calls(root: Path) -> Iterator[ast.Call]:
    for file in sorted((root / "src" / "trueup").rglob("*.py")):
        yield from (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def test_every_metric_is_named_with_its_labels(root: Path) -> None:
    text = page(root)
    metrics = Metrics()
    metrics.applications(lambda: [("synced", "healthy", 1)])
    names = {family.name + ("_total" if family.type == "counter" else "") for family in metrics.registry.collect()}
    assert len(names) > len(COUNTERS)
    assert not {name for name in names if f"| `{name}` |" not in text}
    for name, (_, labels) in COUNTERS.items():
        [row] = [line for line in text.splitlines() if line.startswith(f"| `trueup_{name}_total` |")]
        assert f"| {', '.join(f'`{label}`' for label in labels)} |".replace("|  |", "| |") in row


def test_every_fact_of_a_log_line_is_named(root: Path) -> None:
    section = page(root).split("\n## Logs\n")[1].split("\n## ")[0]
    told = [call for call in calls(root) if name_of(call) in TELLING and "telemetry" in ast.unparse(call.func)]
    facts = {keyword.arg for call in told for keyword in call.keywords if keyword.arg}
    assert {"trigger", "touched", "hint"} <= facts
    facts |= {"application", "target", "revision", "run", "repository", "time", "level", "message", "error", "place"}
    assert not {fact for fact in facts if f"`{fact}`" not in section}


def test_every_stage_is_a_span_that_is_named(root: Path) -> None:
    section = page(root).split("\n## Traces\n")[1]
    stages = {
        call.args[0].value for call in calls(root) if name_of(call) == "stage" and call.args and isinstance(call.args[0], ast.Constant)
    }
    assert {"fetch", "plan", "apply"} <= stages
    named = set(re.findall(r"`([a-z]+)`", section))
    assert stages | {"walk", "follow"} <= named
