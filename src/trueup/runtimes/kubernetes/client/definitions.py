"""Definitions of custom kinds -> the kinds that they make, before any server serves them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trueup.runtimes.kubernetes.client.discovery import Resource


def kinds_declared(bodies: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Resource]:
    """Group, kind and version -> the resource, of every definition among these objects. A malformed one makes nothing."""
    definitions = (body for body in bodies if body.get("kind") == "CustomResourceDefinition")
    return {(each.group, each.kind, each.version): each for body in definitions for each in _kinds(_mapping(body.get("spec")))}


def _kinds(specification: Mapping[str, Any]) -> Iterator[Resource]:
    names = _mapping(specification.get("names"))
    group, kind, plural = (str(each or "") for each in (specification.get("group"), names.get("kind"), names.get("plural")))
    for version in specification.get("versions") or ():
        if group and kind and plural and _mapping(version).get("served"):
            yield Resource(group, str(version.get("name")), kind, plural, specification.get("scope") == "Namespaced", frozenset())


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
