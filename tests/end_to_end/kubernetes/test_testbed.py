"""The test bed itself: what the other tests of this folder stand on."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.testbed.kubernetes.cluster import Cluster, wait_until


def workload(kind: str, image: str = "shop/web", **spec: object) -> dict[str, object]:
    group = "batch/v1" if kind == "Job" else "apps/v1"
    labels = {"app": "web"}
    pod = {"containers": [{"name": "web", "image": image}], **({"restartPolicy": "Never"} if kind == "Job" else {})}
    template = {"metadata": {"labels": labels}, "spec": pod}
    selector = {} if kind == "Job" else {"selector": {"matchLabels": labels}}
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "web"}, "spec": {"template": template, **selector, **spec}}


def conditions(live: dict[str, object]) -> dict[str, str]:
    status = live.get("status")
    assert isinstance(status, dict)
    return {condition["type"]: condition["status"] for condition in status.get("conditions", [])}


def test_a_deployment_becomes_available_and_goes(cluster: Cluster) -> None:
    namespace = cluster.namespace("testbed-available")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert cluster.request("POST", path, workload("Deployment", replicas=2))[0] == 201
    wait_until(lambda: conditions(cluster.get(f"{path}/web")).get("Available") == "True", "the Deployment is not available", 30)
    cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")
    wait_until(lambda: cluster.get(f"/api/v1/namespaces/{namespace}") is None, "the namespace does not go", 40)


@pytest.mark.parametrize(("image", "condition"), [("shop/migrate", "Complete"), ("testbed/fails", "Failed")])
def test_a_job_ends_as_its_image_says(cluster: Cluster, image: str, condition: str) -> None:
    namespace = cluster.namespace(f"testbed-job-{condition.lower()}")
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    assert cluster.request("POST", path, workload("Job", image, backoffLimit=0))[0] == 201
    wait_until(lambda: conditions(cluster.get(f"{path}/web")).get(condition) == "True", f"the Job is not {condition}", 30)


@pytest.mark.parametrize(("image", "reason"), [("testbed/crashes", "CrashLoopBackOff"), ("testbed/missing", "ImagePullBackOff")])
def test_a_pod_fails_as_its_image_says(cluster: Cluster, image: str, reason: str) -> None:
    namespace = cluster.namespace(f"testbed-{reason.lower()}")
    cluster.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", workload("Deployment", image))

    def reasons() -> list[str]:
        pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        containers = [container for pod in pods for container in pod["status"].get("containerStatuses", [])]
        return [container["state"]["waiting"]["reason"] for container in containers if "waiting" in container["state"]]

    wait_until(lambda: reasons() == [reason], f"the pod is not in {reason}", 30)
    assert "listening" in cluster.kubectl("logs", "-n", namespace, "deployment/web")


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("api/v1/{}/services", {"type": "LoadBalancer", "loadBalancerClass": "testbed/addresses", "ports": [{"port": 80}]}),
        (
            "apis/networking.k8s.io/v1/{}/ingresses",
            {"ingressClassName": "testbed", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        ),
    ],
    ids=["Service", "Ingress"],
)
def test_an_address_is_given_to_those_who_ask_the_testbed(cluster: Cluster, path: str, spec: object) -> None:
    folder = "/" + path.format(f"namespaces/{cluster.namespace('testbed-addresses')}")
    assert cluster.request("POST", folder, {"metadata": {"name": "web"}, "spec": spec})[0] == 201
    wait_until(lambda: cluster.get(f"{folder}/web")["status"]["loadBalancer"], "it gets no address", 30)


def test_what_rbac_does_not_allow_is_refused(cluster: Cluster) -> None:
    namespace = cluster.namespace("testbed-rbac")
    anna = cluster.user("anna", "developers")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        cluster.kubectl("get", "secrets", "-n", namespace, kubeconfig=anna)
    assert 'User "anna" cannot list resource "secrets"' in refused.value.stderr
    cluster.kubectl("create", "rolebinding", "view", "-n", namespace, "--clusterrole=view", "--group=developers")
    assert "kube-root-ca.crt" in cluster.kubectl("get", "configmaps", "-n", namespace, kubeconfig=anna)


def test_two_clusters_run_at_once_and_one_outlives_its_api_server(cluster: Cluster, second_cluster: Cluster) -> None:
    second_cluster.namespace("only-in-the-second")
    second_cluster.restart_api_server()
    assert second_cluster.get("/api/v1/namespaces/only-in-the-second") is not None
    assert cluster.get("/api/v1/namespaces/only-in-the-second") is None


def test_a_cluster_ends_with_those_who_need_it(tmp_path: Path) -> None:
    started = time.monotonic()
    cluster = Cluster.start(tmp_path / "third")
    print(f"a cluster started in {time.monotonic() - started:.1f} s")
    joined = Cluster.join(tmp_path / "third")
    assert joined
    processes = [Path("/proc", path.read_text(encoding="utf-8")) for path in (tmp_path / "third").glob("*.pid")]
    assert len(processes) == 6
    cluster.leave()
    time.sleep(0.5)
    assert joined.ready()
    joined.leave()
    wait_until(lambda: not any((process / "exe").exists() for process in processes), "processes stay behind", 10)
