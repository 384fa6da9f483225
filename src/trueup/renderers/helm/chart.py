"""A chart's folder and the value files of an application -> everything that a render takes, and what is wrong with it."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from trueup.model.application import Application
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import Awaited, DeclarationError, Fault, Refused, SettingsError, Unreachable
from trueup.model.source import resolve_path
from trueup.renderers.helm.dependencies import CHART, LOCK, Dependency, dependencies
from trueup.renderers.helm.options import HelmOptions, RemoteChart, options_of
from trueup.toolkit.documents import read
from trueup.toolkit.sources.cache import Sources
from trueup.toolkit.sources.charts import Pinned

ARCHIVE: Final = "chart.tgz"
"""Where a chart lies that does not come from the repository."""

_REMOTE = re.compile(r"^[a-z0-9+.-]+://")
DEEPEST: Final = 16


@dataclass(slots=True)
class Chart:
    """What was found. ``faults`` stand here and are not raised: what is missing is an input too, for it may come to be there."""

    application: Application
    tree: Tree
    sources: Sources
    values: list[str] = field(default_factory=list)
    """The value files, in their order."""
    faults: list[Fault] = field(default_factory=list)
    awaited: bool = False
    """Whether something could not be had from outside."""
    name: str = ""
    lines: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Dependency -> file and line that name it."""
    _folders: dict[str, str] = field(default_factory=dict)
    """Where a chart's folder is given to helm -> where it lies in the repository."""
    _archives: dict[str, bytes] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)

    @property
    def folder(self) -> str:
        """Where the chart lies."""
        return self.application.folder

    @property
    def is_remote(self) -> bool:
        """Whether it does not come from the repository."""
        return self._options.chart is not None

    @property
    def start(self) -> str:
        """Its ``Chart.yaml``; for one that is not in the repository the file that declares it."""
        return self.application.file if self.is_remote else posixpath.join(self.folder, CHART)

    @property
    def start_line(self) -> int:
        """The line there that stands for all of it."""
        return self.application.line if self.is_remote else 1

    @property
    def fault(self) -> DeclarationError:
        """All that is wrong."""
        return Awaited(self.faults) if self.awaited else DeclarationError(self.faults)

    @property
    def inputs(self) -> Inputs:
        """The folders with all that is below them (a template may take any file by ``.Files``), and the value files."""
        files = {path: self.tree.object_id(path) or "" for path in self.values}
        taken = () if self.is_remote else (self.folder, *self._folders.values())
        whole = {path: self.tree.object_id(path) or "" for path in taken if self.tree.kind(path) == "folder"}
        lacking = () if self.is_remote or self.folder in whole else (self.folder,)
        return Inputs(files=files, absent=frozenset((*self._absent, *lacking)), whole=whole)

    @property
    def _options(self) -> HelmOptions:
        return options_of(self.application)

    def examine(self) -> None:
        """Look for all of it."""
        options = self._options
        if options.chart is not None:
            self.name = options.chart.name
            self._fetch_chart(options.chart)
        elif self.tree.kind(self.start) == "file":
            self._take_folder(self.folder, self.folder, ())
        else:
            self._absent.add(self.start)
            self._blame(f"the folder `{self.folder or '.'}` has no {CHART}", "correct spec.path, or add the chart")
            return
        for path in options.value_files:
            self._take_values(path)

    def _take_values(self, written: str) -> None:
        if _REMOTE.match(written):
            self._blame(f"the value file `{written}` lies outside of the repository", "copy it into the repository")
            return
        try:
            path = resolve_path(self.folder, written, self.application.file, self.application.line)
        except DeclarationError as error:
            self.faults.extend(error.faults)
            return
        if self.tree.kind(path) == "file":
            self.values.append(path)
        else:
            self._absent.add(path)
            self._blame(f"the value file `{written}` does not exist", "add it, or correct the path")

    def _blame(self, message: str, hint: str) -> None:
        self.faults.append(Fault(self.application.file, self.application.line, 0, message, hint))

    # ------------------------------------------------------------------ a folder and what it depends on

    def _take_folder(self, folder: str, place: str, above: tuple[str, ...]) -> None:
        """Take a chart's folder in, and give what it depends on its place below ``charts/``."""
        self._folders[place] = folder
        file = posixpath.join(folder, CHART)
        try:
            documents = read(self.tree.read(file), file)
            lock = posixpath.join(folder, LOCK)
            locked = read(self.tree.read(lock), lock) if self.tree.kind(lock) == "file" else []
        except DeclarationError as error:
            self.faults.extend(error.faults)
            return
        for document in documents:
            if not above and isinstance(document.body, dict):
                self.name = str(document.body.get("name") or "")
            for each in dependencies(document, locked[0].body if locked else None):
                self.lines.setdefault(each.name, (file, each.line))
                if not self._is_vendored(folder, each.name):
                    self._take_dependency(each, folder, place, (*above, folder))

    def _is_vendored(self, folder: str, name: str) -> bool:
        charts = posixpath.join(folder, "charts")
        if self.tree.kind(posixpath.join(charts, name, CHART)) == "file":
            return True
        return any(each.startswith(f"{name}-") and each.endswith(".tgz") for each in self.tree.names(charts))

    def _take_dependency(self, dependency: Dependency, folder: str, place: str, above: tuple[str, ...]) -> None:
        file = posixpath.join(folder, CHART)
        if dependency.repository.startswith("file://"):
            self._take_beside(dependency, folder, place, above)
        elif dependency.repository.startswith(("https://", "http://", "oci://")):
            self._fetch_dependency(dependency, file, place)
        else:
            where = f"`{dependency.repository}` is no address" if dependency.repository else "no repository is named"
            message = f"the dependency `{dependency.name}` is not in `charts/`, and {where}"
            hint = "write the repository's whole address, or run `helm dependency build` and commit `charts/`"
            self.faults.append(Fault(file, dependency.line, 0, message, hint))

    def _take_beside(self, dependency: Dependency, folder: str, place: str, above: tuple[str, ...]) -> None:
        """A chart that lies elsewhere in the repository."""
        file, written = posixpath.join(folder, CHART), dependency.repository.removeprefix("file://")
        try:
            path = resolve_path(folder, written, file, dependency.line)
        except DeclarationError as error:
            self.faults.extend(error.faults)
            return
        if path in above or len(above) > DEEPEST:
            self.faults.append(Fault(file, dependency.line, 0, f"`{written}` depends on itself", "take one of the dependencies away"))
        elif self.tree.kind(posixpath.join(path, CHART)) != "file":
            self._absent.add(posixpath.join(path, CHART))
            self.faults.append(Fault(file, dependency.line, 0, f"`{written}` has no {CHART}", "add the chart, or correct the path"))
        else:
            self._take_folder(path, posixpath.join(place, "charts", dependency.name), above)

    # ------------------------------------------------------------------ what is fetched

    def _fetch_chart(self, chart: RemoteChart) -> None:
        pinned = Pinned(chart.repository, chart.name, chart.version, chart.digest)
        self._fetch(pinned, ARCHIVE, self.application.file, self.application.line)

    def _fetch_dependency(self, dependency: Dependency, file: str, place: str) -> None:
        if not dependency.version:
            message = f"the dependency `{dependency.name}` is not in `charts/`, and its version is not pinned"
            hint = f"write an exact version, or run `helm dependency update` and commit `{LOCK}`"
            self.faults.append(Fault(file, dependency.line, 0, message, hint))
            return
        if dependency.instead:
            message = (
                f"`{LOCK}` has the dependency `{dependency.name}` at {dependency.version}, and this file asks for {dependency.instead}"
            )
            self.faults.append(Fault(file, dependency.line, 0, message, f"run `helm dependency update` and commit `{LOCK}`"))
            return
        pinned = Pinned(dependency.repository, dependency.name, dependency.version)
        digest = self._options.digests.get(pinned.reference, "")
        if not digest:
            self._demand_digest(pinned, file, dependency.line)
            return
        archive = posixpath.join("tree", place, "charts", f"{pinned.reference}.tgz")
        self._fetch(Pinned(dependency.repository, dependency.name, dependency.version, digest), archive, file, dependency.line)

    def _fetch(self, pinned: Pinned, place: str, file: str, line: int) -> None:
        try:
            self._archives[place] = self.sources.chart(pinned)
        except (SettingsError, Unreachable, Refused) as error:
            self.awaited = True
            self.faults.append(Fault(file, line, 0, error.message, error.hint))

    def _demand_digest(self, pinned: Pinned, file: str, line: int) -> None:
        """A version alone pins nothing: a repository may give another archive under it tomorrow."""
        message = f"the dependency `{pinned.name}` is not in `charts/`, and its archive is not pinned by a digest"
        try:
            digest = self.sources.published(pinned) or f"sha256:(what `sha256sum {pinned.reference}.tgz` says)"
        except SettingsError as error:
            self.faults.append(Fault(file, line, 0, f"{message}; {error.message}", error.hint))
            return
        hint = f"add `digests: {{{pinned.reference}: {digest}}}` to the application's `render`, or commit `charts/`"
        self.faults.append(Fault(file, line, 0, message, hint))

    # ------------------------------------------------------------------ what helm is given

    def content(self) -> Mapping[str, bytes]:
        """Path as helm is given it -> content. What lies in the repository is below ``tree/``, where it is there or below ``charts/``."""
        given = dict(self._archives)
        for place in self.written:
            given[f"tree/{place}"] = self.tree.read(self.written[place])
        return given

    @property
    def written(self) -> dict[str, str]:
        """Path below ``tree/`` -> path in the repository."""
        found = {path: path for path in self.values}
        for place, folder in self._folders.items():
            for path in self._files(folder, 0):
                inside = path if not folder else path.removeprefix(folder).lstrip("/")
                found[posixpath.join(place, inside)] = path
        return found

    def _files(self, folder: str, depth: int) -> Iterator[str]:
        """The files below a folder, also those behind links to folders."""
        for path in self.tree.walk(folder):
            kind = self.tree.kind(path)
            if kind == "file":
                yield path
            elif kind == "folder" and depth < DEEPEST:
                yield from self._files(path, depth + 1)
