"""What kustomize says when it fails -> faults with a file, and no secret in them."""

import posixpath
import re
from collections.abc import Iterable, Iterator

from trueup.model.errors import DeclarationError, Fault
from trueup.renderers.kustomize.charts import charts
from trueup.renderers.kustomize.closure import Closure
from trueup.renderers.kustomize.forest import Forest
from trueup.toolkit.documents import read
from trueup.toolkit.telltale import secrets_in

_PLACE = re.compile(r"(?:/[^\s'\":]*/work|\.\.)/tree/|/work/tree/")
_LINE = re.compile(r"\bline (\d+)")
_ATTEMPTS = re.compile(r"^'(?:accumulating|merging) resources from '[^']*': (?P<file>.*?)': (?P<folder>.*)$", re.DOTALL)
_WRAPPING = re.compile(r"^(?:couldn't make target for path|recursed accumulation of path|recursed merging from path) '[^']*': ")
_LONGEST = 1000


def broken(closure: Closure, tree: Forest) -> list[Fault]:
    """Files among the inputs that are no YAML: kustomize would name no line."""
    faults: list[Fault] = []
    for path in closure.files:
        own = path not in closure.kustomizations and path not in closure.secret and not closure.is_in_chart(path)
        if own and path.endswith((".yaml", ".yml", ".json")):
            try:
                read(tree.read(path), path)
            except DeclarationError as error:
                faults.extend(error.faults)
    return faults


def complaint(said: str, closure: Closure, tree: Forest, start: str) -> Fault:
    """The innermost of what was said, at the file that it names last."""
    text = _PLACE.sub("", said.strip().removeprefix("Error: "))
    for secret in sorted(_secrets(closure, tree), key=len, reverse=True):
        text = text.replace(secret, "***")
    innermost = _innermost(text)
    named = {file: max(text.rfind(file), text.rfind(f"'{posixpath.basename(file)}'")) for file in closure.files}
    file = max(named, key=lambda each: named[each]) if named and max(named.values()) >= 0 else start
    line = _LINE.search(innermost)
    return Fault(
        file,
        int(line[1]) if line and file != start else 1,
        0,
        f"kustomize: {innermost}",
        f"run `kustomize build {posixpath.dirname(start) or '.'}`",
    )


def _innermost(text: str) -> str:
    """Kustomize tries what is named as a file, then as a folder, and tells both: one of them is the reason."""
    told = text.rpartition("accumulation err=")[2]
    if attempts := _ATTEMPTS.match(told):
        told = attempts["folder"] if "is a directory" in attempts["file"] else attempts["file"]
    return _WRAPPING.sub("", told)[-_LONGEST:]


def _secrets(closure: Closure, tree: Forest) -> Iterator[str]:
    """What must not be told: what secretGenerators take, and what Secrets among the resources and patches hold."""
    for path in closure.secret:
        for line in tree.read(path).decode(errors="replace").splitlines():
            yield from _worth((line, line.partition("=")[2]))
    for document in closure.kustomizations.values():
        body = document.body
        generators = body.get("secretGenerator") if isinstance(body, dict) else None
        for generator in generators if isinstance(generators, list) else []:
            literals = generator.get("literals") if isinstance(generator, dict) else None
            for literal in literals if isinstance(literals, list) else []:
                yield from _worth((str(literal), str(literal).partition("=")[2]))
    for path in closure.files:
        yield from _worth(_in_secrets(path, tree))
    for document in closure.kustomizations.values():
        for chart in charts(document):
            yield from secrets_in(chart.inline)
    if closure.charts:
        for path in closure.files:
            yield from _worth(_in_values(path, tree))


def _in_secrets(path: str, tree: Forest) -> Iterator[str]:
    content = tree.read(path)
    if b"Secret" not in content:
        return
    try:
        documents = read(content, path)
    except DeclarationError:
        documents = []
    for document in documents:
        if isinstance(document.body, dict) and document.body.get("kind") == "Secret":
            for field in ("data", "stringData"):
                values = document.body.get(field)
                yield from (str(value) for value in values.values()) if isinstance(values, dict) else ()


def _in_values(path: str, tree: Forest) -> Iterator[str]:
    """Values of charts may lie in any file of YAML."""
    try:
        documents = read(tree.read(path), path) if path.endswith((".yaml", ".yml")) else []
    except DeclarationError:
        return
    for document in documents:
        yield from secrets_in(document.body)


def _worth(texts: Iterable[str]) -> Iterator[str]:
    """Without what is too short to be a secret, or to be replaced without harm."""
    for text in texts:
        stripped = text.strip().strip("'\"")
        if len(stripped) >= 4:
            yield stripped
