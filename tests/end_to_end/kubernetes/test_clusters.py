"""Several clusters, credentials that run out, and a program that is killed."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, eventually, target
from tests.end_to_end.kubernetes.shop import Shop
from tests.end_to_end.kubernetes.test_walk import Place, config_map
from tests.testbed.kubernetes.cluster import Cluster

RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


def joined(clusters: dict[str, Cluster], path: Path) -> Path:
    """One kubeconfig with a context for each cluster."""
    content: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": [], "current-context": ""}
    for name, cluster in clusters.items():
        one = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
        content["clusters"].append({"name": name, "cluster": one["clusters"][0]["cluster"]})
        content["users"].append({"name": name, "user": one["users"][0]["user"]})
        content["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_one_repository_goes_to_two_clusters(cluster: Cluster, second_cluster: Cluster, tmp_path: Path) -> None:
    clusters = {"staging": cluster, "prod": second_cluster}
    kubeconfig = joined(clusters, tmp_path / "kubeconfig")
    namespace = f"both-{time.time_ns() % 10**9}"
    for each in clusters.values():
        each.namespace(namespace)
    place = Place(cluster, Estate(tmp_path), namespace)
    place.environment = {"KUBECONFIG": str(kubeconfig), "TRUEUP_TARGETS": '{kubernetes = {contexts = ["*"]}}'}
    targets = [target(name, "kubernetes", context=name, namespace=f"{namespace}-records") for name in clusters]
    applications = [place.application(f"web-{name}", target=name) for name in clusters]
    files = {f"web-{name}/page.yaml": [config_map("page", where=name)] for name in clusters}
    place.commit({"trueup.yaml": [*targets, *applications], **files})
    applied = place.trueup("apply")
    assert applied.code == 0, applied.err
    pages = [each.get(f"/api/v1/namespaces/{namespace}/configmaps/page")["data"]["where"] for each in clusters.values()]
    assert pages == list(clusters)
    place.environment.pop("TRUEUP_TARGETS")
    assert "may not use the context" in place.trueup("plan", "--all").err


async def test_a_token_that_ran_out_is_asked_for_again(shop: Shop) -> None:
    cluster, account = shop.cluster, f"deployer-{shop.namespace}"
    cluster.request("POST", shop.path("serviceaccounts"), shop.body("v1", "ServiceAccount", account, {}))
    subject = {"kind": "ServiceAccount", "name": account, "namespace": shop.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    cluster.request("POST", RBAC, {"metadata": {"name": account}, "roleRef": role, "subjects": [subject]})
    asked = cluster.request("POST", f"{shop.path('serviceaccounts')}/{account}/token", {"spec": {"expirationSeconds": 600}})[1]
    program, tokens = shop.folder / "sign-in", shop.folder / "tokens"
    tokens.write_text(f"out-of-date\n{asked['status']['token']}\n", encoding="utf-8")
    answer = '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s"}}'
    script = f"#!/bin/sh\ntoken=$(head -1 {tokens}); sed -i 1d {tokens}\nprintf '{answer}' \"$token\"\n"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    content = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    content["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    path = shop.folder / "kubeconfig"
    path.write_text(json.dumps(content), encoding="utf-8")
    shop.allowed.update(kubeconfig=str(path), exec=True)
    async with shop.opened():
        await shop.make(shop.desired(shop.config_map("page")))
    cluster.request("DELETE", f"{RBAC}/{account}")


async def test_a_kill_between_two_objects_is_made_good_by_the_next_walk(place: Place) -> None:
    place.commit(
        {"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [config_map(f"page-{n}") for n in range(400)]}
    )

    def count() -> int:
        return len(place.cluster.get(f"/api/v1/namespaces/{place.namespace}/configmaps")["items"])

    with place.estate.running("apply") as process:
        await eventually(lambda: count() > 20, pause=0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    half = count()
    assert half < 400
    applied = place.trueup("apply")
    assert applied.code == 0, applied.err
    assert count() == 401
    assert place.trueup("plan", "--all").code == 0


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    namespace = f"kill-{time.time_ns() % 10**9}"
    cluster.namespace(namespace)
    return Place(cluster, Estate(tmp_path), namespace)
