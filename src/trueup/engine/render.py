"""An application's files -> its manifests, through a renderer that is given its declared inputs and nothing else."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from trueup.engine.complete import check, completed
from trueup.engine.declared import DeclaredTree
from trueup.engine.inputs import declaration_inputs, listed_inputs, taken_along, with_links
from trueup.engine.offers import TargetOffers
from trueup.model.application import Application, Render, Target
from trueup.model.contracts import Kinds, RendererKind, RuntimeKind, TakesFromTarget, Tree
from trueup.model.errors import Awaited, DeclarationError, Fault, RuntimeFault, SettingsError, TrueupError
from trueup.model.manifest import Body, Key, Manifest, Origin, digest_of
from trueup.model.memory import Catalog, Input
from trueup.model.secret import Secret
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
            raise Unrendered([fault], (*declaration_inputs(application, target, tree), Input("folder", "", "")), passing=True) from error

    def _rendering(self, application: Application, target: Target | None, tree: Tree, ask: bool) -> Rendering:
        renderer, runtime = self._kinds(application, target, tree)
        declared = declaration_inputs(application, target, tree)
        try:
            with _unbroken(application):
                inputs = renderer.inputs(application, tree)
        except DeclarationError as error:
            raise Unrendered(
                error.faults, (*declared, Input("folder", application.folder, tree.listing_id(application.folder) or ""))
            ) from error
        listed = (*declared, *listed_inputs(inputs))
        with self._turn:
            self.count += 1
        self._counted()
        try:
            with _unbroken(application):
                seen = DeclaredTree(tree, inputs, self.largest)
                offered = self._offered(application, target, ask, self._taken_from_target(renderer, runtime, application, seen))
                listed = (*listed, *offered.inputs)
                bare = renderer.render(offered.application, seen)
                manifests = completed(bare, application, runtime, tree)
                check(manifests, runtime, tree)
            every = (*with_links(dict.fromkeys((*listed, *taken_along(manifests, tree))), tree),)
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
                raise Unrendered([fault], declaration_inputs(application, target, tree))
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


def _digest(renderer: RendererKind, application: Application, target: Target | None, inputs: tuple[Input, ...]) -> str:
    declaration = application.spec.model_dump(mode="json", exclude_defaults=True)
    place = [target.spec.model_dump(mode="json"), target.name] if target else []
    listed = [[each.kind, each.path, each.object_id] for each in inputs]
    return digest_of([renderer.name, renderer.version, application.name, application.folder, declaration, place, listed])


def _holds_secret(value: object) -> bool:
    if isinstance(value, Secret):
        return True
    if isinstance(value, dict):
        return any(_holds_secret(each) for each in value.values())
    return isinstance(value, list) and any(_holds_secret(each) for each in value)
