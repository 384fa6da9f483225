"""An object that names no namespace is known by its whole name all the same."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.estate import Estate, application
from tests.end_to_end.kubernetes.test_walk import Place, config_map, deployment
from tests.testbed.kubernetes.cluster import Cluster


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose namespace is that of the current context."""
    namespace = "named-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]
    cluster.namespace(namespace)
    said = yaml.safe_load(cluster.kubeconfig.read_text())
    for context in said["contexts"]:
        context["context"]["namespace"] = namespace
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(said))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    place = Place(cluster, Estate(tmp_path), namespace)
    place.environment = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    return place


@pytest.mark.parametrize("first", ["a", "b"])
def test_an_object_without_a_namespace_is_handed_over_whoever_walks_first(place: Place, first: str) -> None:
    declared = place.declarations(application("a"), application("b"))
    place.commit({"trueup.yaml": declared, "a/page.yaml": [config_map("page"), config_map("rest")], "b/other.yaml": [config_map("other")]})
    assert place.trueup("apply").code == 0
    before = place.get("configmaps", "page")["metadata"]["uid"]
    place.commit({"a/page.yaml": [config_map("rest")], "b/page.yaml": [config_map("page")]})
    assert place.trueup("apply", "--app", first).code == 0
    assert place.get("configmaps", "page")["metadata"]["uid"] == before
    assert place.trueup("apply").code == 0
    page = place.get("configmaps", "page")["metadata"]
    assert page["uid"] == before
    assert "/b:/ConfigMap/" in page["annotations"]["trueup.dev/object"]
    assert place.trueup("plan", "--all").code == 0


def test_an_object_that_its_application_still_declares_is_never_taken(place: Place) -> None:
    declared = place.declarations(application("a"), application("b", policy={"adopt": True}))
    place.commit({"trueup.yaml": declared, "a/page.yaml": [config_map("page")], "b/other.yaml": [config_map("other")]})
    assert place.trueup("apply").code == 0
    place.commit({"b/page.yaml": [config_map("page")]})
    held = place.trueup("apply")
    assert held.code == 3
    assert "belongs to a" in held.err
    assert "/a:/ConfigMap/" in place.get("configmaps", "page")["metadata"]["annotations"]["trueup.dev/object"]


def test_an_object_of_a_custom_kind_that_is_in_no_namespace_moves_and_is_not_taken_either(place: Place) -> None:
    group = f"{place.namespace}.example.org"
    names = {"plural": "issuers", "singular": "issuer", "kind": "Issuer", "listKind": "IssuerList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"issuers.{group}"}}
    definition["spec"] = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    place.cluster.kubectl("apply", "-f", "-", input=json.dumps(definition))
    place.cluster.kubectl("wait", "--for=condition=Established", f"crd/issuers.{group}")
    issuer = {"apiVersion": f"{group}/v1", "kind": "Issuer", "metadata": {"name": "x"}}

    def uid() -> str:
        return str(place.cluster.get(f"/apis/{group}/v1/issuers/x")["metadata"]["uid"])

    declared = place.declarations(place.application("a"), application("b", namespace="elsewhere", policy={"adopt": True}))
    place.commit({"trueup.yaml": declared, "a/x.yaml": [issuer, config_map("a")], "b/b.yaml": [issuer]})
    assert place.trueup("apply", "--app", "a").code == 0
    before = uid()
    held = place.trueup("apply", "--app", "b")
    assert held.code == 3
    assert "belongs to a" in held.err
    place.commit({"a/x.yaml": [config_map("a")]})
    assert place.trueup("apply", "--app", "a").code == 0
    assert uid() == before
    assert place.trueup("apply").code == 0
    assert uid() == before
    assert place.trueup("plan", "--all").code == 0
    place.cluster.kubectl("delete", "crd", f"issuers.{group}")


def test_the_log_of_the_only_workload_is_found_without_a_namespace(place: Place) -> None:
    place.commit({"trueup.yaml": place.declarations(application("a")), "a/web.yaml": [deployment("web")]})
    assert place.trueup("apply").code == 0
    logs = place.trueup("logs", "a")
    assert logs.code == 0, logs.err
