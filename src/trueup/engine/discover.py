"""Declaration files -> Targets and Applications, with every fault of every file."""

import difflib
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pathspec
from pydantic import BaseModel, ValidationError

from trueup.model.application import API_VERSION, Application, ApplicationDocument, Target, TargetDocument
from trueup.model.contracts import Kinds, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.memory import Outline
from trueup.toolkit.documents import Document, read
from trueup.toolkit.wording import mending, told, worded

IGNORE_FILE: Final = ".trueupignore"
LARGEST_DECLARATION: Final = 3 * 1024 * 1024
# Beyond it, looking for a name that is nearly the same takes longer than it helps.
MOST_SUGGESTIONS: Final = 2000
MOST_NAMES: Final = 10


@dataclass(slots=True)
class Found:
    """What one file, or many, declare."""

    applications: list[Application] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def is_declaration(path: str) -> bool:
    """Whether a file of this path declares applications and targets."""
    name = posixpath.basename(path)
    return name == "trueup.yaml" or name.endswith(".trueup.yaml")


def ignored(tree: Tree, folder: str, paths: Iterable[str]) -> set[str]:
    """Those of ``paths`` that ``.trueupignore`` of the followed folder hides (gitignore's syntax)."""
    file = posixpath.join(folder, IGNORE_FILE)
    if tree.kind(file) != "file":
        return set()
    rules = pathspec.GitIgnoreSpec.from_lines(tree.read(file, LARGEST_DECLARATION).decode(errors="replace").splitlines())
    return {path for path in paths if rules.match_file(posixpath.relpath(path, folder or "."))}


def discover(repository: str, tree: Tree, files: Iterable[str], kinds: Kinds) -> Found:
    """Read these declaration files; what is right in one is kept though something else in it is wrong."""
    found = Found()
    for file in sorted(files):
        try:
            documents = read(tree.read(file, LARGEST_DECLARATION), file, LARGEST_DECLARATION)
        except DeclarationError as error:
            found.faults.extend(error.faults)
            continue
        for document in documents:
            try:
                declared = _Reader(repository, file, document, kinds).declared()
            except DeclarationError as error:
                found.faults.extend(error.faults)
                continue
            if isinstance(declared, Application):
                found.applications.append(declared)
            else:
                found.targets.append(declared)
    return found


class _Reader:
    """Reads one document."""

    def __init__(self, repository: str, file: str, document: Document, kinds: Kinds) -> None:
        self.repository = repository
        self.file = file
        self.document = document
        self.kinds = kinds

    def declared(self) -> Application | Target:
        body = self.document.body
        if not isinstance(body, dict):
            raise self._wrong((), "a declaration must be a mapping", "write apiVersion, kind, metadata and spec")
        model = self._model(body.get("apiVersion"), body.get("kind"))
        try:
            read_document = model.model_validate(body)
        except ValidationError as error:
            raise self._unfit(error, model, ()) from None
        if isinstance(read_document, ApplicationDocument):
            return self._application(read_document)
        return self._target(read_document)

    def _model(self, version: object, kind: object) -> type[ApplicationDocument] | type[TargetDocument]:
        if version != API_VERSION:
            raise self._wrong(("apiVersion",), f"unknown apiVersion `{version}`", f"write `apiVersion: {API_VERSION}`")
        if kind == "ApplicationSet":
            raise self._wrong(("kind",), "kind ApplicationSet is not supported yet", "declare each application by itself")
        if kind == "Application":
            return ApplicationDocument
        if kind == "Target":
            return TargetDocument
        raise self._wrong(
            ("kind",), f"unknown kind `{kind}`", _suggestion(str(kind), ("Application", "Target"), "write Application or Target")
        )

    def _application(self, read_document: ApplicationDocument) -> Application:
        spec, metadata = read_document.spec, read_document.metadata
        application = Application(self.repository, metadata.name, spec, self.file, self.document.line, metadata.labels)
        if application.folder.startswith(".."):
            raise self._wrong(("spec", "path"), f"`{spec.path}` leaves the repository", "name a folder inside the repository")
        name, renderers = spec.render.renderer, self.kinds.renderers
        if not name and spec.render.options:
            hint = f"write `render: {{with: {'|'.join(sorted(renderers))}, ...}}`"
            raise self._wrong(("spec", "render"), "render has options but does not say `with`", hint)
        if name and name not in renderers:
            raise self._unknown(("spec", "render", "with"), f"unknown renderer `{name}`", renderers)
        if name:
            self._fit(renderers[name].Options, spec.render.options, ("spec", "render"))
        return application

    def _target(self, read_document: TargetDocument) -> Target:
        spec, metadata = read_document.spec, read_document.metadata
        runtimes = self.kinds.runtimes
        if spec.runtime not in runtimes:
            raise self._unknown(("spec", "runtime"), f"unknown runtime `{spec.runtime}`", runtimes)
        self._fit(runtimes[spec.runtime].Specification, spec.options, ("spec",))
        return Target(self.repository, metadata.name, spec, self.file, self.document.line, metadata.labels)

    def _fit(self, model: type[BaseModel], options: dict[str, Any], steps: tuple[str | int, ...]) -> None:
        try:
            model.model_validate(options)
        except ValidationError as error:
            raise self._unfit(error, model, steps) from None

    def _unfit(self, error: ValidationError, model: type[BaseModel], steps: tuple[str | int, ...]) -> DeclarationError:
        faults: list[Fault] = []
        for each, words in worded(error.errors(include_url=False, include_input=False)):
            path = (*steps, *each["loc"])
            name = ".".join(str(step) for step in path)
            if each["type"] == "extra_forbidden":
                known = _fields(model, each["loc"][:-1])
                message, hint = f"unknown key `{name}`", _suggestion(str(each["loc"][-1]), known, "`trueup schema` lists every key")
            else:
                message, hint = told(f"`{name}`", words), mending(each) or "`trueup schema` describes it"
            faults.extend(self._wrong(path, message, hint).faults)
        return DeclarationError(faults)

    def _unknown(self, steps: tuple[str | int, ...], message: str, known: Iterable[str]) -> DeclarationError:
        return self._wrong(steps, message, _suggestion(str(message.split("`")[1]), known, f"known here: {', '.join(sorted(known))}"))

    def _wrong(self, steps: tuple[str | int, ...], message: str, hint: str) -> DeclarationError:
        return DeclarationError([Fault(self.file, self.document.line_of(steps), 0, message, hint)])


def _fields(model: type[BaseModel], steps: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand at this path of a model."""
    for step in steps:
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        inner = fields.get(str(step))
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def cross_check(applications: Iterable[Outline], targets: set[str], lines: dict[str, tuple[str, int]]) -> dict[str, list[Fault]]:
    """What is wrong between files: two of one name, a target or dependency that does not exist, cycles. By application.

    ``lines`` says where an application is declared, for those that were read now; the others are told with their file alone.
    """
    known = {application.name: application for application in applications}
    faults: dict[str, list[Fault]] = {}
    for application in known.values():
        file, line = lines.get(application.name, (application.file, 0))
        if application.target not in targets:
            hint = _suggestion(
                application.target, targets, "declare it as `kind: Target`; one whose declaration has a fault does not count"
            )
            faults.setdefault(application.name, []).append(Fault(file, line, 0, f"target `{application.target}` does not exist", hint))
        for needed in application.depends_on:
            if needed not in known:
                hint = _suggestion(needed, known, "it must be an application of the same repository")
                faults.setdefault(application.name, []).append(
                    Fault(file, line, 0, f"`dependsOn` names `{needed}`, which does not exist", hint)
                )
    for cycle in _cycles(known):
        more = [f"{len(cycle) - MOST_NAMES} more"] if len(cycle) > MOST_NAMES else []
        message = f"`dependsOn` goes round in a circle: {' -> '.join((*cycle[:MOST_NAMES], *more, cycle[0]))}"
        for name in cycle:
            file, line = lines.get(name, (known[name].file, 0))
            faults.setdefault(name, []).append(Fault(file, line, 0, message, "take one of them out"))
    return faults


def duplicates(declared: Iterable[Application] | Iterable[Target]) -> dict[str, list[Fault]]:
    """A fault for each declaration whose name another one has too, by name: nobody can say which of them is meant."""
    named: dict[str, list[Application | Target]] = {}
    for each in declared:
        named.setdefault(each.name, []).append(each)
    return {name: [_doubled(each, several) for each in several] for name, several in named.items() if len(several) > 1}


def _doubled(declared: Application | Target, several: list[Application | Target]) -> Fault:
    kind = "application" if isinstance(declared, Application) else "target"
    others = ", ".join(f"{each.file}:{each.line}" for each in several if each is not declared)
    message = f"{kind} `{declared.name}` is declared {'twice' if len(several) == 2 else f'{len(several)} times'}; also at {others}"
    return Fault(declared.file, declared.line, 0, message, "a name is unique in its repository: keep one of them, or give it another name")


def _suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1) if len(names) <= MOST_SUGGESTIONS else []
    return f"did you mean `{near[0]}`?" if near else otherwise


def _cycles(known: dict[str, Outline]) -> Iterator[tuple[str, ...]]:
    """Each cycle once, starting at its smallest name."""
    done: set[str] = set()
    for start in sorted(known):
        trail: list[str] = []
        places: dict[str, int] = {}
        stack = [(start, iter(known[start].depends_on))] if start not in done else []
        if stack:
            places[start] = 0
            trail.append(start)
        while stack:
            name, needs = stack[-1]
            following = next((need for need in needs if need in known), None)
            if following is None:
                stack.pop()
                trail.pop()
                places.pop(name)
                done.add(name)
            elif following in places:
                cycle = trail[places[following] :]
                smallest = cycle.index(min(cycle))
                yield (*cycle[smallest:], *cycle[:smallest])
            elif following not in done:
                places[following] = len(trail)
                trail.append(following)
                stack.append((following, iter(known[following].depends_on)))
