"""A chart's folder and the value files of an application -> everything that a render takes, and what is wrong with it."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trueup.model.application import Application
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.source import resolve_path
from trueup.toolkit.documents import Document, read

CHART: Final = "Chart.yaml"
_REMOTE = re.compile(r"^[a-z0-9+.-]+://")


@dataclass(slots=True)
class Chart:
    """What was found. ``faults`` stand here and are not raised: what is missing is an input too, for it may come to be there."""

    application: Application
    tree: Tree
    values: list[str] = field(default_factory=list)
    """The value files, in their order."""
    faults: list[Fault] = field(default_factory=list)
    name: str = ""
    _absent: set[str] = field(default_factory=set)

    @property
    def folder(self) -> str:
        """Where the chart lies."""
        return self.application.folder

    @property
    def start(self) -> str:
        """Its ``Chart.yaml``."""
        return posixpath.join(self.folder, CHART)

    @property
    def inputs(self) -> Inputs:
        """The folder with all that is below it (a template may take any file by ``.Files``), and the value files."""
        files = {path: self.tree.object_id(path) or "" for path in self.values}
        whole = {self.folder: self.tree.object_id(self.folder) or ""} if self.tree.kind(self.folder) == "folder" else {}
        return Inputs(files=files, absent=frozenset(self._absent if whole else {*self._absent, self.folder}), whole=whole)

    def examine(self, value_files: Sequence[str]) -> None:
        """Look for all of it."""
        if self.tree.kind(self.start) != "file":
            self._absent.add(self.start)
            self._blame(f"the folder `{self.folder or '.'}` has no {CHART}", "correct spec.path, or add the chart")
            return
        try:
            for document in read(self.tree.read(self.start), self.start):
                self._depends(document)
        except DeclarationError as error:
            self.faults.extend(error.faults)
        for path in value_files:
            self._take(path)

    def _take(self, written: str) -> None:
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

    def _depends(self, document: Document) -> None:
        body = document.body
        if not isinstance(body, dict):
            return
        self.name = str(body.get("name") or "")
        dependencies = body.get("dependencies")
        for place, each in enumerate(dependencies if isinstance(dependencies, list) else []):
            if isinstance(each, dict) and not self._is_vendored(each):
                line = document.line_of(("dependencies", place))
                message = f"the dependency `{each.get('name')}` is not in `charts/`, and a render takes nothing from the network"
                self.faults.append(Fault(self.start, line, 0, message, "run `helm dependency build` and commit `charts/`"))

    def _is_vendored(self, dependency: dict[str, Any]) -> bool:
        name = str(dependency.get("name"))
        folder = posixpath.join(self.folder, "charts")
        if self.tree.kind(posixpath.join(folder, name, CHART)) == "file":
            return True
        return any(each.startswith(f"{name}-") and each.endswith(".tgz") for each in self.tree.names(folder))

    def _blame(self, message: str, hint: str) -> None:
        self.faults.append(Fault(self.application.file, self.application.line, 0, message, hint))

    def content(self) -> dict[str, bytes]:
        """Path -> content of every file that is taken."""
        paths = [path for path in self.tree.walk(self.folder) if self.tree.kind(path) == "file"]
        return {path: self.tree.read(path) for path in dict.fromkeys([*paths, *self.values])}
