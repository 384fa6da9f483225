"""Every option of every renderer, through `trueup render`."""

from typing import Any

import pytest

from tests.components import missing
from tests.end_to_end.estate import Estate, Files, application, documents, target
from tests.testbed import programs
from tests.testbed.golang import Missing
from trueup.model.manifest import Body


@pytest.fixture
def environment() -> dict[str, str]:
    """The settings that name the real programs."""
    try:
        found = {"TRUEUP_RENDER_HELM": str(programs.helm()), "TRUEUP_RENDER_KUSTOMIZE": str(programs.kustomize())}
    except Missing as error:
        missing(str(error))
    return {**found, "TRUEUP_RENDER_CONFINE": "require"}


def rendered(estate: Estate, environment: dict[str, str], files: Files, render: dict[str, Any], **specification: Any) -> list[Body]:
    """What the application `web` renders to, as the command tells it."""
    declared = application("web", render=render, **specification)
    estate.commit({"trueup.yaml": documents(target(), declared), **files})
    said = estate.trueup("render", "--app", "web", "-o", "json", environment=environment)
    assert said.code == 0, said.err
    document = said.document
    assert document["kind"] == "ManifestList"
    return [each["manifest"] for each in document["items"]]


DEPLOYMENT: Body = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": "shop/web:1"}]}}},
}
KUSTOMIZATION: Files = {"web/kustomization.yaml": "resources: [web.yaml]\n", "web/web.yaml": documents(DEPLOYMENT)}
PATCH = "- {op: replace, path: /spec/replicas, value: 3}\n"
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: blue-\n"


@pytest.mark.parametrize(
    ("options", "path", "value"),
    [
        ({"images": [{"name": "shop/web", "newTag": "2"}]}, "spec.template.spec.containers.0.image", "shop/web:2"),
        (
            {"images": [{"name": "shop/web", "newName": "other/web", "digest": f"sha256:{'0' * 64}"}]},
            "spec.template.spec.containers.0.image",
            f"other/web@sha256:{'0' * 64}",
        ),
        ({"namespace": "till"}, "metadata.namespace", "till"),
        ({"patches": [{"path": "patch.yaml", "target": {"kind": "Deployment"}}]}, "spec.replicas", 3),
        ({"patches": [{"patch": PATCH, "target": {"name": "web"}}]}, "spec.replicas", 3),
        ({"components": ["../component"]}, "metadata.name", "blue-web"),
        ({"labels": {"team": "shop"}}, "metadata.labels.team", "shop"),
    ],
)
def test_options_of_kustomize(estate: Estate, environment: dict[str, str], options: dict[str, Any], path: str, value: object) -> None:
    files: Files = {**KUSTOMIZATION, "web/patch.yaml": PATCH, "component/kustomization.yaml": COMPONENT}
    [manifest] = rendered(estate, environment, files, {"with": "kustomize", **options})
    assert at(manifest, path) == value


TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}
data:
  colour: {{ .Values.colour | quote }}
  size: {{ .Values.size | quote }}
  version: {{ .Capabilities.KubeVersion.Version | quote }}
  kites: {{ .Capabilities.APIVersions.Has "example.org/v1/Kite" | quote }}
"""
CHART: Files = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/values.yaml": "colour: red\nsize: 1\n",
    "web/templates/a.yaml": TEMPLATE,
    "web/crds/kite.yaml": documents(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "kites"}}
    ),
    "web/blue.yaml": "colour: blue\nsize: 2\n",
    "values/large.yaml": "size: 3\n",
}


@pytest.mark.parametrize(
    ("options", "specification", "expected"),
    [
        ({}, {}, {"metadata.name": "web", "metadata.namespace": "default", "data.colour": "red", "data.size": "1", "data.kites": "false"}),
        ({"values": {"colour": "green"}}, {}, {"data.colour": "green", "data.size": "1"}),
        ({"valueFiles": ["blue.yaml"]}, {}, {"data.colour": "blue", "data.size": "2"}),
        ({"valueFiles": ["blue.yaml", "/values/large.yaml"]}, {}, {"data.colour": "blue", "data.size": "3"}),
        ({"valueFiles": ["blue.yaml"], "values": {"size": 4}}, {}, {"data.colour": "blue", "data.size": "4"}),
        ({"releaseName": "till"}, {}, {"metadata.name": "till"}),
        ({"namespace": "shop"}, {"namespace": "other"}, {"metadata.namespace": "shop"}),
        ({}, {"namespace": "other"}, {"metadata.namespace": "other"}),
        ({"kubeVersion": "1.29.3"}, {}, {"data.version": "v1.29.3"}),
        ({"apiVersions": ["example.org/v1/Kite", "example.org/v1"]}, {}, {"data.kites": "true"}),
    ],
)
def test_options_of_helm(
    estate: Estate, environment: dict[str, str], options: dict[str, Any], specification: dict[str, Any], expected: dict[str, str]
) -> None:
    manifests = rendered(estate, environment, CHART, {"with": "helm", **options}, **specification)
    assert [each["kind"] for each in manifests] == ["CustomResourceDefinition", "ConfigMap"]
    assert {path: at(manifests[1], path) for path in expected} == expected


def test_the_definitions_of_a_chart_may_be_left_out(estate: Estate, environment: dict[str, str]) -> None:
    manifests = rendered(estate, environment, CHART, {"with": "helm", "includeCRDs": False})
    assert [each["kind"] for each in manifests] == ["ConfigMap"]


JSONNET = """\
function(size=1) (import 'kite.libsonnet') + {
  metadata: { name: 'kite' },
  data: { colour: std.extVar('colour'), size: std.toString(size), tail: std.toString(std.extVar('tail')) },
}
"""


def test_options_of_jsonnet(estate: Estate, environment: dict[str, str]) -> None:
    options = {"libraries": ["../shared"], "extVars": {"colour": "red"}, "extCode": {"tail": "2 * 3"}}
    files: Files = {"web/a.jsonnet": JSONNET, "shared/kite.libsonnet": "{ apiVersion: 'v1', kind: 'ConfigMap' }"}
    [manifest] = rendered(estate, environment, files, {"with": "jsonnet", **options, "tlaCode": {"size": "40 + 2"}})
    assert manifest["data"] == {"colour": "red", "size": "42", "tail": "6"}
    [manifest] = rendered(estate, environment, files, {"with": "jsonnet", **options, "tlaVars": {"size": "large"}})
    assert manifest["data"]["size"] == "large"


@pytest.mark.parametrize(("renderer", "files"), [("kustomize", KUSTOMIZATION), ("helm", CHART), ("jsonnet", {"web/a.jsonnet": "{}"})])
def test_an_option_that_nobody_knows_is_told(estate: Estate, renderer: str, files: Files) -> None:
    declared = application("web", render={"with": renderer, "image": "web"})
    estate.commit({"trueup.yaml": documents(target(), declared), **files})
    said = estate.trueup("render", "--app", "web")
    assert said.code == 64
    assert "image" in said.err
    assert "trueup.yaml:" in said.err


def at(value: Any, path: str) -> Any:
    """What is at a path; numbers count in lists."""
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value
