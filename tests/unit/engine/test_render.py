"""A renderer is given its declared inputs and nothing else; what it gave is known again by what it came from."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.end_to_end.estate import documents, thing
from tests.unit.engine.histories import KINDS
from trueup.engine.inputs import value_of
from trueup.engine.render import Rendering, Renders, Unrendered
from trueup.model.application import Application, ApplicationSpec, Render, Target, TargetSpec
from trueup.model.contracts import Inputs, Kinds, Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Key, Manifest, Origin
from trueup.model.memory import Input
from trueup.model.secret import MASK, Secret
from trueup.store import open_memory
from trueup.testing.trees import FolderTree
from trueup.toolkit.door import Door

ONE = {"web/a.yaml": documents(thing("a"))}
HERE = Target("/repository#HEAD", "here", TargetSpec(runtime="memory"), "targets.yaml")


class Options(BaseModel):
    """None."""


@dataclass
class Curious:
    """A renderer that declares some inputs and reads whatever it likes."""

    declares: Inputs
    reads: Sequence[str] = ()
    name: str = "curious"
    version: str = "1"
    Options: type[BaseModel] = Options
    found: dict[str, Any] = field(default_factory=dict)

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        return "curious" in names

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        return self.declares

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        for path in self.reads:
            self.found[path] = tree.read(path)
        self.found["kinds"] = {path: tree.kind(path) for path in ("web/a.yaml", "web/secret.yaml", "web", "other", "other/b.yaml")}
        self.found["names"] = (tree.names("web"), tree.names("other"), list(tree.walk("")))
        body = thing("a")
        return [Manifest(Key.of(body), body, Origin("web/a.yaml", 1))]


@pytest.fixture
def renders(tmp_path: Path) -> Renders:
    """The renders of a memory of their own."""
    return Renders(KINDS, open_memory(tmp_path))


def app(path: str = "web", namespace: str = "", **options: Any) -> Application:
    """An application in this folder."""
    specification = ApplicationSpec(target="here", path=path, namespace=namespace, render=Render.model_validate(options))
    return Application("/repository#HEAD", "web", specification, "trueup.yaml")


def tree(files: dict[str, str], *programs: str) -> FolderTree:
    """These files, and those of the declarations."""
    every = {"trueup.yaml": "", "targets.yaml": "", **files}
    return FolderTree({path: content.encode() for path, content in every.items()}, frozenset(programs))


def rendered(renders: Renders, files: dict[str, str], application: Application | None = None) -> Rendering:
    """A render of these files."""
    return renders.render(application or app(), HERE, tree(files))


def test_what_is_not_declared_is_not_there(tmp_path: Path) -> None:
    files = tree({**ONE, "web/secret.yaml": "s", "other/b.yaml": "b"})
    curious = Curious(Inputs(files={"web/a.yaml": "x"}), reads=["web/a.yaml"])
    Renders(Kinds({"curious": curious, **KINDS.renderers}, KINDS.runtimes), open_memory(tmp_path)).render(
        app(**{"with": "curious"}), HERE, files
    )
    assert curious.found["kinds"] == {"web/a.yaml": "file", "web/secret.yaml": None, "web": "folder", "other": None, "other/b.yaml": None}
    assert curious.found["names"] == ([], [], ["web/a.yaml"])


def test_renders_that_wait_for_a_program_are_made_side_by_side(tmp_path: Path) -> None:
    meeting = threading.Barrier(2)

    class Waiting(Curious):
        def render(self, application: Application, tree: Tree) -> list[Manifest]:
            meeting.wait(60)  # a second render must come by, or this one breaks
            if application.folder == "broken":
                raise DeclarationError([Fault("broken/a.yaml", 1, 0, "it is broken")])
            return [Manifest(Key.of(body), body, Origin("web/a.yaml", 1)) for body in [thing(application.folder)]]

    door = Door("test", 2)
    kinds = Kinds({"waiting": Waiting(Inputs()), **KINDS.renderers}, KINDS.runtimes)
    renders = Renders(kinds, open_memory(tmp_path), door=door)
    chosen: dict[str, Any] = {"with": "waiting"}
    asked = [
        (app("one", **chosen), HERE),
        (app("broken", **chosen), HERE),
        (app(), HERE),
        (app("two", **chosen), HERE),
        (app("three", **chosen), HERE),
    ]
    found = list(renders.each(asked, tree(ONE)))
    door.close()
    told = [str(each) if isinstance(each, Unrendered) else each.manifests[0].key.name for each in found]
    assert told == ["one", "it is broken", "a", "two", "three"]


def test_reading_what_is_not_declared_is_a_fault_of_the_render(tmp_path: Path) -> None:
    curious = Curious(Inputs(files={"web/a.yaml": "x"}), reads=["web/secret.yaml"])
    files = tree({**ONE, "web/secret.yaml": "s"})
    with pytest.raises(Unrendered) as raised:
        Renders(Kinds({"curious": curious}, KINDS.runtimes), open_memory(tmp_path)).render(app(**{"with": "curious"}), HERE, files)
    assert "is not a declared input of this render" in str(raised.value)
    assert Input("file", "web/a.yaml", "x") in raised.value.inputs, "what must change for it to go well is known"


def test_two_renderers_that_fit_are_a_fault(tmp_path: Path) -> None:
    both = {name: Curious(Inputs(), name=name) for name in ("one", "two")}
    with pytest.raises(Unrendered) as raised:
        Renders(Kinds({**both, **KINDS.renderers}, KINDS.runtimes), open_memory(tmp_path)).render(app(), HERE, tree({"web/curious": ""}))
    assert raised.value.message == "the renderers one and two both fit the folder `web`"
    assert raised.value.hint == "choose one: `render: {with: one}`"


def test_the_digest_is_of_everything_that_a_render_depends_on_and_of_nothing_else(renders: Renders) -> None:
    first = rendered(renders, ONE).digest
    assert rendered(renders, {**ONE, "other/b.yaml": "b"}).digest == first
    slow = TargetSpec.model_validate({"runtime": "memory", "delay": "1s"})
    others = {
        rendered(renders, {"web/a.yaml": documents(thing("a", size=2))}).digest,
        rendered(renders, {**ONE, "web/notes": "a new name in its folder"}).digest,
        rendered(renders, {**ONE, "trueup.yaml": "# its declaration"}).digest,
        rendered(renders, ONE, app(namespace="shop")).digest,
        renders.render(app(), Target(HERE.repository, "there", HERE.spec, "targets.yaml"), tree(ONE)).digest,
        renders.render(app(), Target(HERE.repository, "here", slow, "targets.yaml"), tree(ONE)).digest,
    }
    assert len(others | {first}) == 7


def test_what_a_manifest_takes_along_is_an_input(renders: Renders) -> None:
    taking = documents(thing("a", source="/shared"), thing("b", source="one.txt"))
    files = {"web/a.yaml": taking, "web/one.txt": "1", "shared/x": "x"}
    result = rendered(renders, files)
    assert {(each.kind, each.path) for each in result.inputs} >= {("whole", "shared"), ("file", "web/one.txt")}
    assert dict(result.manifests[0].sources) == {"shared": tree(files).object_id("shared")}
    assert rendered(renders, {**files, "shared/x": "y"}).digest != result.digest
    assert all(value_of(each, tree(files)) == each.object_id for each in result.inputs)
    program = tree(files, "web/one.txt")
    assert [each.path for each in result.inputs if value_of(each, program) != each.object_id] == ["web/one.txt"]
    runnable = renders.render(app(), HERE, program)
    assert runnable.manifests[1].digest != result.manifests[1].digest
    assert runnable.digest != result.digest


def test_what_a_target_objects_to_is_told_with_the_line_of_the_field(tmp_path: Path) -> None:
    class Reading(Curious):
        def render(self, application: Application, tree: Tree) -> list[Manifest]:
            web = {"image": "a", "deploy": {"replicas": 2}, "container_name": "one"}
            metadata = {"name": "web", "namespace": "shop"}
            body = {"apiVersion": "compose.trueup.dev/v1", "kind": "Service", "metadata": metadata, "spec": web}
            return [Manifest(Key.of(body), body, Origin("web/compose.yaml", 4))]

    kinds = Kinds({"reading": Reading(Inputs()), **KINDS.renderers}, KINDS.runtimes)
    compose = "name: shop\nservices:\n  db: {image: a}\n  web:\n    image: a\n    deploy: {replicas: 2}\n    container_name: one\n"
    host = Target(HERE.repository, "here", TargetSpec(runtime="compose"), "targets.yaml")
    with pytest.raises(Unrendered, match="only one container can have this name") as raised:
        Renders(kinds, open_memory(tmp_path)).render(app(**{"with": "reading"}), host, tree({"web/compose.yaml": compose}))
    assert [(fault.file, fault.line) for fault in raised.value.faults] == [("web/compose.yaml", 7)]


def test_every_fault_of_a_render_is_told_at_once(renders: Renders) -> None:
    wave = thing("c")
    wave["metadata"]["annotations"] = {"trueup.dev/wave": "soon"}
    with pytest.raises(Unrendered) as raised:
        rendered(renders, {"web/a.yaml": documents(thing("a", source="gone"), thing("b", source="../../up"), wave)})
    assert [(fault.file, fault.line) for fault in raised.value.faults] == [("web/a.yaml", 1), ("web/a.yaml", 8), ("web/a.yaml", 15)]


def test_a_namespace_completes_what_lives_in_one_and_names_none(renders: Renders) -> None:
    named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    other = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b", "namespace": "own"}}
    result = rendered(renders, {"web/a.yaml": documents(thing("a"), other, named)}, app(namespace="shop"))
    assert [str(manifest.key) for manifest in result.manifests] == ["Thing/shop/a", "Service/own/b", "Namespace/shop"]


def test_a_render_is_remembered_unless_it_holds_a_secret(renders: Renders, tmp_path: Path) -> None:
    login = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"password": "hunter2"}}
    for body, kept in ((thing("a"), True), (login, False)):
        files = tree({"web/a.yaml": documents(body)})
        result = renders.render(app(), HERE, files)
        assert (renders.catalog.rendered(result.digest) is not None) is kept
        assert "hunter2" not in repr(result)
        again = Renders(KINDS, renders.catalog)
        assert again.recall(result.digest, app(), HERE, files) == result.manifests
        assert again.count == (0 if kept else 1)
    secret = rendered(renders, {"web/a.yaml": documents(login)}).manifests[0].body["stringData"]["password"]
    assert (isinstance(secret, Secret), str(secret), secret.reveal()) == (True, MASK, "hunter2")
    assert all(b"hunter2" not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_told_at_its_declaration(renders: Renders) -> None:
    with pytest.raises(DeclarationError) as raised:
        rendered(renders, {}, app("nowhere"))
    assert raised.value.message == "the folder `nowhere` of application `web` does not exist"
