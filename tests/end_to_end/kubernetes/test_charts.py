"""Charts on a real cluster: what they take from it, and what comes out different each time."""

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.components import missing
from tests.end_to_end.estate import Estate, Files, Operator, application, documents, target
from tests.testbed import programs
from tests.testbed.golang import Missing
from tests.testbed.kubernetes.cluster import Cluster
from trueup.model.manifest import Body

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
LOOKING = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: looking}
data:
  version: {{ .Capabilities.KubeVersion.Version | quote }}
  deployments: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
  kites: {{ .Capabilities.APIVersions.Has "%s/v1/Kite" | quote }}
"""
BLIND = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: blind}\ndata: {colour: {{ .Values.colour }}}\n"


class Ground:
    """An estate whose charts go to a namespace of a cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.estate = Estate(folder)
        self.namespace = "charts-" + hashlib.sha256(str(folder).encode()).hexdigest()[:10]
        self.group = f"{self.namespace}.example.org"
        cluster.namespace(self.namespace)
        try:
            self.settings: dict[str, Any] = {"render": {"confine": "require", "helm": str(programs.helm())}}
        except Missing as error:
            missing(str(error))
        self.settings["targets"] = {"kubernetes": {"kubeconfig": str(cluster.kubeconfig)}}

    def commit(self, template: str, values: str = "", *others: Body, **specification: Any) -> str:
        """A chart with one template, and what else is declared."""
        web = application("web", namespace=self.namespace, **specification)
        declared = documents(target("here", "kubernetes", namespace=f"{self.namespace}-records"), web, *others)
        files: Files = {"trueup.yaml": declared, "web/Chart.yaml": CHART, "web/values.yaml": values, "web/templates/a.yaml": template}
        return self.estate.commit(files)

    def operator(self) -> Any:
        return self.estate.operator(**self.settings)

    def data(self, name: str) -> Any:
        found = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
        return found["data"] if found else None

    def define_kites(self) -> None:
        """A kind that was not there before."""
        names = {"plural": "kites", "singular": "kite", "kind": "Kite", "listKind": "KiteList"}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"kites.{self.group}"},
            "spec": {"group": self.group, "names": names, "scope": "Namespaced", "versions": [version]},
        }
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert self.cluster.request("POST", path, body)[0] == 201
        self.cluster.kubectl("wait", "--for=condition=Established", f"crd/kites.{self.group}", "--timeout=90s")


@pytest.fixture
def ground(cluster: Cluster, tmp_path: Path) -> Ground:
    return Ground(cluster, tmp_path)


async def applied(operator: Operator) -> None:
    await operator.apply()
    assert operator.problem is None, operator.problem


async def test_a_chart_sees_the_versions_of_its_cluster_and_is_rendered_again_when_they_change(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueup.engine.offers.LOOK_AGAIN", 0.0)
    version = ground.cluster.request("GET", "/version")[1]["gitVersion"]
    blind = application("blind", namespace=ground.namespace)
    ground.estate.commit({"blind/Chart.yaml": CHART, "blind/values.yaml": "colour: red\n", "blind/templates/a.yaml": BLIND})
    commit = ground.commit(LOOKING % ground.group, "", blind)
    async with ground.operator() as operator:
        await applied(operator)
        assert ground.data("looking") == {"version": version, "deployments": "true", "kites": "false"}
        renders = operator.renders
        ground.define_kites()
        await applied(operator)
        assert ground.data("looking") == {"version": version, "deployments": "true", "kites": "true"}
        assert operator.renders == renders + 1
        assert await operator.revisions() == {"web": commit, "blind": commit}
        assert len(await operator.history("web")) == 2
        await applied(operator)
        assert len(await operator.history("web")) == 2


async def test_the_history_tells_what_rendered(ground: Ground) -> None:
    ground.commit(BLIND, "colour: red\n")
    async with ground.operator() as operator:
        await applied(operator)
    [run] = ground.estate.trueup("history", "web", "-o", "json").document["items"]
    version = subprocess.run([ground.settings["render"]["helm"], "version", "--template", "{{.Version}}"], capture_output=True, check=True)
    assert run["renderer"] == f"helm {version.stdout.decode()}"


async def test_a_chart_that_a_kustomization_names_sees_the_versions_of_its_cluster(ground: Ground) -> None:
    try:
        ground.settings["render"]["kustomize"] = str(programs.kustomize())
    except Missing as error:
        missing(str(error))
    web = application("web", namespace=ground.namespace)
    files: Files = {"web/kustomization.yaml": "helmCharts: [{name: a}]\n", "web/charts/a/Chart.yaml": CHART.replace("web", "a")}
    files["web/charts/a/values.yaml"] = ""
    files["web/charts/a/templates/a.yaml"] = LOOKING % ground.group
    files["trueup.yaml"] = documents(target("here", "kubernetes", namespace=f"{ground.namespace}-records"), web)
    ground.estate.commit(files)
    async with ground.operator() as operator:
        await applied(operator)
    version = ground.cluster.request("GET", "/version")[1]["gitVersion"]
    assert ground.data("looking") == {"version": version, "deployments": "true", "kites": "false"}


async def test_what_an_application_sets_itself_wins(ground: Ground) -> None:
    render = {"with": "helm", "kubeVersion": "1.20.0", "apiVersions": [f"{ground.group}/v1/Kite"]}
    ground.commit(LOOKING % ground.group, render=render)
    async with ground.operator() as operator:
        await applied(operator)
    assert ground.data("looking") == {"version": "v1.20.0", "deployments": "false", "kites": "true"}


async def test_a_chart_for_other_versions_than_the_clusters_is_refused(ground: Ground) -> None:
    ground.commit(BLIND, "colour: red\n")
    ground.estate.commit({"web/Chart.yaml": CHART + 'kubeVersion: ">=9.0.0"\n'})
    async with ground.operator() as operator:
        await operator.apply()
        assert "chart requires kubeVersion: >=9.0.0 which is incompatible" in (await operator.status("web")).message


async def test_no_render_waits_for_a_cluster_that_was_reached_before(second_cluster: Cluster, tmp_path: Path) -> None:
    ground = Ground(second_cluster, tmp_path)
    ground.commit(LOOKING % ground.group)
    async with ground.operator() as operator:
        await applied(operator)
    second_cluster.stop_api_server()
    try:
        async with ground.operator() as operator:
            commit = ground.commit((LOOKING % ground.group).replace("kites:", "dragons:"))
            await operator.follow()
            assert await operator.revisions() == {"web": commit}
            declared = await operator.engine.store(operator.engine.memory.declared, operator.repository.identity, "web")
            assert declared is not None
            assert declared.faults == ()
    finally:
        second_cluster.start_api_server()


async def test_a_cluster_that_never_answered_holds_up_what_looks_at_it_and_nothing_else(
    second_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueup.engine.offers.CALM", 0.0)
    ground = Ground(second_cluster, tmp_path)
    ground.estate.commit({"blind/Chart.yaml": CHART, "blind/values.yaml": "colour: red\n", "blind/templates/a.yaml": BLIND})
    commit = ground.commit(LOOKING % ground.group, "", application("blind", namespace=ground.namespace))
    second_cluster.stop_api_server()
    try:
        async with ground.operator() as operator:
            await operator.follow()
            declared = {
                name: await operator.engine.store(operator.engine.memory.declared, operator.repository.identity, name)
                for name in ("web", "blind")
            }
            assert declared["web"] is not None
            assert declared["web"].faults
            assert declared["blind"] is not None
            assert declared["blind"].faults == ()
            second_cluster.start_api_server()
            await applied(operator)
            assert await operator.revisions() == {"web": commit, "blind": commit}
    finally:
        second_cluster.start_api_server()
    assert ground.data("looking")["kites"] == "false"


RANDOM = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: keys}
data:
  colour: {{ .Values.colour }}
  token: {{ randAlphaNum 20 | quote }}
"""


async def test_what_comes_out_different_each_time_fails_its_application_with_the_fields(ground: Ground) -> None:
    ground.commit(RANDOM, "colour: red\n")
    async with ground.operator() as operator:
        await operator.apply()
        message = (await operator.status("web")).message
    assert "ConfigMap/keys comes out different each time: data.token" in message
    assert message.startswith("web/templates/a.yaml:2")
    assert ground.data("keys") is None


async def test_what_comes_out_different_each_time_and_is_ignored_keeps_its_live_value(ground: Ground) -> None:
    ignore = [{"key": "ConfigMap/*", "field": "data.token"}]
    ground.commit(RANDOM, "colour: red\n", ignore=ignore)
    async with ground.operator() as operator:
        await applied(operator)
        first = ground.data("keys")
        assert len(first["token"]) == 20
        ground.commit(RANDOM, "colour: blue\n", ignore=ignore)
        (plan,) = await operator.plan()
        assert [change.path for action in plan.actions for change in action.changes] == ["data.colour"]
        await applied(operator)
        assert ground.data("keys") == {"colour": "blue", "token": first["token"]}
        assert await operator.plan() == []
    async with ground.operator() as operator:
        assert (await operator.status("web")).sync == "synced"


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("data.token", "data:\n  token: {{ randAlphaNum 20 | b64enc }}\n"),
        ("stringData.token", "stringData:\n  token: {{ randAlphaNum 20 }}\n"),
    ],
)
async def test_a_random_secret_that_is_ignored_stays_what_it_was(ground: Ground, field: str, written: str) -> None:
    template = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, labels: {colour: {{ .Values.colour }}}}\n" + written
    ignore = [{"key": "Secret/*", "field": field}]
    path = f"/api/v1/namespaces/{ground.namespace}/secrets/keys"
    ground.commit(template, "colour: red\n", ignore=ignore)
    async with ground.operator() as operator:
        await applied(operator)
        first = (ground.cluster.get(path) or {})["data"]
        assert len(base64.b64decode(first["token"])) == 20
        ground.commit(template, "colour: blue\n", ignore=ignore)
        await applied(operator)
    async with ground.operator() as operator:
        assert await operator.plan() == []
        assert (await operator.status("web")).sync == "synced"
    live = ground.cluster.get(path) or {}
    assert (live["data"], live["metadata"]["labels"]["colour"]) == (first, "blue")
