"""An application's Compose files -> its project: one completed model in which everything knows where it was written."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field

from trueup.model.application import Application, Declared
from trueup.renderers.compose.completing import complete
from trueup.renderers.compose.consistency import check
from trueup.renderers.compose.dotenv import read_variables
from trueup.renderers.compose.environment import read_files
from trueup.renderers.compose.fields import project_of
from trueup.renderers.compose.files import Files, inside
from trueup.renderers.compose.interpolation import Unsubstituted, substitute
from trueup.renderers.compose.loading import Loading, Part
from trueup.renderers.compose.located import Faults, Place, Table, Within
from trueup.renderers.compose.profiles import keep_used, keep_wanted
from trueup.renderers.compose.reading import documents
from trueup.renderers.compose.unsupported import name_unsupported

NAMES: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""In Compose's order: the first that is there counts."""
_OVERRIDES: Final = ("compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml")
_NAMED: Final = re.compile(rb"""^[{\s"']*name["']?\s*:""", re.MULTILINE)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


class ComposeOptions(Declared):
    """Options of ``render: {with: compose}``; paths are relative to the application's folder."""

    files: tuple[str, ...] = ()
    """The Compose files, each merged over the one before. Left out: ``COMPOSE_FILE`` of the env file, else ``compose.yaml`` and, when it is
    there, ``compose.override.yaml``."""
    profiles: tuple[str, ...] = ()
    """The profiles whose services are wanted; ``*`` is all of them. Left out: ``COMPOSE_PROFILES`` of the env file."""
    env_files: tuple[str, ...] = ()
    """The files that variables come from, the later ones winning. Left out: ``.env``."""
    variables: dict[str, str] = Field({})
    """Variables that win over those of the env files."""
    project: str = ""
    """The project's name. Left out: ``COMPOSE_PROJECT_NAME`` of the env file, else the file's ``name:``, else the application's name."""
    directory: str = ""
    """A folder on the host for relative paths that are not in Git, such as ``./data``."""
    volumes: Literal["keep", "delete"] = "keep"
    """``delete``: a named volume that leaves Git is deleted, with all that is in it."""


@dataclass(frozen=True, slots=True)
class Project:
    """``model`` is completed and located; ``canonical`` is the same as ``docker compose config --format json`` prints it.

    ``folder`` is what relative paths are relative to.
    """

    name: str
    folder: str
    variables: Mapping[str, str]
    model: Table
    canonical: dict[str, Any]


def project_in(application: Application, files: Files, faults: Faults) -> Project | None:
    """The project of an application; None when it cannot even be begun. What is wrong is among the faults."""
    options = ComposeOptions.model_validate(application.spec.render.options)
    opening = _Opening(application, options, files, faults)
    variables = opening.variables(application.folder, {})
    names = opening.compose_files(variables)
    if not names:
        return None
    folder = posixpath.dirname(names[0])
    if folder != application.folder and not options.env_files:
        variables = opening.variables(folder, variables)
    name = opening.project_name(names, variables)
    variables = {**variables, "COMPOSE_PROJECT_NAME": name}
    loading = Loading(files, faults)
    model = loading.model(Part(names, folder, variables, opening.place))
    profiles = options.profiles or _listed(variables.get("COMPOSE_PROFILES", ""), ",")
    unset = _finish(model, name, variables, profiles, loading)
    canonical = project_of(model, faults)
    _tell_unset(unset, faults)
    return Project(name, folder, variables, model, canonical)


def _finish(model: Table, name: str, variables: Mapping[str, str], profiles: Sequence[str], loading: Loading) -> Faults:
    """Make the whole project of what the files say. The variables without a value in what is wanted."""
    if not model and not loading.faults.found:
        loading.faults.add(model.place, "the Compose file says nothing", "begin with `services:`")
    # What was taken out for a fault of its own would be missed once more.
    broken = bool(loading.faults.found)
    complete(model, name, variables)
    everything = set(model["services"])
    keep_wanted(model, profiles, loading.faults)
    unset = _unset(loading, everything - set(model["services"]))
    for service in model["services"].values():
        read_files(service, variables, loading.files, loading.faults)
    if not broken and not unset.found:
        check(model, loading.faults)
    keep_used(model)
    name_unsupported(model, loading.faults)
    return unset


def _unset(loading: Loading, unwanted: set[str]) -> Faults:
    unset = Faults()
    for owner, place, each in loading.unset:
        if owner not in unwanted and not owner.startswith("x-"):
            unset.add(place, each.message, each.hint)
    return unset


def _tell_unset(unset: Faults, faults: Faults) -> None:
    """Tell them, and nothing else of their lines: what is wrong there follows from the missing value."""
    places = {(fault.file, fault.line) for fault in unset.found}
    faults.found[:] = [fault for fault in faults.found if (fault.file, fault.line) not in places] + unset.found


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is known before a Compose file is read as one."""

    application: Application
    options: ComposeOptions
    files: Files
    faults: Faults

    @property
    def place(self) -> Place:
        return Place(self.application.file, self.application.line)

    def variables(self, folder: str, known: Mapping[str, str]) -> dict[str, str]:
        """The declared variables, over those that are known, over those of the env files."""
        above = {**known, **self.options.variables}
        paths = [self._inside(path) for path in self.options.env_files]
        if not paths and self.files.is_file(inside(folder, ".env")):
            paths = [inside(folder, ".env")]
        found: dict[str, str] = {}
        for path in paths:
            content = self.files.read(path, self.place)
            if content is not None:
                found = read_variables(content, path, found, above.get, self.faults)
        return {**found, **above}

    def compose_files(self, variables: Mapping[str, str]) -> list[str]:
        """The files to merge, the first of which says where the project is."""
        named = self.options.files or _listed(variables.get("COMPOSE_FILE", ""), variables.get("COMPOSE_PATH_SEPARATOR", ":"))
        if named:
            return [self._inside(path) for path in named]
        main = self._first(NAMES)
        if not main:
            hint = "add a compose.yaml there, correct spec.path, or name the files: `render: {with: compose, files: [...]}`"
            message = f"the folder `{self.application.folder or '.'}` has none of {', '.join(NAMES)}"
            self.faults.add(self.place, message, hint)
            return []
        return [*main, *self._first(_OVERRIDES)]

    def _first(self, names: Sequence[str]) -> list[str]:
        paths = [inside(self.application.folder, name) for name in names]
        return next(([path] for path in paths if self.files.is_file(path)), [])

    def _inside(self, path: str) -> Within:
        return Within(path.lstrip("/")) if path.startswith("/") else inside(self.application.folder, path)

    def project_name(self, names: Sequence[str], variables: Mapping[str, str]) -> str:
        """The project's name: the engine's objects carry it."""
        told = self.options.project or variables.get("COMPOSE_PROJECT_NAME", "")
        if told:
            if not _NAME.fullmatch(told):
                hint = "write lower-case letters, digits, `-` and `_`, the first of them a letter or digit"
                self.faults.add(self.place, "the name of the project does not fit", hint)
            return told
        written = ""
        for file in names:
            content = self.files.read(file, self.place) if self.files.is_file(file) else None
            if not content or not _NAMED.search(content):
                continue  # Most files have no name, and are read but once.
            for document in documents(content, file, Faults()):
                written = str(document.body.get("name") or written)
        try:
            written = substitute(written, variables.get)
        except Unsubstituted:
            written = ""  # Told when the file is read as a whole.
        return _normal(written) or _normal(self.application.name)


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def _listed(text: str, separator: str) -> list[str]:
    return [each.strip() for each in text.split(separator) if each.strip()]
