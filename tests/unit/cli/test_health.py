"""``trueup health``: a file in, the health of its objects out."""

import io
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from trueup.cli.program import main

Captured = pytest.CaptureFixture[str]

OBJECTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, namespace: shop, generation: 2}
  status: {observedGeneration: 1}
- apiVersion: v1
  kind: PodList
  items:
  - metadata: {name: web-1, namespace: shop}
    status: {phase: Failed, reason: Evicted}
"""

WIDGET = '{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "status": {"phase": "Broken"}}'


def given(folder: Path, text: str, name: str = "objects.yaml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_each_object_of_a_file_and_of_the_lists_in_it_is_told(tmp_path: Path, capsys: Captured) -> None:
    assert main(["health", given(tmp_path, OBJECTS), "-o", "json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "kind": "HealthList",
        "state": "degraded",
        "objects": [
            {"key": "Service/shop/web", "state": "healthy", "message": ""},
            {"key": "Deployment.apps/shop/web", "state": "progressing", "message": "generation 2 is not observed yet, the last one was 1"},
            {"key": "Pod/shop/web-1", "state": "degraded", "message": "it failed: Evicted"},
        ],
    }
    assert said.err == "error: Pod/shop/web-1 is degraded: it failed: Evicted\n"


def test_people_get_a_table(tmp_path: Path, capsys: Captured) -> None:
    assert main(["health", given(tmp_path, OBJECTS)]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        "OBJECT                    HEALTH       MESSAGE",
        "Service/shop/web          healthy",
    ]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(WIDGET.encode())))
    assert main(["health", "-", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"] == [{"key": "Widget.example.com/one", "state": "healthy", "message": ""}]


def test_a_file_without_objects_is_healthy(tmp_path: Path, capsys: Captured) -> None:
    assert main(["health", given(tmp_path, "---\n"), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"kind": "HealthList", "state": "healthy", "objects": []}


def test_what_is_no_object_is_told_with_its_line(tmp_path: Path, capsys: Captured) -> None:
    file = given(tmp_path, "kind: Service\nmetadata: {name: web}\n---\napiVersion: v1\nkind: List\nitems:\n- 3\n")
    assert main(["health", file]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{file}:1" in said.err
    assert f"{file}:7" in said.err


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: Captured) -> None:
    assert main(["health", str(tmp_path / "nowhere.yaml")]) == 64
    assert "nowhere.yaml cannot be read" in capsys.readouterr().err


def test_the_rules_of_a_target_can_be_tried(tmp_path: Path, capsys: Captured) -> None:
    rules = given(
        tmp_path,
        "apiVersion: trueup.dev/v1\nkind: Target\nmetadata: {name: prod}\nspec:\n  runtime: kubernetes\n"
        "  health: [{kind: Widget.example.com, degraded: status.phase == 'Broken'}]\n",
        "trueup.yaml",
    )
    assert main(["health", given(tmp_path, WIDGET), "--rules", rules]) == 1
    assert "degraded" in capsys.readouterr().out


def test_a_rule_that_is_wrong_is_told_with_its_line(tmp_path: Path, capsys: Captured) -> None:
    rules = given(
        tmp_path,
        "kind: Target\nspec:\n  runtime: kubernetes\n  health:\n  - kind: Widget.example.com\n    healthy: 1 +\n  - kind: Widget\n",
        "trueup.yaml",
    )
    assert main(["health", given(tmp_path, WIDGET), "--rules", rules]) == 1
    said = capsys.readouterr().err
    first, second = said.removeprefix("error: ").split("\nerror: ")
    assert first.startswith("`spec.health.0.healthy.when` is no CEL expression: 1:4: Syntax error: mismatched input '<EOF>'\n")
    assert f"--> {rules}:6\n" in first
    assert second.startswith("`spec.health.1`: say `lua`, or at least one of")
    assert f"--> {rules}:7\n" in second


def test_argo_cds_scripts_can_be_tried(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "rules" / "_.com" / "_").mkdir(parents=True)
    given(tmp_path / "rules" / "_.com" / "_", "return {status = 'Suspended', message = obj.status.phase}", "health.lua")
    assert main(["health", given(tmp_path, WIDGET), "--rules", str(tmp_path / "rules"), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"][0]["message"] == "Broken"


def test_thousands_of_objects_take_seconds(tmp_path: Path, capsys: Captured) -> None:
    item = WIDGET.replace("example.com/v1", "cert-manager.io/v1").replace("Widget", "Certificate")
    file = given(tmp_path, '{"kind": "List", "apiVersion": "v1", "items": [' + ", ".join([item] * 5000) + "]}")
    start = time.process_time()
    assert main(["health", file, "-o", "json"]) == 0
    assert time.process_time() - start < 5
    assert len(json.loads(capsys.readouterr().out)["objects"]) == 5000
