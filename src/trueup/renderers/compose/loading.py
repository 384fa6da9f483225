"""Compose files -> one model: read, completed, extended, included, merged, checked, and written out in long forms, in Compose's order."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trueup.renderers.compose.dotenv import read_variables
from trueup.renderers.compose.extending import Extended, Extending
from trueup.renderers.compose.files import Files, inside
from trueup.renderers.compose.interpolation import Interpolation, Unset
from trueup.renderers.compose.located import Faults, Place, Row, Table, Within, plain
from trueup.renderers.compose.merging import Merging, take_back
from trueup.renderers.compose.paths import is_remote, resolve_paths
from trueup.renderers.compose.reading import Document, documents
from trueup.renderers.compose.schema import remove_misfits
from trueup.renderers.compose.shorthand import write_out
from trueup.renderers.compose.unicity import keep_last

MOST_FILES: Final = 500
DEEPEST: Final = 50
SECTIONS: Final = ("services", "volumes", "networks", "secrets", "configs", "models")


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are merged into one model: their folder, the variables that they see, who names them, and the files that include them."""

    files: Sequence[str]
    folder: str
    variables: Mapping[str, str]
    named: Place
    within: tuple[str, ...] = ()


@dataclass(slots=True)
class Loading:
    """Loads one project. ``unset`` are variables without a value, each with the service that it belongs to."""

    files: Files
    faults: Faults
    unset: list[tuple[str, Place, Unset]] = field(default_factory=list)
    _extended: dict[object, Extended | None] = field(default_factory=dict)
    _files_read: int = 0

    def model(self, part: Part) -> Table:
        """One model of all the files. What is wrong is among the faults, and not in the model."""
        model = Table(Place(part.files[0], 1))
        for file in part.files if self._has_room(part) else ():
            for document in self._documents(file, part, part.named, self.unset):
                self._extend(document, file, part)
                model = self._merged(model, document, file, part)
        _set_contexts(model)
        resolve_paths(model, part.folder)
        return model

    def _has_room(self, part: Part) -> bool:
        """Includes that each include two others would never end."""
        self._files_read += len(part.files)
        if self._files_read > MOST_FILES or len(part.within) > DEEPEST:
            hint = f"a project has at most {MOST_FILES} files, and at most {DEEPEST} that include each other one after the other"
            self.faults.add(part.named, "the project includes too many files", hint)
            return False
        return True

    def _documents(self, file: str, part: Part, named: Place, unset: list[tuple[str, Place, Unset]]) -> list[Document]:
        """The documents of a file with their variables replaced."""
        content = self.files.read(file, named)
        read = documents(content, file, self.faults) if content is not None else []
        interpolation = Interpolation(part.variables.get, self.faults, unset)
        for document in read:
            interpolation.complete(document.body)
        return read

    def _merged(self, model: Table, document: Document, file: str, part: Part) -> Table:
        for steps in document.taken_back:
            take_back(model, steps)
        self._include(document.body, file, part)
        model = Merging(self.faults).merge(model, document.body)
        keep_last(model)
        remove_misfits(model, self.faults)
        model.pop("version", None)
        # A range of ports may repeat what another entry says.
        keep_last(write_out(model, self.faults))
        return model

    def _extend(self, document: Document, file: str, part: Part) -> None:
        def opened(path: str, place: Place) -> Extended | None:
            known = (path, tuple(sorted(part.variables.items())))
            if known not in self._extended:
                self._extended[known] = self._opened(path, place, part)
            return self._extended[known]

        extending = Extending(part.folder, opened, self.faults, self.unset)
        extending.apply(file, document.body.get("services"), document.taken_back)

    def _opened(self, path: str, place: Place, part: Part) -> Extended | None:
        """Another file, to extend its services: these are not themselves extended yet, and its includes do not count."""
        unset: list[tuple[str, Place, Unset]] = []
        read = self._documents(path, part, place, unset)
        model = Table(Place(path, 1))
        for document in read:
            document.body.pop("include", None)
            model = self._merged(model, document, path, part)
        resolve_paths(model, posixpath.dirname(path))
        services = model.get("services")
        if not isinstance(services, Table):
            return None
        return Extended(path, services, read[-1].taken_back, unset)

    def _include(self, body: Table, file: str, part: Part) -> None:
        entries = body.pop("include", None)
        for entry, place in entries.placed() if isinstance(entries, Row) else ():
            included = self._included(entry, place, file, part)
            if included:
                self._import(self.model(included), body, place)

    def _included(self, entry: object, place: Place, file: str, part: Part) -> Part | None:
        """The files of one entry of ``include``; None, and a fault, when it cannot be followed."""
        table = entry if isinstance(entry, Table) else Table(place)
        named = table.get("path") if isinstance(entry, Table) else entry
        paths = [str(each) for each in (named if isinstance(named, Row) else [named]) if each]
        if not paths or any(is_remote(each) or each.startswith(("oci:", "/", "~")) for each in paths):
            message = "an include must be a file of the repository"
            self.faults.add(place, message, "copy it into the repository, and write its path relative to the project's folder")
            return None
        files = [inside(part.folder, each) for each in paths]
        if files[0] in (*part.within, file):
            self.faults.add(place, f"`{files[0]}` is included by itself", "remove one of the includes")
            return None
        own = table.get("project_directory")
        folder = inside(part.folder, str(own)) if own else Within(posixpath.dirname(files[0]))
        variables = self._variables(table.get("env_file"), place, folder, part)
        return Part(files, folder, variables, place, (*part.within, file))

    def _variables(self, named: object, place: Place, folder: str, part: Part) -> Mapping[str, str]:
        """What the files of an include see: everything that the including file sees, and what its own env files add."""
        written = named if isinstance(named, Row) else [named] if named else []
        paths = [inside(part.folder, str(each)) for each in written]
        if not paths and self.files.is_file(inside(folder, ".env")):
            paths = [inside(folder, ".env")]
        own: dict[str, str] = {}
        for path in paths:
            content = self.files.read(path, place)
            if content is not None:
                own = read_variables(content, path, own, part.variables.get, self.faults)
        return {**own, **part.variables}

    def _import(self, included: Table, body: Table, place: Place) -> None:
        for section in SECTIONS:
            if not isinstance(included.get(section), Table):
                continue
            target = body.get(section)
            if not isinstance(target, Table):
                target = Table(place)
                body.put(section, target, place)
            for name, value in included[section].items():
                if name not in target:
                    target.put(name, value, included[section].place_of(name))
                elif plain(target[name]) != plain(value):
                    where = included[section].place_of(name)
                    message = f"{section}.{name} is declared here and in the included {where.file}:{where.line}"
                    hint = "give it another name, or change it in an override file of that include: `path: [FILE, OVERRIDE]`"
                    self.faults.add(target.place_of(name), message, hint)


def _set_contexts(model: Table) -> None:
    """A build without a context takes the folder of its project, which is known here and not later."""
    services = model.get("services")
    for service in services.values() if isinstance(services, Table) else ():
        if isinstance(service, Table) and isinstance(service.get("build"), Table):
            service["build"].setdefault("context", ".")
