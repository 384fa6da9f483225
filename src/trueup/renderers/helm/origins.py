"""What helm says -> objects with the template they come from, or faults with the place it complains about."""

import re
from collections.abc import Mapping
from typing import Final, TypeGuard

from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Body, Key, Manifest, Origin, named
from trueup.renderers.helm.chart import Chart
from trueup.toolkit.documents import read

LARGEST_OUTPUT: Final = 64 * 1024 * 1024
_SOURCE = re.compile(r"^# Source: (\S+)$")
_KIND = re.compile(r"^kind:\s*[\"']?(\w+)", re.MULTILINE)
_LINE = re.compile(r"\bline (\d+)")
_LONGEST = 1000


class Origins:
    """The templates of a chart, as files of the repository."""

    def __init__(self, chart: Chart, files: Mapping[str, bytes]) -> None:
        self._chart = chart
        self._contents = {path: files[f"tree/{place}"] for place, path in chart.written.items()}
        self._written = chart.written
        self._taken: dict[tuple[str, str], int] = {}

    def manifests(self, output: bytes) -> list[Manifest]:
        """Every object, in the order of the output. Raises DeclarationError."""
        sources = _sources(output.decode(errors="replace"))
        try:
            documents = read(output, self._chart.start, LARGEST_OUTPUT)
        except DeclarationError as error:
            faults = [self._at(_source_at(sources, each.line), 1, f"what it makes is no manifest: {each.message}") for each in error.faults]
            raise DeclarationError(faults) from error
        found: list[Manifest] = []
        faults = []
        for document in documents:
            source = _source_at(sources, document.line)
            for item in _items(document.body):
                body = named(item) if isinstance(item, dict) else item
                if _is_object(body):
                    found.append(Manifest(Key.of(body), body, self._origin(source, body)))
                else:
                    faults.append(
                        self._at(source, 1, "it makes something that is no object: apiVersion, kind and metadata.name are needed")
                    )
        if faults:
            raise DeclarationError(faults)
        return found

    def complaint(self, said: str) -> Fault:
        """What helm complains about, at the file that it names."""
        text = said.strip().removeprefix("Error: ").partition("\n\nUse --debug")[0][-_LONGEST:]
        if place := re.search(rf"\b{re.escape(self._chart.name)}(/[^\s:\"]+):(\d+)", text):
            return self._at(self._chart.name + place[1], int(place[2]), text)
        line = _LINE.search(text)
        if place := re.search(rf"\b{re.escape(self._chart.name)}/(templates|charts|crds)/[^\s:\"]+", text):
            # The line is that of what the template made.
            return self._at(place[0], 1, text)
        named = next((path for path in self._written.values() if _is_named(path, text)), "")
        number = int(line[1]) if line and named else 1
        return Fault(named or self._chart.start, number if named else self._chart.start_line, 0, f"helm: {text}", "run `helm template`")

    def _at(self, source: str, line: int, message: str) -> Fault:
        path = self._path(source)
        file, number = (path, line) if path else self._named(source)
        return Fault(file, number, 0, f"helm: {message}", "run `helm template`")

    def _named(self, source: str) -> tuple[str, int]:
        """Who names the archive that a template is in: the line of the dependency, else what stands for the whole chart."""
        names = source.split("/")
        dependency = names[2] if names[1:2] == ["charts"] and len(names) > 2 else ""
        return self._chart.lines.get(dependency, (self._chart.start, self._chart.start_line))

    def _path(self, source: str) -> str:
        """The file that helm names by the chart's name; empty when it is inside of an archive."""
        inside = source.partition("/")[2]
        path = f"{self._chart.folder}/{inside}" if self._chart.folder else inside
        return "" if self._chart.is_remote else self._written.get(path, "")

    def _origin(self, source: str, body: Body) -> Origin:
        path = self._path(source)
        if not path:
            return Origin(*self._named(source))
        text = self._contents[path].decode(errors="replace")
        kind = str(body["kind"])
        lines = [text.count("\n", 0, found.start()) + 1 for found in _KIND.finditer(text) if found[1] == kind]
        # A template may make one object many times: the last place stands for all further ones.
        place = self._taken.get((path, kind), 0)
        self._taken[path, kind] = place + 1
        return Origin(path, lines[min(place, len(lines) - 1)] if lines else 1)


def _is_named(path: str, text: str) -> bool:
    return path.endswith(("values.yaml", "Chart.yaml")) and path.rpartition("/")[2] in text


def _items(body: object) -> list[object]:
    """The objects of a ``List``, else the object itself."""
    items = body.get("items") if isinstance(body, dict) and body.get("kind") == "List" else None
    return items if isinstance(items, list) else [body]


def _is_object(body: object) -> TypeGuard[Body]:
    if not isinstance(body, dict) or not body.get("apiVersion") or not body.get("kind"):
        return False
    metadata = body.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("name"))


def _sources(output: str) -> list[tuple[int, str]]:
    """The line of each ``# Source:`` that follows a separator, and what it names."""
    lines = output.split("\n")
    numbered = ((number, _SOURCE.match(line)) for number, line in enumerate(lines, 1) if number > 1 and lines[number - 2] == "---")
    return [(number, found[1]) for number, found in numbered if found]


def _source_at(sources: list[tuple[int, str]], line: int) -> str:
    return next((source for number, source in reversed(sources) if number <= line), "")
