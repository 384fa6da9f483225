"""What helm is given, and what is made of what it says."""

from typing import Any

import pytest

from tests.components import missing
from tests.testbed.golang import Missing
from tests.testbed.programs import helm as program
from trueup.model.application import Application, ApplicationSpec, Render
from trueup.model.errors import DeclarationError, Fault, SettingsError
from trueup.renderers.helm import Helm, helm
from trueup.testing import OURS, FolderTree
from trueup.toolkit.confine import Bounds, Confinement

CHART = b"apiVersion: v2\nname: web\nversion: 1.0.0\n"
TEMPLATE = b"""\
apiVersion: v1
kind: ConfigMap
metadata: {name: one, namespace: {{ .Release.Namespace }}}
data: {a: {{ .Values.a | quote }}, release: {{ .Release.Name }}, version: {{ .Capabilities.KubeVersion.Version }}}
---
# kind: ConfigMap
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
"""
FILES = {"app/Chart.yaml": CHART, "app/values.yaml": b"a: first\n", "app/templates/a.yaml": TEMPLATE}


def application(namespace: str = "", ignore: tuple[dict[str, str], ...] = (), **options: object) -> Application:
    render = Render.model_validate({"with": "helm", **options})
    spec = ApplicationSpec.model_validate({"target": "somewhere", "render": render, "namespace": namespace, "ignore": ignore})
    return Application(OURS, "shop", spec, "app/trueup.yaml", 1)


@pytest.fixture(scope="module")
def renderer() -> Helm:
    try:
        return Helm(str(program()))
    except Missing as error:
        missing(str(error))


def faults(renderer: Helm, chosen: Application, **templates: bytes) -> list[Fault]:
    with pytest.raises(DeclarationError) as caught:
        renderer.render(chosen, FolderTree({**FILES, **{f"app/templates/{name}.yaml": text for name, text in templates.items()}}))
    return list(caught.value.faults)


def test_the_options_of_an_application_reach_the_templates(renderer: Helm) -> None:
    chosen = application("shop", releaseName="till", valueFiles=["v.yaml"], values={"a": "third"}, kubeVersion="1.31.0")
    first = renderer.render(chosen, FolderTree({**FILES, "app/v.yaml": b"a: second\n"}))[0]
    assert first.body["data"] == {"a": "third", "release": "till", "version": "v1.31.0"}
    assert first.key.namespace == "shop"
    assert renderer.render(application(), FolderTree(FILES))[0].body["data"]["release"] == "shop"


def test_every_object_is_traced_to_its_line_in_a_template(renderer: Helm) -> None:
    manifests = renderer.render(application(), FolderTree(FILES))
    assert [(each.key.name, each.origin.file, each.origin.line) for each in manifests] == [
        ("one", "app/templates/a.yaml", 2),
        ("two", "app/templates/a.yaml", 8),
    ]


def test_what_comes_out_different_each_time_is_refused_and_named(renderer: Helm) -> None:
    random = b"apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData:\n  token: {{ randAlpha 20 }}\n"
    clock = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: clock}\ndata:\n  at: {{ now | unixEpoch | quote }}\n"
    told = faults(renderer, application(), random=random, clock=clock)
    assert [(each.file, each.message.split(" comes out different each time: ")) for each in told] == [
        ("app/templates/clock.yaml", ["ConfigMap/clock", "data.at"]),
        ("app/templates/random.yaml", ["Secret/keys", "stringData.token"]),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        {"key": "Secret/*", "field": "stringData"},
        {"key": "Secret/keys", "field": "data.token"},
        {"key": "Secret/shop/keys", "field": "stringData.*"},
        {"key": "Secret/*", "field": "/stringData/token"},
        {"key": "*keys"},
    ],
)
def test_what_is_ignored_may_come_out_different(renderer: Helm, rule: dict[str, str]) -> None:
    random = b"apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData:\n  token: {{ randAlpha 20 }}\n"
    chosen = application("shop", ignore=(rule,))
    assert renderer.render(chosen, FolderTree({**FILES, "app/templates/random.yaml": random}))


def test_what_a_template_makes_of_no_object_is_told_with_the_template(renderer: Helm) -> None:
    [fault] = faults(renderer, application(), odd=b"size: 1\n")
    assert (fault.file, fault.line) == ("app/templates/odd.yaml", 1)


def test_a_value_that_is_missing_is_told_with_the_line_of_the_template(renderer: Helm) -> None:
    [fault] = faults(renderer, application(), odd=b"a:\n  b: {{ .Values.x.y.z }}\n")
    assert (fault.file, fault.line) == ("app/templates/odd.yaml", 2)


def test_what_a_template_complains_about_holds_no_secret(renderer: Helm) -> None:
    chosen = application(values={"auth": {"password": "open-sesame"}})
    [fault] = faults(renderer, chosen, odd=b'{{ fail (printf "no: %s" .Values.auth.password) }}\n')
    assert fault.message.endswith("no: ***")


def test_a_template_that_takes_all_memory_fails_its_application(renderer: Helm) -> None:
    small = Helm(str(program()), Confinement(bounds=Bounds(memory=256 * 1024**2, deadline=20)))
    [fault] = faults(small, application(), odd=b'{{ repeat 2000000000 "a: b" }}\n')
    assert fault.message == "helm was killed: it needs too much memory or time"


@pytest.mark.parametrize("file", ["https://example.com/values.yaml", "../../values.yaml", "missing.yaml"])
def test_a_value_file_that_is_not_in_the_repository_is_refused(file: str) -> None:
    [fault] = faults(helm, application(valueFiles=[file]))
    assert fault.hint


def test_the_members_of_a_list_are_objects_of_their_own(renderer: Helm) -> None:
    several = b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: keys}}\n"
    manifests = renderer.render(application(), FolderTree({**FILES, "app/templates/several.yaml": several}))
    assert "Secret/keys" in [str(each.key) for each in manifests]


def test_a_chart_at_the_root_of_its_repository_is_rendered(renderer: Helm) -> None:
    spec = ApplicationSpec(target="somewhere", render=Render.model_validate({"with": "helm"}))
    tree = FolderTree({path.removeprefix("app/"): content for path, content in FILES.items()})
    manifests = renderer.render(Application(OURS, "shop", spec, "trueup.yaml", 1), tree)
    assert {each.origin.file for each in manifests} == {"templates/a.yaml"}


def test_another_program_is_another_version(renderer: Helm) -> None:
    assert renderer.version.startswith("1 v")
    with pytest.raises(SettingsError, match="there is no /nowhere/helm"):
        _ = Helm("/nowhere/helm").version


@pytest.mark.parametrize(
    ("files", "options", "taken"),
    [
        ({}, {}, set()),
        ({"app/templates/b.yaml": b"{{ .Capabilities.KubeVersion }}"}, {}, {"kubeVersion", "apiVersions"}),
        ({"app/templates/b.yaml": b"{{ .Capabilities.KubeVersion }}"}, {"kubeVersion": "1.31.0"}, {"apiVersions"}),
        ({"app/Chart.yaml": CHART + b"kubeVersion: '>=1.30'\n"}, {}, {"kubeVersion", "apiVersions"}),
        ({"app/v.yaml": b"a: '{{ .Capabilities.KubeVersion }}'\n"}, {"valueFiles": ["v.yaml"]}, {"kubeVersion", "apiVersions"}),
        ({}, {"values": {"a": "{{ .Capabilities.KubeVersion }}"}}, {"kubeVersion", "apiVersions"}),
    ],
)
def test_the_versions_of_the_target_are_taken_only_by_what_looks_at_them(
    files: dict[str, bytes], options: dict[str, Any], taken: set[str]
) -> None:
    tree = FolderTree({**FILES, "app/templates/a.yaml": b"", **files})
    assert helm.takes(application(**options), tree) == taken
