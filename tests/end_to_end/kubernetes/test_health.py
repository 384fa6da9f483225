"""The health of objects as a real API server and real controllers leave them: ``tests/cases/health/live``."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.kubernetes.cluster import Cluster, wait_until
from trueup.cli.program import main
from trueup.runtimes.kubernetes.health import health_of, objects_in

OBJECTS = Path(__file__).parents[2] / "cases" / "health" / "live" / "objects.yaml"


def seen(cluster: Cluster, namespace: str) -> str:
    return cluster.kubectl("get", "-n", namespace, "-f", str(OBJECTS), "-o", "json")


def differing(live: str) -> list[str]:
    """What is not (yet) as each object says that it will be."""
    found = []
    for key, body in objects_in(live.encode(), "live"):
        health = health_of(body)
        said = f"{health.state}: {health.message}"
        if not said.startswith(body["metadata"]["annotations"]["expected"]):
            found.append(f"{key} is {said}")
    return found


def test_what_a_cluster_makes_of_objects_is_judged_as_people_expect(cluster: Cluster) -> None:
    namespace = cluster.namespace("health")
    cluster.kubectl("apply", "-n", namespace, "--server-side", "-f", str(OBJECTS))
    left = [""]

    def settled() -> bool:
        left[:] = differing(seen(cluster, namespace))
        return not left

    try:
        wait_until(settled, "the objects did not come to their health")
    except RuntimeError:
        pytest.fail("\n".join(left))


def test_a_namespace_that_goes_away_says_what_is_left_in_it(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = cluster.namespace("health-going")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    stuck = {"metadata": {"name": "stuck", "finalizers": ["example.com/paint"]}}
    cluster.request("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", **stuck})
    cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")

    def told() -> Any:
        (tmp_path / "live.json").write_text(cluster.kubectl("get", "namespace", namespace, "-o", "json"), encoding="utf-8")
        assert main(["health", str(tmp_path / "live.json"), "-o", "json"]) == 0
        return json.loads(capsys.readouterr().out)["objects"][0]["message"]

    wait_until(lambda: "configmaps" in told(), "the namespace does not say what is left")
    assert told().startswith("terminating, Some resources are remaining")
    cluster.request("PATCH", f"{path}/stuck", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
