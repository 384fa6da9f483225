"""A folder with a ``kustomization.yaml`` -> manifests, by the real ``kustomize build``, confined.

What is built is an overlay over the application's kustomization: it holds the options of the application, and has kustomize note at each
object where it comes from.
"""

import os
import posixpath
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, Field

from trueup.model.application import Application, Declared
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError, Fault, SettingsError
from trueup.model.manifest import Body, Key, Manifest, digest_of, named
from trueup.renderers.kustomize.closure import NAMES, Closure
from trueup.renderers.kustomize.complaint import broken, complaint
from trueup.renderers.kustomize.forest import Forest, Reference
from trueup.renderers.kustomize.origins import Origins, without_note
from trueup.toolkit.confine import Confinement
from trueup.toolkit.documents import read
from trueup.toolkit.process import Completed, Ending
from trueup.toolkit.sources.cache import Sources
from trueup.toolkit.steadiness import Steady, contents, unsteady

OVERLAY: Final = "overlay"
_MARKS: Final = (b"helmCharts", b"ref=", b"version=")
_CAPABILITIES: Final = re.compile(rb"Capabilities|kubeVersion:")
_CRASHED: Final = re.compile(rb"^(fatal error|runtime): ", re.MULTILINE)
LARGEST_OUTPUT: Final = 64 * 1024 * 1024


class Image(Declared):
    """An image that is named ``name`` in the manifests, and by what it is replaced."""

    name: str
    """As the manifests name it."""
    new_name: str = ""
    """Another image in its place."""
    new_tag: str = ""
    """Another tag."""
    digest: str = ""
    """A digest instead of a tag."""


Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Patch(Declared):
    """A patch, written in place or in a file, and the objects that it is for."""

    path: str = ""
    """A file with the patch."""
    patch: str = ""
    """The patch itself."""
    target: dict[str, str] = Field({})
    """Which objects it is for, such as ``kind: Deployment``; left out: the one that the patch names."""


class KustomizeOptions(Declared):
    """Options of ``render: {with: kustomize}``, an overlay over what lies in Git; paths are relative to the application's folder."""

    images: tuple[Image, ...] = ()
    """Images and what they are replaced by."""
    namespace: str = ""
    """The namespace of every object."""
    patches: tuple[Patch, ...] = ()
    """Patches, as in a kustomization."""
    components: tuple[str, ...] = ()
    """Folders of components."""
    labels: dict[str, str] = Field({})
    """Labels of the objects, not of selectors or templates."""
    digests: dict[str, Digest] = Field({})
    """Of what is fetched: a chart in ``helmCharts`` by ``NAME-VERSION``, a file over HTTP by its address."""
    kube_version: str = ""
    """What charts in ``helmCharts`` see in ``.Capabilities.KubeVersion``; left out: the target's."""
    api_versions: tuple[str, ...] = ()
    """What charts in ``helmCharts`` see in ``.Capabilities.APIVersions``; left out: the target's."""


class Kustomize:
    """Builds with the program that is named, else the ``kustomize`` or the ``kubectl`` on PATH."""

    name = "kustomize"
    Options: type[BaseModel] = KustomizeOptions

    def __init__(self, program: str = "", confinement: Confinement | None = None, sources: Sources | None = None) -> None:
        self._program = program
        self._sources = sources or Sources()
        self._helm = ""
        self._steady = Steady()
        self._confinement = confinement or Confinement()
        self._versions: dict[tuple[str, int], str] = {}

    def equipped(self, program: str, confinement: Confinement) -> "Kustomize":
        """The same renderer with what the operator chose; an empty program is looked for on PATH."""
        return self._changed(Kustomize(program, confinement, self._sources), self._helm)

    def supplied(self, sources: Sources) -> "Kustomize":
        """The same renderer with what it may take from outside of the repository."""
        return self._changed(Kustomize(self._program, self._confinement, sources), self._helm)

    def helped(self, helm: str) -> "Kustomize":
        """The same renderer with the helm that it runs for ``helmCharts``; empty: the one on PATH."""
        return self._changed(Kustomize(self._program, self._confinement, self._sources), helm)

    def _changed(self, other: "Kustomize", helm: str) -> "Kustomize":
        other._helm = helm
        return other

    @property
    def version(self) -> str:
        """What the program says of itself: another program may make other manifests. Asked for once."""
        program = self._found()
        known = (program, Path(program).stat().st_mtime_ns)
        if known not in self._versions:
            arguments = ["version", "--client", "-o", "json"] if _is_kubectl(program) else ["version"]
            said = self._confinement.run(program, arguments, {})
            if not said.succeeded:
                told = said.err.decode(errors="replace").strip()[-300:]
                raise SettingsError(f"{program} does not tell its version: {told}", where=program, hint="install it again")
            version = msgspec.json.decode(said.out)["kustomizeVersion"] if _is_kubectl(program) else said.out.decode().strip()
            self._versions[known] = f"1 {version}"
        return self._versions[known] + self._helm_mark

    @property
    def _helm_mark(self) -> str:
        """Which helm would inflate charts: told apart without starting it."""
        helm = self._helm or shutil.which("helm")
        state = Path(helm).stat() if helm and Path(helm).is_file() else None
        return f" helm:{state.st_size}-{state.st_mtime_ns}" if state else ""

    @property
    def program(self) -> str:
        """What renders, for the history."""
        return f"kustomize {self.version.removeprefix('1 ').partition(' ')[0]}"

    def takes(self, application: Application, tree: Tree) -> frozenset[str]:
        """The versions of the target's API, where a chart looks at them."""
        options = _options(application)
        given = {"kubeVersion": options.kube_version, "apiVersions": options.api_versions}
        if not _may_name_charts(options, tree):
            return frozenset()
        closure = self._closure(application, tree)
        if not closure.charts or closure.faults or all(given.values()):
            return frozenset()
        looks = any(_CAPABILITIES.search(text) for text in (*closure.fetched.values(), *map(closure.tree.read, closure.files)))
        return frozenset(name for name, value in given.items() if not value) if looks else frozenset()

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        """A folder with a kustomization."""
        return any(name in names for name in NAMES)

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        """Every file that the kustomization refers to, and every one it refers to in vain."""
        return self._closure(application, tree).inputs

    def _closure(self, application: Application, tree: Tree) -> Closure:
        options = _options(application)
        closure = Closure(Forest(tree, self._sources), options.digests)
        named = Reference(application.folder, application.file, application.line)
        closure.enter(application.folder, named)
        for component in options.components:
            closure.take(component, named, roots=True)
        for patch in options.patches:
            closure.take(patch.path, named)
        return closure

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        """Every object that kustomize makes, in its order."""
        closure = self._closure(application, tree)
        if closure.faults:
            raise closure.fault
        start = next(iter(closure.kustomizations), posixpath.join(application.folder, NAMES[0]))
        top = closure.kustomizations[start].body if closure.kustomizations else {}
        files = {f"tree/{path}": closure.content(path) for path in closure.files}
        overlay = _overlay(application, top if isinstance(top, dict) else {}, closure.outside)
        files[f"{OVERLAY}/kustomization.yaml"] = msgspec.json.encode(overlay)
        files.update({f"tree/{path}": content for path, content in closure.fetched.items()})

        def build() -> list[Manifest]:
            return self._made(application, closure, files, start)

        manifests = build()
        if closure.charts:
            # Only charts can come out different, for kustomize itself has no clock and no chance.
            inputs, ignore = digest_of(contents(files)), application.spec.ignore
            self._steady.demand(inputs, files.values(), lambda: unsteady(manifests, build(), application.names_of, ignore))
        return manifests

    def _made(self, application: Application, closure: Closure, files: Mapping[str, bytes], start: str) -> list[Manifest]:
        forest = closure.tree
        top = closure.kustomizations[start].body if closure.kustomizations else {}
        completed = self._built(files, self._for_charts(application) if closure.charts else [])
        if not completed.succeeded:
            faults = broken(closure, forest) or [_why(completed, closure, start)]
            raise DeclarationError([forest.located(closure.unplaced(each)) for each in faults])
        origins = Origins(forest, closure, start, OVERLAY)
        keep_note = "originAnnotations" in _metadata(top)
        return _manifests(_objects(completed.out, start), forest, origins, keep_note)

    def _built(self, files: Mapping[str, bytes], for_charts: Sequence[str]) -> Completed:
        program = self._found()
        # Only declared inputs lie there: that a file may be taken from beside a kustomization is no danger.
        arguments = ["--load-restrictor", "LoadRestrictionsNone", *for_charts, OVERLAY]
        visible = [os.path.realpath(self._found_helm())] if for_charts else []
        return self._confinement.run(program, ["kustomize" if _is_kubectl(program) else "build", *arguments], files, visible)

    def _for_charts(self, application: Application) -> list[str]:
        options = _options(application)
        arguments = ["--enable-helm", "--helm-command", os.path.realpath(self._found_helm())]
        if options.kube_version:
            arguments += ["--helm-kube-version", options.kube_version]
        for version in options.api_versions:
            arguments += ["--helm-api-versions", version]
        return arguments

    def _found_helm(self) -> str:
        program = self._helm or shutil.which("helm")
        if not program or not Path(program).is_file():
            hint = 'install helm, or name one: `[render] helm = "/usr/local/bin/helm"`'
            raise SettingsError(f"`helmCharts` needs helm, and there is no {program or 'helm'} here", where=program or "PATH", hint=hint)
        return program

    def _found(self) -> str:
        program = self._program or shutil.which("kustomize") or shutil.which("kubectl")
        if not program or not Path(program).is_file():
            hint = 'install kustomize or kubectl, or name one: `[render] kustomize = "/usr/local/bin/kustomize"`'
            raise SettingsError(f"there is no {program or 'kustomize'} on this machine", where=program or "PATH", hint=hint)
        return program


def _may_name_charts(options: KustomizeOptions, tree: Tree) -> bool:
    """A quick look, for most name none: whether the word stands anywhere, or a base lies where only a fetch could tell."""
    written = [tree.read(path) for path in tree.walk("") if posixpath.basename(path) in NAMES]
    return any(mark in text for text in (*written, *(each.encode() for each in options.components)) for mark in _MARKS)


def _is_kubectl(program: str) -> bool:
    return "kubectl" in Path(program).name


def _options(application: Application) -> KustomizeOptions:
    return KustomizeOptions.model_validate(application.spec.render.options)


def _metadata(top: object) -> list[Any]:
    written = top.get("buildMetadata") if isinstance(top, dict) else None
    return written if isinstance(written, list) else []


def _overlay(application: Application, top: Mapping[str, Any], outside: Mapping[str, str]) -> dict[str, object]:
    """The options as a kustomization, and what only the outermost one may say."""
    options = _options(application)
    folder = posixpath.join("../tree", application.folder) if application.folder else "../tree"
    overlay: dict[str, object] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "components" if top.get("kind") == "Component" else "resources": [folder],
        "buildMetadata": list(dict.fromkeys([*_metadata(top), "originAnnotations"])),
    }
    if isinstance(top.get("openapi"), dict):
        overlay["openapi"] = {name: _beside(folder, value) if name == "path" else value for name, value in top["openapi"].items()}
    if options.components:
        components = overlay.get("components")
        overlay["components"] = [
            *(components if isinstance(components, list) else []),
            *(f"../tree/{outside[each]}" if each in outside else _beside(folder, each) for each in options.components),
        ]
    if options.images:
        overlay["images"] = [each.model_dump(by_alias=True, exclude_defaults=True) for each in options.images]
    if options.namespace:
        overlay["namespace"] = options.namespace
    if options.patches:
        overlay["patches"] = [_patch(folder, each) for each in options.patches]
    if options.labels:
        overlay["labels"] = [{"pairs": options.labels}]
    return overlay


def _patch(folder: str, patch: Patch) -> dict[str, object]:
    written: dict[str, object] = patch.model_dump(by_alias=True, exclude_defaults=True)
    return {**written, "path": _beside(folder, patch.path)} if patch.path else written


def _beside(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _why(completed: Completed, closure: Closure, start: str) -> Fault:
    if completed.ending is Ending.EXITED and completed.code > 0 and not _CRASHED.search(completed.err):
        return complaint(completed.err.decode(errors="replace"), closure, closure.tree, start)
    otherwise = "was killed: it needs too much memory or time"
    told = {Ending.DEADLINE: "took too long", Ending.FLOOD: "makes too much"}.get(completed.ending, otherwise)
    return Fault(start, 1, 0, f"kustomize {told}", "split the application into several")


def _objects(output: bytes, start: str) -> list[Body]:
    try:
        bodies = [document.body for document in read(output, start, LARGEST_OUTPUT)]
    except DeclarationError as error:
        faults = [Fault(start, 1, 0, f"what kustomize makes is no manifest: {each.message}") for each in error.faults]
        raise DeclarationError(faults) from error
    return [body for body in bodies if isinstance(body, dict)]


def _manifests(bodies: list[Body], forest: Forest, origins: Origins, keep_note: bool) -> list[Manifest]:
    manifests: list[Manifest] = []
    faults: list[Fault] = []
    for body in map(named, bodies):
        origin = forest.origin(origins.of(body))
        metadata = body.get("metadata")
        if body.get("apiVersion") and body.get("kind") and isinstance(metadata, dict) and metadata.get("name"):
            manifests.append(Manifest(Key.of(body), body if keep_note else without_note(body), origin))
        else:
            message = "an object needs apiVersion, kind and metadata.name"
            faults.append(Fault(origin.file, origin.line, 0, message, "write all three"))
    if faults:
        raise DeclarationError(faults)
    return manifests


kustomize = Kustomize()
