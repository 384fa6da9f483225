"""What a render depends on: paths and what was there, which a commit changes or not."""

from collections.abc import Iterable, Iterator

from trueup.model.application import Application, Target
from trueup.model.contracts import Inputs, Tree
from trueup.model.manifest import Manifest
from trueup.model.memory import Input


def declaration_inputs(application: Application, target: Target | None, tree: Tree) -> tuple[Input, ...]:
    """The files that declare it and its target."""
    files = [application.file] if target is None or target.file == application.file else [application.file, target.file]
    return tuple(Input("file", file, tree.object_id(file) or "") for file in files)


def listed_inputs(inputs: Inputs) -> Iterable[Input]:
    """What the renderer said that it reads."""
    yield from (Input("file", path, object_id) for path, object_id in inputs.files.items())
    yield from (Input("folder", path, object_id) for path, object_id in inputs.folders.items())
    yield from (Input("absent", path) for path in sorted(inputs.absent))
    yield from (Input("whole", path, object_id) for path, object_id in inputs.whole.items())


def taken_along(manifests: Iterable[Manifest], tree: Tree) -> Iterator[Input]:
    """What manifests name, to be delivered with them."""
    for path in sorted({path for manifest in manifests for path in manifest.sources}):
        is_file = tree.kind(path) == "file"
        yield Input("file" if is_file else "whole", path, tree.object_id(path) or "")
        if is_file:
            yield Input("mode", path, f"{tree.mode(path):o}")


def with_links(inputs: Iterable[Input], tree: Tree) -> Iterator[Input]:
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
