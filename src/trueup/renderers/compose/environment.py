"""``env_file`` and ``label_file`` -> the variables and labels of a service."""

from collections.abc import Mapping
from typing import Any

from trueup.renderers.compose.dotenv import read_raw, read_variables
from trueup.renderers.compose.files import Files
from trueup.renderers.compose.located import Faults, Place, Row, Table, Within
from trueup.renderers.compose.scalars import text_of


def read_files(service: Table, variables: Mapping[str, str], files: Files, faults: Faults) -> None:
    """Merge what stands in the service's files below what it says itself."""
    reading = _Reading(variables, files, faults)
    if service.get("env_file"):
        reading.environment(service)
    if service.get("label_file"):
        reading.labels(service)
    service.pop("env_file", None)
    service.pop("label_file", None)


class _Reading:
    def __init__(self, variables: Mapping[str, str], files: Files, faults: Faults) -> None:
        self.variables = variables
        self.files = files
        self.faults = faults

    def environment(self, service: Table) -> None:
        own = service.get("environment")
        own = own if isinstance(own, Table) else Table(service.place)
        written = {name: text_of(value) for name, value in own.items() if value is not None}

        def lookup(name: str) -> str | None:
            return self.variables[name] if name in self.variables else written.get(name)

        found = dict(written)
        places: dict[str, Place] = {}
        for entry, place in service["env_file"].placed():
            content = self._content(entry["path"], place, bool(entry.get("required", True)))
            if content is None:
                continue
            before = dict(found)
            if entry.get("format"):
                found.update(self._raw(content, entry, place, lookup))
            else:
                found = read_variables(content, entry["path"], found, lookup, self.faults)
            places.update({name: place for name, value in found.items() if before.get(name) != value})
        service.put("environment", _over(found, own, places), service.place_of("environment"))

    def _raw(self, content: bytes, entry: Table, place: Place, lookup: Any) -> dict[str, str]:
        if entry["format"] == "raw":
            return read_raw(content, entry["path"], lookup, self.faults)
        self.faults.add(place, f"the format `{entry['format']}` of an env file is not known", "leave it out, or write `format: raw`")
        return {}

    def labels(self, service: Table) -> None:
        own = service.get("labels")
        found: dict[str, str] = {}
        for path, place in service["label_file"].placed():
            content = self._content(path, place, required=True)
            if content is not None:
                found = read_variables(content, path, found, lambda name: None, self.faults)
        labels = Table(service.place_of("label_file"))
        labels.update(found)
        for name, value, place in _pairs(own):
            labels.put(name, value, place)
        service["labels"] = labels

    def _content(self, path: str, place: Place, required: bool) -> bytes | None:
        if not isinstance(path, Within):
            hint = "put it into the repository; what is secret is given by the operator: `secrets: {NAME: {environment: NAME}}`"
            self.faults.add(place, f"`{path}` lies outside of the repository", hint)
            return None
        if not required and not self.files.is_file(path):
            return None
        return self.files.read(path, place)


def _over(found: Mapping[str, str], own: Table, places: Mapping[str, Place]) -> Table:
    merged = Table(own.place)
    for name, value in found.items():
        merged.put(name, value, places.get(name))
    for name, value in own.items():
        merged.put(name, value, own.place_of(name))
    return merged


def _pairs(value: Any) -> list[tuple[str, Any, Place]]:
    if isinstance(value, Table):
        return [(name, each, value.place_of(name)) for name, each in value.items()]
    if isinstance(value, Row):
        return [(name, text, place) for (name, _, text), place in ((str(each).partition("="), place) for each, place in value.placed())]
    return []
