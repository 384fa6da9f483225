"""The JSON Schema says what may be declared, with what the installed runtimes and renderers add."""

import json
import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import Field

from trueup.assembly import renderer_kinds, runtime_kinds
from trueup.cli.program import main
from trueup.cli.schema import declarations_schema
from trueup.model.application import Declared, duration_of, seconds_of

Captured = pytest.CaptureFixture[str]


class Inner(Declared):
    """A thing in it."""

    depth: int = 0


class Specification(Declared):
    """What a hut needs."""

    door_color: str = Field("red", description="What people see first.")
    inner: Inner = Inner()


def references(schema: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)))


def test_it_is_one_document_whose_references_are_all_there(capsys: Captured) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert references(schema) <= set(schema["$defs"])
    assert {"Application", "Target", "runtime.host", "runtime.memory", "with.plain"} <= set(schema["$defs"])
    assert schema["$defs"]["Policy"]["properties"]["deleteLimit"]
    assert schema["$defs"]["Application"]["description"]


def test_what_a_runtime_adds_counts_where_it_is_named() -> None:
    schema = declarations_schema({"hut": Specification}, {"plain": Specification})
    [condition] = schema["$defs"]["TargetSpec"]["allOf"]
    assert condition["if"] == {"properties": {"runtime": {"const": "hut"}}, "required": ["runtime"]}
    assert condition["then"] == {"$ref": "#/$defs/runtime.hut"}
    hut = schema["$defs"]["runtime.hut"]
    assert list(hut["properties"]) == ["runtime", "doorColor", "inner"]
    assert hut["properties"]["doorColor"]["description"] == "What people see first."
    assert hut["additionalProperties"] is False
    assert schema["$defs"]["runtime.hut.Inner"]["properties"]["depth"]
    assert references(schema) <= set(schema["$defs"])


@pytest.fixture(scope="module")
def installed() -> dict[str, Any]:
    """The schema of what is installed here."""
    runtimes = {name: kind.Specification for name, kind in runtime_kinds().items()}
    return declarations_schema(runtimes, {name: kind.Options for name, kind in renderer_kinds().items()})


def test_an_editor_can_say_of_every_key_what_it_means(installed: dict[str, Any]) -> None:
    definitions = installed["$defs"]
    for name, definition in definitions.items():
        assert definition["description"], name
        for key, each in definition.get("properties", {}).items():
            referred = definitions[each["$ref"].removeprefix("#/$defs/")] if "$ref" in each else {}
            told = each.get("description") or referred.get("description") or each.get("const")
            assert told, f"{name}: {key}"
            assert "``" not in told, f"{name}: {key}"


def test_what_an_editor_fills_in_may_stand_there(installed: dict[str, Any]) -> None:
    for definition in installed["$defs"].values():
        for key, each in definition.get("properties", {}).items():
            if "default" in each:
                assert Draft202012Validator({**each, "$defs": installed["$defs"]}).is_valid(each["default"]), key
    assert installed["$defs"]["Policy"]["properties"]["timeout"]["default"] == "5m"
    assert {"compose", "host", "kubernetes", "memory"} <= set(installed["$defs"]["TargetSpec"]["properties"]["runtime"]["enum"])
    assert [duration_of(seconds_of(each)) for each in ("500ms", "90s", "1h30m", "2d", "0s")] == ["500ms", "90s", "90m", "2d", "0s"]


@pytest.mark.parametrize(
    ("kind", "spec", "right"),
    [
        ("Target", {"runtime": "memory", "delay": "5ms"}, True),
        ("Target", {"runtime": "memory", "dealy": "5ms"}, False),
        ("Target", {"runtime": "kubernets"}, False),
        ("Target", {}, False),
        ("Application", {"target": "a", "render": {"with": "plain", "recurse": True}, "policy": {"timeout": "1h30m"}}, True),
        ("Application", {"target": "a", "render": {"with": "plain", "recurs": True}}, False),
        ("Application", {"target": "a", "policy": {"timeout": 5}}, False),
        ("Application", {"path": "a"}, False),
        ("Aplication", {"target": "a"}, False),
    ],
)
def test_an_editor_sees_what_check_sees(installed: dict[str, Any], kind: str, spec: dict[str, Any], right: bool) -> None:
    document = {"apiVersion": "trueup.dev/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    assert Draft202012Validator(installed).is_valid(document) is right
