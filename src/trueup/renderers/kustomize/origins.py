"""An object that kustomize made -> the file and line that it comes from."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trueup.model.errors import DeclarationError
from trueup.model.manifest import Body, Origin
from trueup.renderers.kustomize.closure import Closure
from trueup.renderers.kustomize.forest import Forest
from trueup.toolkit.documents import Document, read

ANNOTATION: Final = "config.kubernetes.io/origin"
GENERATORS: Final = {"ConfigMapGenerator": "configMapGenerator", "SecretGenerator": "secretGenerator"}
CHARTS: Final = "HelmChartInflationGenerator"


class Origins:
    """Reads what kustomize noted at each object (``buildMetadata: [originAnnotations]``), and finds the line."""

    def __init__(self, tree: Forest, closure: Closure, start: str, built_in: str) -> None:
        self._tree = tree
        self._files = closure.files
        self._named = closure.named
        self._otherwise = Origin(start, 1)
        # The paths are relative to where it was built.
        self._built_in = built_in
        self._read: dict[str, list[Document]] = {}

    def of(self, body: Body) -> Origin:
        """Where the object comes from: the kustomization itself when it cannot be told."""
        noted = _noted(body)
        if reference := self._named.get(self._place(noted.get("path"))):
            return Origin(reference.file, reference.line)
        path, generator = self._path(noted.get("path")), self._path(noted.get("configuredIn"))
        if path:
            return Origin(path, self._line(path, body))
        if generator:
            by = noted.get("configuredBy")
            return Origin(generator, self._generator_line(generator, str(by.get("kind")) if isinstance(by, dict) else "", body))
        return self._otherwise

    def _path(self, noted: object) -> str | None:
        path = self._place(noted)
        return path if path in self._files else None

    def _place(self, noted: object) -> str:
        """What was noted as a path of the tree; empty for nothing."""
        return posixpath.normpath(posixpath.join(self._built_in, noted)).removeprefix("tree/") if isinstance(noted, str) else ""

    def _line(self, path: str, body: Body) -> int:
        """A name may have been given a prefix or suffix since."""
        name = _name(body)
        written = [(line, each) for line, each in self._objects(path) if each.get("kind") == body.get("kind")]
        exact = [line for line, each in written if _name(each) == name]
        near = [line for line, each in written if _name(each) and _name(each) in name]
        return next(iter([*exact, *near, *(line for line, _ in written)]), 1)

    def _objects(self, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for document in self._documents(path):
            items = document.body.get("items") if isinstance(document.body, dict) else None
            if isinstance(items, list):
                yield from ((document.line_of(("items", place)), each) for place, each in enumerate(items) if isinstance(each, dict))
            elif isinstance(document.body, dict):
                yield document.line, document.body

    def _generator_line(self, path: str, kind: str, body: Body) -> int:
        field = GENERATORS.get(kind, "")
        name = _name(body)
        if kind == CHARTS:
            lines = [document.line_of(("helmCharts", 0)) for document in self._documents(path)]
            return next(iter(lines), 1)
        for document in self._documents(path):
            entries = document.body.get(field) if isinstance(document.body, dict) else None
            for place, entry in enumerate(entries if isinstance(entries, list) else []):
                if isinstance(entry, dict) and str(entry.get("name")) in name:
                    return document.line_of((field, place))
        return 1

    def _documents(self, path: str) -> list[Document]:
        if path not in self._read:
            try:
                self._read[path] = read(self._tree.read(path), path)
            except DeclarationError:
                self._read[path] = []
        return self._read[path]


def _name(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _noted(body: Body) -> dict[str, Any]:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    documents = read(text.encode(), ANNOTATION) if isinstance(text, str) else []
    noted = documents[0].body if documents else None
    return noted if isinstance(noted, dict) else {}


def without_note(body: Body) -> Body:
    """The object as it is without the annotation."""
    metadata = body["metadata"]
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict) or ANNOTATION not in annotations:
        return body
    left = {name: value for name, value in annotations.items() if name != ANNOTATION}
    kept = {name: value for name, value in metadata.items() if name != "annotations"}
    return {**body, "metadata": {**kept, "annotations": left} if left else kept}
