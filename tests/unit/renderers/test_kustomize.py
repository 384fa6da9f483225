"""What kustomize is given, and what is made of what it says."""

import pytest

from tests.components import missing
from tests.testbed.golang import Missing
from tests.testbed.programs import kustomize as program
from trueup.model.application import Application, ApplicationSpec, Render
from trueup.model.errors import DeclarationError, Fault, SettingsError
from trueup.renderers.kustomize import Kustomize, kustomize
from trueup.testing import OURS, FolderTree

DEPLOYMENT = b"""\
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: web}]}}}
"""
APP = b"resources: [../base]\nnameSuffix: -one\nsecretGenerator:\n- name: keys\n  envs: [keys.env]\n"
FILES = {
    "app/kustomization.yaml": APP,
    "app/keys.env": b"token=open-sesame\n",
    "base/kustomization.yaml": b"resources:\n- web.yaml\n",
    "base/web.yaml": DEPLOYMENT,
}


def application(**options: object) -> Application:
    spec = ApplicationSpec(target="somewhere", render=Render.model_validate({"with": "kustomize", **options}))
    return Application(OURS, "shop", spec, "app/trueup.yaml", 1)


@pytest.fixture(scope="module")
def renderer() -> Kustomize:
    try:
        return Kustomize(str(program()))
    except Missing as error:
        missing(str(error))


def faults(renderer: Kustomize, **files: bytes) -> list[Fault]:
    with pytest.raises(DeclarationError) as caught:
        renderer.render(application(), FolderTree({**FILES, **{f"app/{name}.yaml": content for name, content in files.items()}}))
    return list(caught.value.faults)


def test_every_object_is_traced_to_the_line_that_declares_it(renderer: Kustomize) -> None:
    manifests = renderer.render(application(), FolderTree(FILES))
    origins = {manifest.key.kind: (manifest.key.name, manifest.origin.file, manifest.origin.line) for manifest in manifests}
    assert origins["Service"] == ("web-one", "base/web.yaml", 1)
    assert origins["Deployment"] == ("web-one", "base/web.yaml", 5)
    assert origins["Secret"][1:] == ("app/kustomization.yaml", 4)
    assert all("annotations" not in manifest.body["metadata"] for manifest in manifests)


def test_the_options_of_an_application_are_applied(renderer: Kustomize) -> None:
    chosen = application(images=[{"name": "web", "newTag": "2"}], namespace="shop", labels={"team": "till"})
    manifests = {manifest.key.kind: manifest for manifest in renderer.render(chosen, FolderTree(FILES))}
    assert manifests["Deployment"].body["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert manifests["Service"].key.namespace == "shop"
    assert manifests["Service"].body["metadata"]["labels"] == {"team": "till"}


@pytest.mark.parametrize(
    "base",
    [
        "https://example.com/base?ref=v1",
        "github.com/example/base",
        "git@example.com:base.git",
        "../../beyond",
        "/etc",
        "missing.yaml",
    ],
)
def test_what_does_not_lie_in_the_repository_is_refused(base: str) -> None:
    for field in ("resources", "components"):
        [fault] = faults(kustomize, kustomization=f"namePrefix: a-\n{field}:\n- {base}\n".encode())
        assert (fault.file, fault.line) == ("app/kustomization.yaml", 3)
        assert fault.hint


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ("{name: web}", "there is no chart in `charts/web`"),
        ("{name: web, repo: 'https://charts.example.org'}", "the version of the chart `web` is not pinned"),
        ("{name: web, repo: 'https://charts.example.org', version: '>=1'}", "the version of the chart `web` is not pinned"),
        ("{name: web, repo: 'https://charts.example.org', version: 1.0.0}", "`https://charts.example.org` is not among the sources"),
    ],
)
def test_a_chart_that_is_neither_there_nor_pinned_is_told_with_its_line(chart: str, told: str) -> None:
    [fault] = faults(kustomize, kustomization=f"namePrefix: a-\nhelmCharts:\n- {chart}\n".encode())
    assert told in fault.message
    assert (fault.file, fault.line) == ("app/kustomization.yaml", 3)


def test_a_chart_that_a_kustomization_names_is_an_input_as_a_whole() -> None:
    chart = {f"app/charts/web/{name}": b"name: web\n" for name in ("Chart.yaml", "templates/a.yaml")}
    files = {"app/kustomization.yaml": b"helmCharts: [{name: web, valuesFile: v.yaml}]\n", "app/v.yaml": b"a: b\n", **chart}
    found = kustomize.inputs(application(), FolderTree(files))
    assert (set(found.files), set(found.whole)) == ({"app/kustomization.yaml", "app/v.yaml"}, {"app/charts/web"})


def test_what_is_missing_is_an_input_so_that_it_is_noticed_once_it_is_there() -> None:
    tree = FolderTree({**FILES, "app/kustomization.yaml": b"resources: [more, ../base]\npatches: [{path: p.yaml}]\n"})
    assert kustomize.inputs(application(), tree).absent >= {"app/more", "app/p.yaml"}


def test_the_configuration_of_plug_ins_is_followed() -> None:
    transformer = b"apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: deep.yaml\n"
    files = {"app/kustomization.yaml": b"transformers: [t.yaml]\n", "app/t.yaml": transformer, "app/deep.yaml": b"a: b\n"}
    assert set(kustomize.inputs(application(), FolderTree(files)).files) == set(files)


def test_what_the_program_complains_about_has_a_file_and_no_secret(renderer: Kustomize) -> None:
    patch = b"apiVersion: v1\nkind: Secret\nmetadata: {name: nowhere}\nstringData: {token: open-sesame}\n"
    [fault] = faults(renderer, kustomization=APP + b"patches: [{path: patch.yaml}]\n", patch=patch)
    assert fault.file.startswith("app/")
    assert fault.line == 1
    assert "nowhere" in fault.message
    assert "sesame" not in fault.message


def test_the_reason_is_told_without_what_kustomize_tried_on_the_way(renderer: Kustomize) -> None:
    [fault] = faults(renderer, kustomization=b"resources: [.]\n")
    assert fault.message == "kustomize: cycle detected: candidate root 'app' contains visited root 'app'"
    [fault] = faults(renderer, kustomization=b"resources: [odd.yaml]\n", odd=b"kind: Service\nmetadata: {name: web}\n")
    assert (fault.file, fault.line) == ("app/odd.yaml", 1)


def test_another_program_is_another_version(renderer: Kustomize) -> None:
    assert renderer.version.startswith("1 v5.")
    with pytest.raises(SettingsError, match="there is no /nowhere/kustomize"):
        _ = Kustomize("/nowhere/kustomize").version
