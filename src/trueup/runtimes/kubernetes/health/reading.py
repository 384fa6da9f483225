"""The text of a file -> the objects in it, or the rules that its targets declare."""

from collections.abc import Iterator
from typing import Final

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.health.rule import HealthRule
from trueup.runtimes.kubernetes.health.seen import text_of
from trueup.toolkit.documents import Document, Path, read
from trueup.toolkit.wording import mending, told, wording

LARGEST: Final = 512 * 1024 * 1024
"""Bytes: what tens of thousands of live objects take."""

_HINT: Final = "give objects as `kubectl get -o yaml` or `-o json` prints them"


def objects_in(text: bytes, file: str) -> list[tuple[Key, Body]]:
    """The objects of a YAML or JSON file, in their order; the items of lists are objects of their own.

    Raises DeclarationError with every document that is none.
    """
    faults: list[Fault] = []
    found: list[tuple[Key, Body]] = []
    for document in _documents(text, file):
        for path, body in _items(document.body):
            if isinstance(body, dict) and _is_object(body):
                found.append((Key.of(body), body))
            else:
                faults.append(Fault(file, document.line_of(path) if document.source else 0, 0, "this is no Kubernetes object", _HINT))
    if faults:
        raise DeclarationError(faults)
    return found


def rules_in(text: bytes, file: str) -> list[HealthRule]:
    """The rules of the Kubernetes targets in a file of declarations. Raises DeclarationError with every fault."""
    faults: list[Fault] = []
    rules: list[HealthRule] = []
    for document in read(text, file):
        for number, rule in enumerate(_declared(document.body)):
            try:
                rules.append(HealthRule.model_validate(rule))
            except ValidationError as error:
                faults += [_fault(document, file, number, each) for each in error.errors(include_url=False, include_input=False)]
    if faults:
        raise DeclarationError(faults)
    return rules


def _documents(text: bytes, file: str) -> list[Document]:
    # JSON is what other programs hand over, and in quantities: its own reader takes a twentieth of the time.
    if text.lstrip()[:1] == b"{":
        try:
            return [Document(msgspec.json.decode(text), 1)]
        except (msgspec.DecodeError, RecursionError):
            pass
    return read(text, file, LARGEST)


def _items(body: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    if not isinstance(body, dict) or not text_of(body.get("kind")).endswith("List") or not isinstance(body.get("items"), list):
        yield path, body
        return
    # In a list of one kind the API server does not repeat it.
    implied = {"apiVersion": body.get("apiVersion"), "kind": body["kind"].removesuffix("List")} if body["kind"] != "List" else {}
    for number, item in enumerate(body["items"]):
        place = (*path, "items", number)
        yield from _items(implied | item if isinstance(item, dict) else item, place)


def _is_object(body: Body) -> bool:
    metadata = body.get("metadata")
    if not text_of(body.get("apiVersion")) or not text_of(body.get("kind")) or not isinstance(metadata, dict):
        return False
    return bool(text_of(metadata.get("name")))


def _declared(body: object) -> list[object]:
    if not isinstance(body, dict) or body.get("kind") != "Target":
        return []
    specification = body.get("spec")
    rules = specification.get("health") if isinstance(specification, dict) and specification.get("runtime") == "kubernetes" else None
    return rules if isinstance(rules, list) else []


def _fault(document: Document, file: str, number: int, error: ErrorDetails) -> Fault:
    path = ("spec", "health", number, *error["loc"])
    name = ".".join(str(step) for step in path)
    return Fault(file, document.line_of(path), 0, told(f"`{name}`", wording(error)), mending(error) or "`trueup schema` describes it")
