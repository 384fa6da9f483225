"""Jsonnet files, what they import and what they evaluate to."""

import pytest

from trueup.model.application import Application, ApplicationSpec, Render
from trueup.model.errors import DeclarationError, Fault
from trueup.renderers.jsonnet import Jsonnet, jsonnet
from trueup.testing import OURS, FolderTree
from trueup.toolkit.confine import Bounds, Confinement

OBJECT = "{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: %s } }"


def application(**options: object) -> Application:
    spec = ApplicationSpec(target="somewhere", render=Render.model_validate({"with": "jsonnet", **options}))
    return Application(OURS, "shop", spec, "app/trueup.yaml", 1)


def tree(**files: str) -> FolderTree:
    return FolderTree({f"app/{name}.jsonnet": text.encode() for name, text in files.items()})


def keys(files: FolderTree, **options: object) -> list[str]:
    return [str(each.key) for each in jsonnet.render(application(**options), files)]


def faults(files: FolderTree, renderer: Jsonnet = jsonnet) -> list[Fault]:
    with pytest.raises(DeclarationError) as caught:
        renderer.render(application(), files)
    return list(caught.value.faults)


def test_objects_are_found_however_deep_they_are() -> None:
    one, two, three = (OBJECT % f"'{name}'" for name in ("one", "two", "three"))
    listed = f"{{ apiVersion: 'v1', kind: 'List', items: [{three}] }}"
    assert keys(tree(a=f"{{ deep: {{ deeper: [{one}, null] }} }}", b=two, c=listed)) == [
        "ConfigMap/one",
        "ConfigMap/two",
        "ConfigMap/three",
    ]


def test_variables_and_arguments_are_given() -> None:
    text = "function(name, size) " + OBJECT % "name + std.extVar('tail') + std.toString(size + std.extVar('more'))"
    assert keys(tree(a=text), tlaVars={"name": "web"}, tlaCode={"size": "2"}, extVars={"tail": "-"}, extCode={"more": "1"}) == [
        "ConfigMap/web-3"
    ]


def test_an_object_is_traced_to_the_line_that_writes_its_name() -> None:
    [manifest] = jsonnet.render(application(), tree(a="local x = 1;\n\n" + OBJECT % "'web'"))
    assert (manifest.origin.file, manifest.origin.line) == ("app/a.jsonnet", 3)


def test_only_what_is_imported_is_an_input() -> None:
    text = """
      // import 'comment.libsonnet'
      local a = import 'a.libsonnet', b = importstr "b.txt", c = 'import "string.libsonnet"', d = import @'lib.libsonnet';
      local e = |||
        import 'block.libsonnet'
      |||;
      {}
    """
    names = ("comment.libsonnet", "a.libsonnet", "b.txt", "string.libsonnet", "block.libsonnet", "vendor/lib.libsonnet", "c.libsonnet")
    files = {"app/x.jsonnet": text.encode(), **{f"app/{name}": b"import 'c.libsonnet'" for name in names}}
    found = jsonnet.inputs(application(), FolderTree(files))
    assert set(found.files) == {"app/x.jsonnet", "app/a.libsonnet", "app/b.txt", "app/vendor/lib.libsonnet", "app/c.libsonnet"}
    assert found.absent >= {"app/lib.libsonnet", "app/lib/lib.libsonnet"}


@pytest.mark.parametrize("name", ["../../beyond.libsonnet", "/etc/passwd", "missing.libsonnet"])
def test_an_import_that_is_not_in_the_repository_is_refused(name: str) -> None:
    [fault] = faults(tree(a=f"{{}} +\nimportstr '{name}'"))
    assert (fault.file, fault.line) == ("app/a.jsonnet", 2)


def test_what_is_no_object_is_told() -> None:
    assert [fault.message for fault in faults(tree(a="{ size: 1 }", b="{ apiVersion: 'v1', kind: 'Secret' }"))] == [
        "size: this is no object",
        "the file: Secret has no metadata.name",
    ]


def test_an_evaluation_without_end_is_ended() -> None:
    renderer = Jsonnet(Confinement(bounds=Bounds(deadline=1.0)))
    [fault] = faults(tree(a="std.length([x for x in std.range(0, 1000000000) if x < 0])"), renderer)
    assert fault.message in ("jsonnet took too long", "jsonnet was killed: it needs too much memory or time")
