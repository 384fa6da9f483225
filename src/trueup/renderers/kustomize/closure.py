"""A kustomization -> everything that it refers to, and what is wrong with what it refers to."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from trueup.model.contracts import Inputs
from trueup.model.errors import Awaited, DeclarationError, Fault, Refused, SettingsError, Unreachable, UsageError
from trueup.model.source import resolve_path
from trueup.renderers.kustomize.forest import Forest, Reference
from trueup.renderers.kustomize.remote import is_remote, remote_base
from trueup.toolkit.documents import Document, Path, read

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_ROOTS: Final = ("resources", "bases", "components", "generators", "transformers", "validators")
"""Fields whose entries name a folder with a kustomization, or a file."""
_PLUGINS: Final = frozenset(("generators", "transformers", "validators"))
_FILES: Final = ("crds", "configurations", "patchesStrategicMerge")
_PATHS: Final = ("patches", "patchesJson6902", "replacements")
"""Fields whose entries may have a ``path``."""
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")
_CHARTS: Final = ("helmCharts", "helmChartInflationGenerator")


@dataclass(slots=True)
class Closure:
    """What was found. ``faults`` stand here and are not raised: what is missing is an input too, for it may come to be there."""

    tree: Forest
    files: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    kustomizations: dict[str, Document] = field(default_factory=dict)
    secret: set[str] = field(default_factory=set)
    """The files that a secretGenerator takes."""
    outside: dict[str, str] = field(default_factory=dict)
    """What is named outside of the repository -> the folder of the tree where it lies."""
    awaited: bool = False
    """Whether something of that could not be had."""
    _seen: set[str] = field(default_factory=set)

    @property
    def inputs(self) -> Inputs:
        """All of it that is in the repository, as a renderer declares it. The rest is named there by its commit."""
        own = {path: object_id for path, object_id in self.files.items() if not self.tree.root_of(path)}
        return Inputs(files=own, absent=frozenset(path for path in self.absent if not self.tree.root_of(path)))

    @property
    def fault(self) -> DeclarationError:
        """All that is wrong."""
        told = [self.tree.located(each) for each in dict.fromkeys(self.faults)]
        return Awaited(told) if self.awaited else DeclarationError(told)

    def enter(self, folder: str, named: Reference) -> None:
        """Take in the kustomization of a folder and, from there, what it refers to."""
        if folder in self._seen:
            return
        self._seen.add(folder)
        paths = [posixpath.join(folder, name) for name in NAMES]
        found = [path for path in paths if self.tree.kind(path) == "file"]
        self.absent.update(path for path in paths if path not in found)
        if not found:
            message = f"the folder `{folder or '.'}` has no kustomization.yaml"
            self._blame(named, message, "add one, or name the files of the folder one by one")
        for path in found:
            self._file(path)
            for document in self._documents(path):
                self.kustomizations[path] = document
                self._follow(document, path)

    def take(self, entry: object, named: Reference, roots: bool = False) -> str | None:
        """Take in what an entry names, a file or (with ``roots``) a folder too; the path when it is a file."""
        if not isinstance(entry, str) or not entry or "\n" in entry:
            return None
        try:
            if is_remote(entry):
                self._take_from_outside(entry, named, roots)
                return None
            if entry.startswith("/"):
                self._blame(named, f"`{entry}` is an absolute path", f"write it relative to the folder of {named.file}")
                return None
            path = resolve_path(named.folder, entry, named.file, named.line)
            if self.tree.root_of(path) != self.tree.root_of(named.file):
                self._blame(named, f"`{entry}` leaves the repository", "name a path inside the repository")
                return None
            kind = self.tree.kind(path)
        except DeclarationError as error:
            self.faults.extend(error.faults)
            return None
        return self._at(path, kind, entry, named, roots)

    def _take_from_outside(self, entry: str, named: Reference, roots: bool) -> None:
        if not roots:
            self._blame(named, f"`{entry}` lies outside of the repository", "copy the file into the repository")
            return
        try:
            base = remote_base(entry)
            root = self.tree.plant(base, named)
        except UsageError as error:
            self._blame(named, error.message, error.hint)
        except (SettingsError, Unreachable, Refused) as error:
            self.awaited = True
            self._blame(named, error.message, error.hint)
        else:
            self.outside[entry] = posixpath.normpath(posixpath.join(root, base.path))
            if self.tree.root_of(self.outside[entry]) == root:
                self.enter(self.outside[entry], named)
            else:
                self._blame(named, f"`{entry}` leaves the repository", "name a path inside the repository")

    def content(self, path: str) -> bytes:
        """A file as the program is given it: what it names outside of the repository lies beside it."""
        document = self.kustomizations.get(path)
        body = document.body if document else None
        if not isinstance(body, dict) or not any(entry in self.outside for _, _, entry in _entries(body, _ROOTS) if isinstance(entry, str)):
            return self.tree.read(path)
        folder = posixpath.dirname(path) or "."
        moved = {name: [self._beside(folder, each) for each in body[name]] for name in _ROOTS if isinstance(body.get(name), list)}
        return msgspec.json.encode({**body, **moved})

    def _beside(self, folder: str, entry: object) -> object:
        return posixpath.relpath(self.outside[entry], folder) if isinstance(entry, str) and entry in self.outside else entry

    def _at(self, path: str, kind: str | None, entry: str, named: Reference, roots: bool) -> str | None:
        if kind == "file":
            self._file(path)
            return path
        if kind == "folder" and roots:
            self.enter(path, named)
        elif kind is None:
            self.absent.add(path)
            self._blame(named, f"`{entry}` does not exist", "add it, or correct the path")
        else:
            self.absent.add(path)
            self._blame(named, f"`{entry}` is a {kind}, not a file", "name a file")
        return None

    def _file(self, path: str) -> None:
        self.files[path] = self.tree.object_id(path) or ""

    def _blame(self, named: Reference, message: str, hint: str) -> None:
        self.faults.append(Fault(named.file, named.line, 0, message, hint))

    def _documents(self, path: str) -> list[Document]:
        try:
            return read(self.tree.read(path), path)
        except DeclarationError as error:
            self.faults.extend(error.faults)
            return []

    def _follow(self, document: Document, file: str) -> None:
        body = document.body
        if not isinstance(body, dict):
            self.faults.append(Fault(file, document.line, 0, "a kustomization must be a mapping", "write `resources: [...]`"))
            return
        folder = posixpath.dirname(file)

        def named(*steps: str | int) -> Reference:
            return Reference(folder, file, document.line_of(steps))

        for name in _CHARTS:
            if body.get(name):
                hint = "declare the chart as an application of its own (`render: {with: helm}`), or commit what it renders to"
                self._blame(named(name), f"`{name}` has kustomize fetch and run a chart", hint)
        for name, steps, entry in _entries(body, _ROOTS):
            taken = self.take(entry, named(*steps), roots=True)
            if name in _PLUGINS:
                self._follow_plugins(entry, taken, named(*steps))
        for _, steps, entry in _entries(body, _FILES):
            self.take(entry, named(*steps))
        for _, steps, entry in _entries(body, _PATHS):
            self.take(_field(entry, "path"), named(*steps, "path"))
        self.take(_field(body.get("openapi"), "path"), named("openapi", "path"))
        for name, steps, entry in _entries(body, _GENERATORS):
            self._follow_generator(entry, named(*steps), name == "secretGenerator")

    def _follow_generator(self, entry: object, named: Reference, secret: bool) -> None:
        if not isinstance(entry, dict):
            return
        files = [str(each).partition("=")[2] or str(each) for each in _listed(entry.get("files"))]
        for each in [*files, *_listed(entry.get("envs")), entry.get("env")]:
            taken = self.take(each, named)
            if taken and secret:
                self.secret.add(taken)

    def _follow_plugins(self, entry: object, taken: str | None, named: Reference) -> None:
        """The configuration of a built-in plug-in, in a file or written in place, names files as the fields of a kustomization do."""
        if taken:
            documents = self._documents(taken)
        elif isinstance(entry, str) and "\n" in entry:
            try:
                documents = read(entry.encode(), named.file)
            except DeclarationError:
                return
        else:
            return
        for document in documents:
            body = document.body
            if isinstance(body, dict):
                for each in (body.get("path"), *_listed(body.get("paths"))):
                    self.take(each, named)
                for _, _, replacement in _entries(body, ("replacements",)):
                    self.take(_field(replacement, "path"), named)
                self._follow_generator(body, named, body.get("kind") == "SecretGenerator")


def _entries(body: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, Path, object]]:
    for name in names:
        for place, entry in enumerate(_listed(body.get(name))):
            yield name, (name, place), entry


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None
