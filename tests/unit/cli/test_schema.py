"""The JSON Schema says what may be declared, with what the installed runtimes and renderers add."""

import json
import re
from typing import Any

import pytest
from pydantic import Field

from trueup.cli.program import main
from trueup.cli.schema import declarations_schema
from trueup.model.application import Declared

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
