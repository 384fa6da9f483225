"""An application's files -> its manifests, through a renderer that is given its declared inputs and nothing else."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from trueup.engine.declared import DeclaredTree
from trueup.engine.offers import TargetOffers
from trueup.model.application import Application, Render, Target
from trueup.model.contracts import Inputs, Kinds, RendererKind, RuntimeKind, TakesFromTarget, Tree
from trueup.model.errors import Awaited, DeclarationError, Fault, RuntimeFault, SettingsError, TrueupError
from trueup.model.manifest import WAVE_ANNOTATION, Body, Key, Manifest, Origin, digest_of
from trueup.model.memory import Catalog, Input
from trueup.model.secret import Secret
from trueup.model.source import resolve_path
from trueup.toolkit.documents import read
from trueup.toolkit.door import Door

KEPT_IN_MEMORY: Final = 256
OFFERED: Final = "//target/"
"""What a render takes from its target is an input too, at a path that no file has."""

LARGEST_FILE: Final = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a render gave: the manifests with their sources, every input, and the digest of both the inputs and the declaration.

    ``literal``: the renderer says that each manifest is a document of its origin file as it stands there, and comes from no other file.
    ``renderer``: what made them, with its version.
    """

    manifests: tuple[Manifest, ...]
    inputs: tuple[Input, ...]
    digest: str
    literal: bool = False
    renderer: str = ""


class Unrendered(DeclarationError):
    """The render failed; ``inputs`` are what must change for it to go well. ``passing``: it may go well without any change in Git."""

    def __init__(self, faults: Iterable[Fault], inputs: tuple[Input, ...], passing: bool = False) -> None:
        super().__init__(tuple(faults))
        self.inputs = inputs
        self.passing = passing


class Renders:
    """Renders, and remembers what it rendered: a few in memory, all but those that hold a secret in the catalog. For any thread.

    ``door``: the threads in which renders that wait for a program are made side by side; without any, one is made after the other.
    ``offers``: what targets have for renders; without it, none has anything.
    """

    def __init__(
        self,
        kinds: Kinds,
        catalog: Catalog,
        largest: int = LARGEST_FILE,
        counted: Callable[[], None] = lambda: None,
        door: Door | None = None,
        offers: TargetOffers | None = None,
    ) -> None:
        self.kinds = kinds
        self.largest = largest
        self.catalog = catalog
        self.count = 0
        self._counted = counted
        self._door = door
        self._offers = offers
        self._turn = threading.Lock()
        self._recent: OrderedDict[str, tuple[Manifest, ...]] = OrderedDict()

    def each(self, asked: Sequence[tuple[Application, Target | None]], tree: Tree) -> Iterator["Rendering | Unrendered"]:
        """Render all of these, each as ``render`` does, and give what comes of them in their order. What fails stops no other one."""
        waiting = [self._door is not None and self._waits(*each, tree) for each in asked]
        beside = self._side_by_side([each for each, waits in zip(asked, waiting, strict=True) if waits], tree)
        for each, waits in zip(asked, waiting, strict=True):
            yield next(beside) if waits else self._attempt(*each, tree)

    def _side_by_side(self, asked: Sequence[tuple[Application, Target | None]], tree: Tree) -> Iterator["Rendering | Unrendered"]:
        return self._door.each(lambda each: self._attempt(*each, tree), asked) if self._door else iter(())

    def _attempt(self, application: Application, target: Target | None, tree: Tree) -> "Rendering | Unrendered":
        try:
            return self.render(application, target, tree)
        except Unrendered as error:
            return error

    def _waits(self, application: Application, target: Target | None, tree: Tree) -> bool:
        """Whether its renderer does more than read files: then it waits for a program, and others can be made meanwhile."""
        try:
            renderer, _ = self._kinds(application, target, tree)
        except TrueupError:
            return False
        return not getattr(renderer, "literal", False)

    def render(self, application: Application, target: Target | None, tree: Tree, ask: bool = True) -> Rendering:
        """Render now. Blocks; raises Unrendered: also for what the operator must mend, or it would stop a whole repository.

        ``ask``: a target that was never reached is asked for what it has; otherwise the renderer goes by what it knows itself.
        """
        try:
            return self._rendering(application, target, tree, ask)
        except (SettingsError, RuntimeFault) as error:
            fault = Fault(application.file, application.line, 0, error.message, error.hint)
            # Nothing tells when it is mended: every look tries again.
            raise Unrendered([fault], (*_declaration_inputs(application, target, tree), Input("folder", "", "")), passing=True) from error

    def _rendering(self, application: Application, target: Target | None, tree: Tree, ask: bool) -> Rendering:
        renderer, runtime = self._kinds(application, target, tree)
        declared = _declaration_inputs(application, target, tree)
        try:
            with _unbroken(application):
                inputs = renderer.inputs(application, tree)
        except DeclarationError as error:
            raise Unrendered(
                error.faults, (*declared, Input("folder", application.folder, tree.listing_id(application.folder) or ""))
            ) from error
        listed = (*declared, *_listed(inputs))
        with self._turn:
            self.count += 1
        self._counted()
        try:
            with _unbroken(application):
                seen = DeclaredTree(tree, inputs, self.largest)
                offered = self._offered(application, target, ask, self._taken_from_target(renderer, runtime, application, seen))
                listed = (*listed, *offered.inputs)
                bare = renderer.render(offered.application, seen)
                manifests = _all_completed(bare, application, runtime, tree)
                _check(manifests, runtime, tree)
            every = (*_with_links(dict.fromkeys((*listed, *_taken(manifests, tree))), tree),)
        except DeclarationError as error:
            raise Unrendered(error.faults, listed, isinstance(error, Awaited)) from error
        digest = _digest(renderer, offered.application, target, every)
        self._remember(digest, manifests)
        made_by = str(getattr(renderer, "program", renderer.name))
        return Rendering(manifests, every, digest, bool(getattr(renderer, "literal", False)), made_by)

    # ------------------------------------------------------------------ what targets have for renders

    def _taken_from_target(
        self, renderer: RendererKind, runtime: RuntimeKind | None, application: Application, tree: Tree
    ) -> frozenset[str]:
        has = frozenset(getattr(runtime, "offers", ()))
        return renderer.takes(application, tree) & has if has and isinstance(renderer, TakesFromTarget) else frozenset()

    def _offered(self, application: Application, target: Target | None, ask: bool, names: frozenset[str]) -> "_Offered":
        """The application with the options that its target gives."""
        if not names or target is None or self._offers is None:
            return _Offered(application)
        offered = self._offers.of(target) if ask else self._offers.known(target)
        if offered is None:
            return _Offered(application)
        spec = application.spec
        given = {**spec.render.options, **{name: offered.values[name] for name in sorted(names) if name in offered.values}}
        render = Render.model_validate({"with": spec.render.renderer, **given})
        completed = msgspec.structs.replace(application, spec=spec.model_copy(update={"render": render}))
        return _Offered(completed, (Input("target", OFFERED + target.name, offered.digest),))

    def offering(self, targets: Iterable[Target]) -> list[Target]:
        """Those that may have something for renders."""
        return [each for each in targets if getattr(self.kinds.runtimes.get(each.runtime), "offers", ())]

    def taken_from(self, repository: str, targets: Iterable[Target]) -> dict[str, Target]:
        """The targets from which renders of a repository took something, by name. Blocks."""
        by_path = {OFFERED + each.name: each for each in self.offering(targets)}
        touched = self.catalog.touched(repository, sorted(by_path)) if by_path else ()
        return {by_path[given.path].name: by_path[given.path] for _, given in touched}

    def offered_anew(self, repository: str, targets: Iterable[Target]) -> set[str]:
        """The applications whose target has something else for renders now than when they were rendered. Blocks."""
        if self._offers is None:
            return set()
        known = {OFFERED + each.name: self._offers.known(each) for each in self.offering(targets)}
        now = {path: offered.digest for path, offered in known.items() if offered}
        touched = self.catalog.touched(repository, sorted(now)) if now else ()
        return {name for name, given in touched if given.object_id != now[given.path]}

    def recall(self, digest: str, application: Application, target: Target | None, tree: Tree) -> tuple[Manifest, ...]:
        """The manifests of the render with this digest, rendered again only when nothing remembers them."""
        with self._turn:
            recent = self._recent.get(digest)
            if recent is not None:
                self._recent.move_to_end(digest)
                return recent
        kept = self.catalog.rendered(digest)
        if kept is None:
            return self.render(application, target, tree).manifests
        manifests = tuple(_thawed(frozen) for frozen in msgspec.json.decode(kept, type=list[_Frozen]))
        self._keep(digest, manifests)
        return manifests

    def _kinds(self, application: Application, target: Target | None, tree: Tree) -> tuple[RendererKind, RuntimeKind | None]:
        runtime = self.kinds.runtimes.get(target.runtime) if target else None
        name = application.spec.render.renderer
        if not name:
            names = tree.names(application.folder)
            claims = [kind.name for kind in self.kinds.renderers.values() if kind.claims(names, target.runtime if target else "")]
            if len(claims) > 1:
                message = f"the renderers {' and '.join(sorted(claims))} both fit the folder `{application.folder}`"
                hint = f"choose one: `render: {{with: {sorted(claims)[0]}}}`"
                fault = Fault(application.file, application.line, 0, message, hint)
                raise Unrendered([fault], _declaration_inputs(application, target, tree))
            name = claims[0] if claims else "plain"
        return self.kinds.renderers[name], runtime

    def _remember(self, digest: str, manifests: tuple[Manifest, ...]) -> None:
        self._keep(digest, manifests)
        if not any(_holds_secret(manifest.body) for manifest in manifests):
            self.catalog.remember_render(digest, msgspec.json.encode([_frozen(manifest) for manifest in manifests]))

    def _keep(self, digest: str, manifests: tuple[Manifest, ...]) -> None:
        with self._turn:
            self._recent[digest] = manifests
            while len(self._recent) > KEPT_IN_MEMORY:
                self._recent.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Offered:
    application: Application
    inputs: tuple[Input, ...] = ()


@contextmanager
def _unbroken(application: Application) -> Iterator[None]:
    """A plug-in may do anything. What breaks in it is a fault of this application alone, or it would stop a whole repository."""
    try:
        yield
    except TrueupError:
        raise
    except Exception as error:
        message = f"something unexpected happened in a plug-in while `{application.name}` was rendered: {type(error).__name__}"
        raise DeclarationError(
            [Fault(application.file, application.line, 0, message, "report it to who makes the renderer or runtime")]
        ) from error


class _Frozen(msgspec.Struct, array_like=True):
    body: Body
    file: str
    line: int
    wave: int
    sources: dict[str, str]


def _frozen(manifest: Manifest) -> _Frozen:
    return _Frozen(manifest.body, manifest.origin.file, manifest.origin.line, manifest.wave, dict(manifest.sources))


def _thawed(frozen: _Frozen) -> Manifest:
    return Manifest(Key.of(frozen.body), frozen.body, Origin(frozen.file, frozen.line), frozen.wave, frozen.sources)


def _declaration_inputs(application: Application, target: Target | None, tree: Tree) -> tuple[Input, ...]:
    files = [application.file] if target is None or target.file == application.file else [application.file, target.file]
    return tuple(Input("file", file, tree.object_id(file) or "") for file in files)


def _listed(inputs: Inputs) -> Iterable[Input]:
    yield from (Input("file", path, object_id) for path, object_id in inputs.files.items())
    yield from (Input("folder", path, object_id) for path, object_id in inputs.folders.items())
    yield from (Input("absent", path) for path in sorted(inputs.absent))
    yield from (Input("whole", path, object_id) for path, object_id in inputs.whole.items())


def _taken(manifests: Iterable[Manifest], tree: Tree) -> Iterator[Input]:
    for path in sorted({path for manifest in manifests for path in manifest.sources}):
        is_file = tree.kind(path) == "file"
        yield Input("file" if is_file else "whole", path, tree.object_id(path) or "")
        if is_file:
            yield Input("mode", path, f"{tree.mode(path):o}")


def _with_links(inputs: Iterable[Input], tree: Tree) -> Iterator[Input]:
    """What a link leads to changes at another path: the links on the way to an input are inputs too, and so is the place they lead to."""
    waiting = list(inputs)[::-1]
    known = set(waiting)
    while waiting:
        each = waiting.pop()
        yield each
        if each.kind == "target":
            continue
        *links, place = tree.places(each.path)
        found = [Input("link", link, tree.places(link)[-1]) for link in links]
        if links:
            found.append(Input(each.kind, place, each.object_id))
        elif each.kind == "whole":
            found = [_input_at(path, tree) for path in tree.walk(each.path) if len(tree.places(path)) > 1]
        waiting.extend(new for new in reversed(found) if new not in known)
        known.update(found)


def value_of(given: Input, tree: Tree) -> str:
    """What an input's ``object_id`` is in this tree; what a target has is in none."""
    if given.kind == "target":
        return given.object_id
    if given.kind == "folder":
        return tree.listing_id(given.path) or ""
    if given.kind == "mode":
        return f"{tree.mode(given.path):o}"
    return tree.places(given.path)[-1] if given.kind == "link" else tree.object_id(given.path) or ""


def _input_at(path: str, tree: Tree) -> Input:
    kind = {"file": "file", None: "absent"}.get(tree.kind(path), "whole")
    return Input(kind, path, tree.object_id(path) or "")


def _digest(renderer: RendererKind, application: Application, target: Target | None, inputs: tuple[Input, ...]) -> str:
    declaration = application.spec.model_dump(mode="json", exclude_defaults=True)
    place = [target.spec.model_dump(mode="json"), target.name] if target else []
    listed = [[each.kind, each.path, each.object_id] for each in inputs]
    return digest_of([renderer.name, renderer.version, application.name, application.folder, declaration, place, listed])


def _all_completed(bare: Iterable[Manifest], application: Application, runtime: RuntimeKind | None, tree: Tree) -> tuple[Manifest, ...]:
    manifests: list[Manifest] = []
    faults: list[Fault] = []
    for manifest in bare:
        try:
            manifests.append(_completed(manifest, application, runtime, tree))
        except DeclarationError as error:
            faults.extend(error.faults)
    if faults:
        raise DeclarationError(faults)
    return tuple(manifests)


def _completed(manifest: Manifest, application: Application, runtime: RuntimeKind | None, tree: Tree) -> Manifest:
    """The manifest with its secrets masked, its wave read, and the object ids of what it takes along."""
    if runtime is None:
        return manifest
    identity = tree.object_id(manifest.origin.file) or ""
    body = manifest.body
    if application.spec.namespace and not manifest.key.namespace and runtime.namespaced(body):
        body = {**body, "metadata": {**body["metadata"], "namespace": application.spec.namespace}}
    for steps in runtime.secrets(body):
        body = _masked(body, steps, f"{identity}:{'/'.join(steps)}")
    hidden = replace(manifest, key=Key.of(body), body=body, wave=_wave(manifest))
    sources: dict[str, str] = {}
    for reference in runtime.references(hidden):
        path = resolve_path(application.folder, reference, manifest.origin.file, manifest.origin.line)
        if tree.kind(path) not in ("file", "folder"):
            raise DeclarationError([_untaken(manifest, reference, path, tree)])
        sources[path] = _content(path, tree)
    return replace(hidden, sources=sources)


def _content(path: str, tree: Tree) -> str:
    """Names what is taken along. That a file is a program Git keeps beside its content, and a folder's object id says it."""
    identity = tree.object_id(path) or ""
    return f"{identity}+x" if tree.kind(path) == "file" and tree.mode(path) & 0o111 else identity


def _untaken(manifest: Manifest, reference: str, path: str, tree: Tree) -> Fault:
    """Why something cannot be taken along: it is not there, or it is (in) a submodule."""
    try:
        tree.read(path)
    except DeclarationError as error:
        message = f"{manifest.key} names `{reference}`: {error.faults[0].message}"
        return Fault(manifest.origin.file, manifest.origin.line, 0, message, error.faults[0].hint)
    return Fault(manifest.origin.file, manifest.origin.line, 0, f"{manifest.key} names `{reference}`, which is no file", "name a file")


def _wave(manifest: Manifest) -> int:
    annotations = manifest.body["metadata"].get("annotations")
    written = annotations.get(WAVE_ANNOTATION, "0") if isinstance(annotations, Mapping) else "0"
    try:
        return int(str(written))
    except ValueError:
        message = f"the wave of {manifest.key} must be a whole number, not `{written}`"
        hint = f'write `{WAVE_ANNOTATION}: "1"`'
        raise DeclarationError([Fault(manifest.origin.file, manifest.origin.line, 0, message, hint)]) from None


def _masked(body: Body, path: tuple[str, ...], identity: str) -> Body:
    """The same object with one field as a Secret; what lies around it is copied, nothing is changed in place."""
    step, rest = path[0], path[1:]
    if step not in body:
        return body
    value = body[step]
    if not rest:
        return {**body, step: value if isinstance(value, Secret) else Secret(str(value), identity)}
    return {**body, step: _masked(value, rest, identity)} if isinstance(value, dict) else body


def _holds_secret(value: object) -> bool:
    if isinstance(value, Secret):
        return True
    if isinstance(value, dict):
        return any(_holds_secret(each) for each in value.values())
    return isinstance(value, list) and any(_holds_secret(each) for each in value)


def _check(manifests: tuple[Manifest, ...], runtime: RuntimeKind | None, tree: Tree) -> None:
    """What the runtime objects to without any target, told with the line of the field."""
    if runtime is None:
        return
    told = [(manifest, objection) for manifest in manifests for objection in runtime.check(manifest)]
    faults = [
        Fault(manifest.origin.file, _line(manifest, objection.path, tree), 0, f"{manifest.key}: {objection.message}", objection.hint)
        for manifest, objection in told
    ]
    if faults:
        raise (Awaited if any(objection.liftable for _, objection in told) else DeclarationError)(faults)


def _line(manifest: Manifest, steps: tuple[str | int, ...], tree: Tree) -> int:
    """The line of a field: its document is read once more, which only a fault costs. Of several objects in one document (the services
    of a Compose file) each has its spec below the line that it came from."""
    line = manifest.origin.line
    try:
        documents = read(tree.read(manifest.origin.file), manifest.origin.file)
    except DeclarationError:
        return line
    whole = next((each for each in documents if each.line == line), None)
    if whole is not None:
        return whole.line_of(steps)
    part = next((spot for each in documents if (spot := each.root.at(line))), None)
    return part.to(steps[1:]).line if part and steps[:1] == ("spec",) else line
