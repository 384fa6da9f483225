"""Plain YAML and JSON files -> manifests, as ``kubectl apply -f FOLDER`` reads them."""

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from pydantic import BaseModel

from trueup.model.application import Application, Declared
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Key, Manifest, Origin, named
from trueup.model.source import resolve_path
from trueup.toolkit.documents import Document, read

ENDINGS: Final = (".yaml", ".yml", ".json")


class PlainOptions(Declared):
    """Options of ``render: {with: plain}``."""

    recurse: bool = False
    """Also the folders below, except those with a ``trueup.yaml`` of their own and what a manifest names as its source."""


def is_declaration(name: str) -> bool:
    """Whether a file of this name declares applications and targets, and so is never a manifest."""
    return name == "trueup.yaml" or name.endswith(".trueup.yaml")


class Plain:
    """Reads ``*.yaml``, ``*.yml`` and ``*.json`` of the application's folder: several documents in a file, and lists."""

    name = "plain"
    version = "1"
    literal = True
    """Each manifest is a document of its file as it stands there: what sets a field is found without a render of every commit."""
    Options: type[BaseModel] = PlainOptions

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        """Never: it is what remains when no other renderer claims a folder."""
        return False

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        """The folders' listings and every manifest file in them."""
        if tree.kind(application.folder) != "folder":
            message = f"the folder `{application.folder}` of application `{application.name}` does not exist"
            raise DeclarationError([Fault(application.file, application.line, 0, message, "correct spec.path, or add the folder")])
        folders: dict[str, str] = {}
        files: dict[str, str] = {}
        absent: set[str] = set()
        for folder, names in self._folders(application, tree):
            folders[folder] = tree.listing_id(folder) or ""
            for name in names:
                path = posixpath.join(folder, name)
                kind = tree.kind(path)
                if kind is None:
                    # A link that leads to nothing: when something comes to be there, it is ours.
                    absent.add(path)
                elif kind == "file" and name.endswith(ENDINGS) and not is_declaration(name):
                    files[path] = tree.object_id(path) or ""
        return Inputs(files=files, folders=folders, absent=frozenset(absent))

    def _folders(self, application: Application, tree: Tree) -> Iterator[tuple[str, list[str]]]:
        recurse = bool(application.spec.render.options.get("recurse", False))
        waiting = [application.folder]
        while waiting:
            folder = waiting.pop()
            names = tree.names(folder)
            if folder != application.folder and any(is_declaration(name) for name in names):
                # Its listing is an input all the same: when the declaration goes, the folder is ours.
                yield folder, []
                continue
            yield folder, names
            if recurse:
                below = (posixpath.join(folder, name) for name in names)
                waiting.extend(path for path in below if tree.kind(path) == "folder")

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        """Every object of every file, in the order of the files. All faults are told together."""
        faults: list[Fault] = []
        documents: dict[str, list[Document]] = {}
        broken: dict[str, tuple[Fault, ...]] = {}
        for path in self.inputs(application, tree).files:
            try:
                documents[path] = read(tree.read(path), path)
            except DeclarationError as error:
                broken[path] = error.faults
        sources = _sources(application, documents)
        for path, told in broken.items():
            if not _is_below(path, sources):
                faults.extend(told)
        manifests: list[Manifest] = []
        for path, read_documents in documents.items():
            if not _is_below(path, sources):
                collection = _Collection(path)
                for document in read_documents:
                    collection.add(document.body, document)
                manifests.extend(collection.manifests)
                faults.extend(collection.faults)
        faults.extend(_duplicates(manifests))
        if faults:
            raise DeclarationError(faults)
        return manifests


def _sources(application: Application, documents: dict[str, list[Document]]) -> set[str]:
    """Files and folders that a manifest takes along: they are content, not manifests."""
    found: set[str] = set()
    for path, read_documents in documents.items():
        for document in read_documents:
            specification = document.body.get("spec") if isinstance(document.body, dict) else None
            source = specification.get("source") if isinstance(specification, dict) else None
            if isinstance(source, str) and source:
                # One that leaves the repository is told with the object that names it.
                with suppress(DeclarationError):
                    found.add(resolve_path(application.folder, source, path, document.line))
    return found


def _is_below(path: str, sources: set[str]) -> bool:
    return any(path == source or path.startswith(source + "/") for source in sources if source)


class _Collection:
    """The objects of one file, and what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.manifests: list[Manifest] = []
        self.faults: list[Fault] = []

    def add(self, body: object, document: Document, steps: tuple[str | int, ...] = ()) -> None:
        """Take in one object, or every item of a ``List``."""
        line = document.line_of(steps) if steps else document.line
        objection = _objection(body)
        if objection or not isinstance(body, dict):
            self.faults.append(Fault(self.file, line, 0, *objection))
            return
        if body["kind"] == "List" and isinstance(body.get("items"), list):
            for place, item in enumerate(body["items"]):
                self.add(item, document, (*steps, "items", place))
            return
        body = named(body)
        metadata = body.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name:
            hint = "write `metadata: {name: ...}`; quote a name that looks like a number"
            self.faults.append(Fault(self.file, line, 0, f"{body['kind']} has no metadata.name", hint))
            return
        self.manifests.append(Manifest(Key.of(body), body, Origin(self.file, line)))


def _objection(body: object) -> tuple[str, ...]:
    if not isinstance(body, dict):
        return "a manifest must be a mapping", "write apiVersion, kind and metadata; a list of objects is a document of kind List"
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str) or not body[field]:
            return (
                f"a manifest needs `{field}`",
                "a file that is no manifest stands in another folder, or is named as a source",
            )
    return ()


def _duplicates(manifests: list[Manifest]) -> list[Fault]:
    seen: dict[Key, Origin] = {}
    faults = []
    for manifest in manifests:
        first = seen.setdefault(manifest.key, manifest.origin)
        if first is not manifest.origin:
            message = f"{manifest.key} is declared twice; the first is at {first.file}:{first.line}"
            faults.append(Fault(manifest.origin.file, manifest.origin.line, 0, message, "keep one of them, or give it another name"))
    return faults


plain = Plain()
