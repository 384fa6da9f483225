"""``trueup schema``: what a ``trueup.yaml`` may hold, as a JSON Schema for editors and linters."""

from collections.abc import Mapping
from typing import Any, Final

import click
from pydantic import BaseModel

from trueup.assembly import renderer_kinds, runtime_kinds
from trueup.cli.program import VERBS
from trueup.cli.verb import Verb
from trueup.cli.views import Views
from trueup.model.application import ApplicationDocument, TargetDocument, duration_of

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
IDENTITY: Final = "https://trueup.dev/schema/v1/trueup.json"


@click.command("schema", cls=Verb, short_help=VERBS["schema"])
@click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
def command() -> int:
    """Print the JSON Schema of the declarations, with the options of every runtime and renderer that is installed."""
    runtimes = {name: kind.Specification for name, kind in runtime_kinds().items()}
    renderers = {name: kind.Options for name, kind in renderer_kinds().items()}
    Views().show_document(declarations_schema(runtimes, renderers))
    return 0


def declarations_schema(runtimes: Mapping[str, type[BaseModel]], renderers: Mapping[str, type[BaseModel]]) -> Schema:
    """The schema of one document. What a runtime or renderer adds counts where the document names it."""
    definitions: Schema = {}
    for model in (ApplicationDocument, TargetDocument):
        definitions |= _definitions(model, model.__name__.removesuffix("Document"), "")
    definitions["TargetSpec"] |= _variants("runtime", runtimes, definitions)
    definitions["Render"] |= _variants("with", renderers, definitions)
    definitions["TargetSpec"]["properties"]["runtime"]["enum"] = sorted(runtimes)
    definitions["Render"]["properties"]["with"]["enum"] = sorted(renderers)
    return {
        "$schema": DIALECT,
        "$id": IDENTITY,
        "title": "Declarations of Trueup",
        "description": "One document of a trueup.yaml: a target, or an application.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"kind": {"enum": ["Application", "Target"]}},
        "allOf": [_when("kind", kind, {"$ref": f"#/$defs/{kind}"}) for kind in ("Application", "Target")],
        "$defs": definitions,
    }


def _definitions(model: type[BaseModel], name: str, prefix: str) -> Schema:
    """The schema of a model and of those in it, each under its name."""
    schema = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{prefix}{{model}}")
    inner = schema.pop("$defs", {})
    found = {**{f"{prefix}{each}": definition for each, definition in inner.items()}, name: schema}
    return {each: _written(definition) for each, definition in found.items()}


def _written(definition: Schema) -> Schema:
    """A definition as people and editors read it: no titles made of names, and no default that nobody could write."""
    properties = {key: _property(each) for key, each in definition.get("properties", {}).items()}
    return {
        **{key: each for key, each in definition.items() if key != "title"},
        **({"description": definition["description"].replace("``", "`")} if "description" in definition else {}),
        **({"properties": properties} if properties else {}),
    }


def _property(schema: Schema) -> Schema:
    kept = {key: each for key, each in schema.items() if key != "title"}
    default = kept.get("default")
    if default in (None, "") or ("$ref" in kept and isinstance(default, dict)):
        # Nothing is said, or what is referred to says its own.
        kept.pop("default", None)
    elif isinstance(default, float) and kept.get("type") == "string":
        kept["default"] = duration_of(default)
    return {**kept, "description": kept["description"].replace("``", "`")} if "description" in kept else kept


def _variants(key: str, models: Mapping[str, type[BaseModel]], definitions: Schema) -> Schema:
    """Where ``key`` names one of them, its own keys count, and no others."""
    for name, model in models.items():
        definitions |= _definitions(model, f"{key}.{name}", f"{key}.{name}.")
        own = definitions[f"{key}.{name}"]
        own["properties"] = {key: {"const": name}, **own.get("properties", {})}
    return {"allOf": [_when(key, name, {"$ref": f"#/$defs/{key}.{name}"}) for name in models]}


def _when(key: str, value: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}
