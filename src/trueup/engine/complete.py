"""What a renderer gives -> manifests as the runtime wants them, or what is wrong with them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from trueup.model.application import Application
from trueup.model.contracts import RuntimeKind, Tree
from trueup.model.errors import Awaited, DeclarationError, Fault
from trueup.model.manifest import WAVE_ANNOTATION, Body, Key, Manifest
from trueup.model.secret import Secret
from trueup.model.source import resolve_path
from trueup.toolkit.documents import read


def completed(bare: Iterable[Manifest], application: Application, runtime: RuntimeKind | None, tree: Tree) -> tuple[Manifest, ...]:
    """Each with its secrets masked, its wave read, and the object ids of what it takes along. Raises DeclarationError with every fault."""
    manifests: list[Manifest] = []
    faults: list[Fault] = []
    for manifest in bare:
        try:
            manifests.append(_whole(manifest, application, runtime, tree))
        except DeclarationError as error:
            faults.extend(error.faults)
    if faults:
        raise DeclarationError(faults)
    return tuple(manifests)


def _whole(manifest: Manifest, application: Application, runtime: RuntimeKind | None, tree: Tree) -> Manifest:
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


def check(manifests: tuple[Manifest, ...], runtime: RuntimeKind | None, tree: Tree) -> None:
    """Raise DeclarationError for what the runtime objects to without any target, with the line of the field."""
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
