"""A folder with a ``Chart.yaml`` -> manifests, by the real ``helm template``, confined.

Helm only renders. What it makes is planned, applied, watched and pruned like anything else; there is no release.
"""

import dataclasses
import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from trueup.model.application import Application
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault, SettingsError
from trueup.model.manifest import Manifest, digest_of
from trueup.renderers.helm.chart import ARCHIVE, Chart
from trueup.renderers.helm.dependencies import CHART
from trueup.renderers.helm.options import HelmOptions, options_of
from trueup.renderers.helm.origins import Origins
from trueup.renderers.helm.texts import texts
from trueup.toolkit.confine import Confinement
from trueup.toolkit.documents import read
from trueup.toolkit.process import Completed, Ending
from trueup.toolkit.sources.cache import Sources
from trueup.toolkit.steadiness import Steady, contents, unsteady
from trueup.toolkit.telltale import secrets_in

INLINE: Final = "values.json"
_CRASHED: Final = re.compile(rb"^(fatal error|runtime): ", re.MULTILINE)
_CAPABILITIES = re.compile(rb"Capabilities|kubeVersion:")


class Helm:
    """Renders with the program that is named, else the ``helm`` on PATH."""

    name = "helm"
    Options: type[BaseModel] = HelmOptions

    def __init__(self, program: str = "", confinement: Confinement | None = None, sources: Sources | None = None) -> None:
        self._program = program
        self._sources = sources or Sources()
        self._confinement = confinement or Confinement()
        self._versions: dict[tuple[str, int], str] = {}
        self._steady = Steady()

    def equipped(self, program: str, confinement: Confinement) -> "Helm":
        """The same renderer with what the operator chose; an empty program is looked for on PATH."""
        return Helm(program, confinement, self._sources)

    def supplied(self, sources: Sources) -> "Helm":
        """The same renderer with what it may take from outside of the repository."""
        return Helm(self._program, self._confinement, sources)

    @property
    def version(self) -> str:
        """What the program says of itself: another program may make other manifests. Asked for once."""
        program = self._found()
        known = (program, Path(program).stat().st_mtime_ns)
        if known not in self._versions:
            said = self._confinement.run(program, ["version", "--template", "{{.Version}}"], {})
            if not said.succeeded:
                told = said.err.decode(errors="replace").strip()[-300:]
                raise SettingsError(f"{program} does not tell its version: {told}", where=program, hint="install it again")
            self._versions[known] = f"1 {said.out.decode().strip()}"
        return self._versions[known]

    @property
    def program(self) -> str:
        """What renders, for the history."""
        return f"helm {self.version.removeprefix('1 ')}"

    def takes(self, application: Application, tree: Tree) -> frozenset[str]:
        """The versions of the target's API, where a template or ``kubeVersion`` in ``Chart.yaml`` looks at them."""
        options = options_of(application)
        chart = self._examined(application, tree)
        given = {"kubeVersion": options.kube_version, "apiVersions": options.api_versions}
        if chart.faults or all(given.values()):
            return frozenset()
        written = msgspec.json.encode(options.values)
        looks = any(_CAPABILITIES.search(text) for text in (written, *texts(chart.content())))
        return frozenset(name for name, value in given.items() if not value) if looks else frozenset()

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        """A folder with a chart."""
        return CHART in names

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        """The chart's folder with everything in it, those of its dependencies in the repository, and the value files."""
        return self._examined(application, tree).inputs

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        """Every object that helm makes, in its order."""
        chart = self._examined(application, tree)
        if chart.faults:
            raise chart.fault
        files = chart.content()
        manifests = self._made(chart, files)
        self._demand_the_same(chart, manifests, files)
        return manifests

    def _examined(self, application: Application, tree: Tree) -> Chart:
        chart = Chart(application, tree, self._sources)
        chart.examine()
        return chart

    def _made(self, chart: Chart, files: Mapping[str, bytes]) -> list[Manifest]:
        origins = Origins(chart, files)
        given = {**files, INLINE: msgspec.json.encode(options_of(chart.application).values)}
        completed = self._confinement.run(self._found(), _arguments(chart), given)
        if not completed.succeeded:
            raise DeclarationError(_broken(chart, files) or [_why(completed, chart, origins, files)])
        return origins.manifests(completed.out)

    def _demand_the_same(self, chart: Chart, first: list[Manifest], files: Mapping[str, bytes]) -> None:
        inputs = digest_of([_arguments(chart), options_of(chart.application).values, contents(files)])
        application = chart.application
        self._steady.demand(
            inputs, texts(files), lambda: unsteady(first, self._made(chart, files), application.names_of, application.spec.ignore)
        )

    def _found(self) -> str:
        program = self._program or shutil.which("helm")
        if not program or not Path(program).is_file():
            hint = 'install helm, or name one: `[render] helm = "/usr/local/bin/helm"`'
            raise SettingsError(f"there is no {program or 'helm'} on this machine", where=program or "PATH", hint=hint)
        return program


def _arguments(chart: Chart) -> list[str]:
    application = chart.application
    options = options_of(application)
    # Tests are run by people, after the fact; Helm makes no release here that they could be part of.
    place = ARCHIVE if chart.is_remote else posixpath.join("tree", chart.folder)
    arguments = ["template", options.release_name or application.name, place, "--skip-tests"]
    arguments += ["--namespace", options.namespace or application.spec.namespace or "default"]
    for path in chart.values:
        arguments += ["--values", f"tree/{path}"]
    if options.values:
        arguments += ["--values", INLINE]
    if options.include_crds:
        arguments.append("--include-crds")
    if options.kube_version:
        arguments += ["--kube-version", options.kube_version]
    if options.api_versions:
        arguments += ["--api-versions", ",".join(options.api_versions)]
    return arguments


def _broken(chart: Chart, files: Mapping[str, bytes]) -> list[Fault]:
    """Value files that are no YAML: helm would name no file."""
    faults: list[Fault] = []
    for path in (posixpath.join(chart.folder, "values.yaml"), *chart.values):
        try:
            read(files.get(f"tree/{path}", b""), path)
        except DeclarationError as error:
            faults.extend(error.faults)
    return faults


def _why(completed: Completed, chart: Chart, origins: Origins, files: Mapping[str, bytes]) -> Fault:
    if completed.ending is Ending.EXITED and completed.code > 0 and not _CRASHED.search(completed.err):
        fault = origins.complaint(completed.err.decode(errors="replace"))
        for secret in sorted(set(_secrets(options_of(chart.application).values, files, chart)), key=len, reverse=True):
            fault = dataclasses.replace(fault, message=fault.message.replace(secret, "***"))
        return fault
    otherwise = "was killed: it needs too much memory or time"
    told = {Ending.DEADLINE: "took too long", Ending.FLOOD: "makes too much"}.get(completed.ending, otherwise)
    return Fault(chart.start, chart.start_line, 0, f"helm {told}", "split the chart into several")


def _secrets(values: Mapping[str, Any], files: Mapping[str, bytes], chart: Chart) -> Iterator[str]:
    """The values that are secrets by their names: a template may say anything when it fails."""
    yield from secrets_in(values)
    for path in (posixpath.join(chart.folder, "values.yaml"), *chart.values):
        for document in read(files.get(f"tree/{path}", b""), path):
            yield from secrets_in(document.body)


helm = Helm()
