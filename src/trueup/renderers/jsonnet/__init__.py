"""A folder with ``*.jsonnet`` -> manifests: each file evaluates to an object, a list of them, or a tree with objects in it."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

from pydantic import BaseModel, Field

from trueup.model.application import Application, Declared
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Body, Key, Manifest, Origin, named
from trueup.model.source import resolve_path
from trueup.renderers.jsonnet.evaluation import Request, evaluate
from trueup.renderers.jsonnet.imports import Imports
from trueup.toolkit.confine import Confinement

ENDING: Final = ".jsonnet"
_PLACE: Final = re.compile(r"(?:\s|/)tree/(\S+?):(\d+)")
_LONGEST: Final = 1000


class JsonnetOptions(Declared):
    """Options of ``render: {with: jsonnet}``."""

    libraries: tuple[str, ...] = ("lib", "vendor")
    """Folders where imports are looked for, in this order, after the importing file's own; relative to the application's folder."""
    ext_vars: dict[str, str] = Field({})
    """What ``std.extVar`` gives, as a string."""
    ext_code: dict[str, str] = Field({})
    """What ``std.extVar`` gives, as the value of an expression."""
    tla_vars: dict[str, str] = Field({})
    """Arguments of a file that evaluates to a function, as strings."""
    tla_code: dict[str, str] = Field({})
    """Arguments of a file that evaluates to a function, as the values of expressions."""


class Jsonnet:
    """Evaluates with ``rjsonnet``, in a process of its own."""

    name = "jsonnet"
    Options: type[BaseModel] = JsonnetOptions

    def __init__(self, confinement: Confinement | None = None) -> None:
        self._confinement = confinement or Confinement()

    def equipped(self, program: str, confinement: Confinement) -> "Jsonnet":
        """The same renderer with what the operator chose."""
        return Jsonnet(confinement)

    @property
    def version(self) -> str:
        """That of the library too: another one may make other manifests."""
        return f"1 {version('rjsonnet')}"

    @property
    def program(self) -> str:
        """What renders, for the history."""
        return f"rjsonnet {version('rjsonnet')}"

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        """A folder with a file to evaluate; libraries (``*.libsonnet``) alone make none."""
        return any(name.endswith(ENDING) for name in names)

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        """The folder's listing, every ``*.jsonnet`` in it, what those import, and where imports are looked for in vain."""
        return _imports(application, tree).inputs(application.folder)

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        """Every object of every file, in the order of the files. All faults are told together."""
        imports = _imports(application, tree)
        if imports.faults:
            raise DeclarationError(imports.faults)
        starts = _starts(application, tree)
        if not starts:
            message = f"the folder `{application.folder or '.'}` has no *{ENDING}"
            raise DeclarationError([Fault(application.file, application.line, 0, message, "correct spec.path, or add one")])
        files = {f"tree/{path}": tree.read(path) for path in imports.files}
        answers = evaluate(Request([f"tree/{path}" for path in starts], _arguments(application, imports)), files, self._confinement)
        manifests: list[Manifest] = []
        faults: list[Fault] = []
        for start, answer in zip(starts, answers, strict=True):
            text = files[f"tree/{start}"].decode(errors="replace")
            if answer.error:
                faults.append(_fault(answer.error, start))
            for steps, found in _objects(answer.value, ()):
                if isinstance(found, str):
                    faults.append(Fault(start, 1, 0, f"{steps or 'the file'}: {found}", "objects have apiVersion, kind and metadata.name"))
                else:
                    manifests.append(Manifest(Key.of(found), found, Origin(start, _line(text, str(found["metadata"]["name"])))))
        if faults:
            raise DeclarationError(faults)
        return manifests


def _options(application: Application) -> JsonnetOptions:
    return JsonnetOptions.model_validate(application.spec.render.options)


def _starts(application: Application, tree: Tree) -> list[str]:
    paths = (posixpath.join(application.folder, name) for name in tree.names(application.folder) if name.endswith(ENDING))
    return [path for path in paths if tree.kind(path) == "file"]


def _imports(application: Application, tree: Tree) -> Imports:
    named = _options(application).libraries
    libraries = [resolve_path(application.folder, each, application.file, application.line) for each in named]
    imports = Imports(tree, libraries)
    for start in _starts(application, tree):
        imports.follow(start)
    return imports


def _arguments(application: Application, imports: Imports) -> dict[str, object]:
    options = _options(application)
    return {
        "jpathdir": [posixpath.join("tree", each) for each in imports.libraries],
        "ext_vars": options.ext_vars,
        "ext_codes": options.ext_code,
        "tla_vars": options.tla_vars,
        "tla_codes": options.tla_code,
        "preserve_order": True,
    }


def _objects(value: object, steps: tuple[str, ...]) -> Iterator[tuple[str, Body | str]]:
    """The objects in a value, each with where it is in it; a text stands for what is wrong there."""
    if value is None:
        return
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from _objects(each, (*steps, str(place)))
    elif not isinstance(value, dict):
        yield ".".join(steps), "this is no object"
    elif isinstance(value.get("kind"), str) and isinstance(value.get("apiVersion"), str):
        value = named(value)
        if value["kind"] == "List" and isinstance(value.get("items"), list):
            yield from _objects(value["items"], (*steps, "items"))
        elif not isinstance(value.get("metadata"), dict) or not value["metadata"].get("name"):
            yield ".".join(steps), f"{value['kind']} has no metadata.name"
        else:
            yield ".".join(steps), value
    else:
        for name, each in value.items():
            yield from _objects(each, (*steps, name))


def _fault(error: str, start: str) -> Fault:
    place = _PLACE.search(error)
    message = error.partition("\n")[0][:_LONGEST]
    if place:
        return Fault(place[1], int(place[2]), 0, f"jsonnet: {message}")
    return Fault(start, 1, 0, f"jsonnet: {message}")


def _line(text: str, name: str) -> int:
    """Where the file first writes that name; 1 when it is composed."""
    found = re.search(rf"[\"']{re.escape(name)}[\"']", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


jsonnet = Jsonnet()
