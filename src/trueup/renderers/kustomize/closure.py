"""A kustomization -> everything that it refers to, and what is wrong with what it refers to."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from trueup.model.contracts import Inputs
from trueup.model.errors import Awaited, DeclarationError, Fault, Refused, SettingsError, Unreachable, UsageError
from trueup.model.source import resolve_path
from trueup.renderers.kustomize.charts import EXACT, NamedChart, charts
from trueup.renderers.kustomize.forest import OUTSIDE, Forest, Reference
from trueup.renderers.kustomize.remote import is_file, is_remote, remote_base
from trueup.toolkit.documents import Document, Path, read
from trueup.toolkit.sources.unpacked import unpacked

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_ROOTS: Final = ("resources", "bases", "components", "generators", "transformers", "validators")
"""Fields whose entries name a folder with a kustomization, or a file."""
_PLUGINS: Final = frozenset(("generators", "transformers", "validators"))
_FILES: Final = ("crds", "configurations", "patchesStrategicMerge")
_PATHS: Final = ("patches", "patchesJson6902", "replacements")
"""Fields whose entries may have a ``path``."""
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")
_OLD_CHARTS: Final = "helmChartInflationGenerator"
LARGEST_CHART: Final = 64 * 1024**2


@dataclass(slots=True)
class Closure:
    """What was found. ``faults`` stand here and are not raised: what is missing is an input too, for it may come to be there."""

    tree: Forest
    digests: Mapping[str, str] = field(default_factory=dict)
    """Chart, as ``NAME-VERSION``, or file, by its address -> the digest."""
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
    charts: dict[str, str] = field(default_factory=dict)
    """The folders of charts -> their object ids; empty for those that were fetched."""
    fetched: dict[str, bytes] = field(default_factory=dict)
    """The files that were fetched, where kustomize looks for them."""
    named: dict[str, Reference] = field(default_factory=dict)
    """The place of a single file that was fetched -> who names it."""
    _seen: set[str] = field(default_factory=set)

    @property
    def inputs(self) -> Inputs:
        """All of it that is in the repository, as a renderer declares it. The rest is named there by its commit."""
        own = {path: object_id for path, object_id in self.files.items() if not self.tree.root_of(path) and not self.is_in_chart(path)}
        whole = {folder: object_id for folder, object_id in self.charts.items() if object_id and not self.tree.root_of(folder)}
        return Inputs(files=own, absent=frozenset(path for path in self.absent if not self.tree.root_of(path)), whole=whole)

    def is_in_chart(self, path: str) -> bool:
        """Whether a file is a chart's, and so no YAML before helm has seen it."""
        return any(path.startswith(f"{folder}/") for folder in self.charts)

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
        if entry in self.digests and is_file(entry):
            self._fetch_file(entry, self.digests[entry], named)
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

    def _fetch_file(self, entry: str, digest: str, named: Reference) -> None:
        place = f"{OUTSIDE}/files/{digest.removeprefix('sha256:')}.yaml"
        try:
            self.fetched[place] = self.tree.sources.file(entry, digest)
        except (SettingsError, Unreachable, Refused) as error:
            self.awaited = True
            self._blame(named, error.message, error.hint)
        else:
            self.outside[entry] = place
            self.named[place] = named

    def unplaced(self, fault: Fault) -> Fault:
        """A fault that names files that were fetched by their addresses."""
        message = fault.message
        for entry, place in self.outside.items():
            message = message.replace(place, entry)
        return replace(fault, message=message)

    def _take_chart(self, chart: NamedChart, named: Reference) -> None:
        """A chart that lies where kustomize looks for it, or is pinned and fetched to there."""
        for each in chart.values:
            self.take(each, named)
        try:
            folder = resolve_path(named.folder, chart.folder, named.file, named.line)
        except DeclarationError as error:
            self.faults.extend(error.faults)
            return
        start = posixpath.join(folder, "Chart.yaml")
        if self.tree.root_of(folder) != self.tree.root_of(named.file):
            self._blame(named, f"`{chart.folder}` leaves the repository", "name a path inside the repository")
        elif self.tree.kind(start) == "file":
            self.charts[folder] = self.tree.object_id(folder) or ""
            for path in self.tree.walk(folder):
                self._file(path)
        elif chart.repository:
            self._fetch_chart(chart, folder, named)
        else:
            self.absent.add(start)
            self._blame(named, f"there is no chart in `{chart.folder}`", "add it, or name its `repo` and `version`")

    def _fetch_chart(self, chart: NamedChart, folder: str, named: Reference) -> None:
        reference = chart.pinned("").reference
        if not EXACT.fullmatch(chart.version):
            self._blame(named, f"the version of the chart `{chart.name}` is not pinned", "write an exact `version`")
            return
        try:
            digest = self.digests.get(reference, "")
            if not digest:
                told = self.tree.sources.published(chart.pinned("")) or f"sha256:(what `sha256sum {reference}.tgz` says)"
                hint = f"add `digests: {{{reference}: {told}}}` to the application's `render`"
                self._blame(named, f"the archive of the chart `{chart.name}` is not pinned by a digest", hint)
                return
            files = unpacked(self.tree.sources.chart(chart.pinned(digest)), LARGEST_CHART)
        except (SettingsError, Unreachable, Refused) as error:
            self.awaited = True
            self._blame(named, error.message, error.hint)
            return
        self.charts[folder] = ""
        self.fetched.update({posixpath.join(folder, path): content for path, content in files.items()})

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

        if body.get(_OLD_CHARTS):
            self._blame(named(_OLD_CHARTS), f"`{_OLD_CHARTS}` is not understood any more", "write `helmCharts`")
        for chart in charts(document):
            self._take_chart(chart, Reference(folder, file, chart.line))
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
            if isinstance(body, dict) and body.get("kind") == "HelmChartInflationGenerator":
                self._blame(named, "a generator that inflates a chart is not taken", "write it as `helmCharts` into the kustomization")
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
