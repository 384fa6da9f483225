"""What a hand added beside what Git says is told as drift by the program, and left unless the policy is strict."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Operator, eventually
from tests.end_to_end.kubernetes.test_walk import Place, config_map, deployment
from tests.testbed.kubernetes.cluster import Cluster
from trueup.model.errors import TrueupError
from trueup.model.selection import Selection

WEB = Selection(("web",))


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    namespace = "told-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cluster.namespace(namespace)
    return Place(cluster, Estate(tmp_path), namespace)


def declare(place: Place, *bodies: Any, **policy: Any) -> None:
    place.commit({"trueup.yaml": place.declarations(place.application("web", policy=policy)), "web/web.yaml": list(bodies)})


def test_what_kubectl_added_is_told_by_drift_and_status_and_stays(place: Place) -> None:
    declare(place, config_map("page", colour="red"))
    assert place.trueup("apply").code == 0
    place.patch("configmaps", "page", {"data": {"size": "big"}})
    drift = place.trueup("drift", "-o", "json")
    assert drift.code == 2, drift.err
    [drifted] = drift.document["items"]
    assert (drifted["by"], drifted["changes"]) == ("kubectl-edit", [{"path": "data.size", "before": "big", "after": None}])
    status = place.trueup("status", "-o", "json").document["items"][0]
    assert (status["sync"], status["message"]) == ("synced", f"drift, left as it is: ConfigMap/{place.namespace}/page")
    assert place.trueup("plan").code == place.trueup("apply").code == 0
    assert place.get("configmaps", "page")["data"] == {"colour": "red", "size": "big"}
    declare(place, config_map("page", colour="red"), selfHeal="strict")
    assert place.trueup("apply").code == 0
    assert place.get("configmaps", "page")["data"] == {"colour": "red"}
    assert place.trueup("drift").code == 0


def test_a_restart_and_a_scale_are_no_drift(place: Place) -> None:
    declare(place, deployment("web"), selfHeal="strict")
    assert place.trueup("apply").code == 0
    place.cluster.kubectl("-n", place.namespace, "rollout", "restart", "deployment/web")
    place.cluster.kubectl("-n", place.namespace, "scale", "deployment/web", "--replicas=2")
    drift = place.trueup("drift", "-o", "json")
    assert (drift.code, drift.document["items"]) == (0, [])


def test_a_plan_that_is_refused_is_told_to_a_person_at_once(place: Place) -> None:
    bad = deployment("web", replicas=-1)
    declare(place, bad, retry={"limit": 5, "from": "1h", "to": "1h"})
    refused = place.trueup("apply")
    assert refused.code == 1
    assert "web/web.yaml:1" in refused.err
    assert refused.err.count("web/web.yaml:1") == 1, "the place is told once"


async def test_a_serve_tells_what_was_added(place: Place) -> None:
    declare(place, config_map("page", colour="red"), deployment("web"))
    async with place.estate.served() as operator:

        async def message() -> str:
            status = await operator.remembered("web")
            return f"{status.sync} {status.health}: {status.message}" if status else ""

        async def says(text: str) -> bool:
            return text in await message()

        await eventually(lambda: says("synced healthy: "))
        place.patch("configmaps", "page", {"data": {"size": "big"}})
        await eventually(lambda: says("drift, left as it is"))
        assert [(str(each.key), each.by) for each in await drift(operator)] == [(f"ConfigMap/{place.namespace}/page", "kubectl-edit")]
        place.patch("configmaps", "page", {"data": {"size": None}})
        await eventually(lambda: says("synced healthy: "))
        assert await drift(operator) == []


async def test_a_serve_says_what_it_could_not_look_at(place: Place) -> None:
    ports = {"ports": [{"port": 80}], "clusterIP": "None"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": ports}
    declare(place, service, config_map("page", colour="red"), retry={"limit": 0})
    async with place.estate.served() as operator:

        async def stands(sync: str, revision: str = "") -> bool:
            status = await operator.remembered("web")
            return status is not None and status.sync == sync and status.revision.startswith(revision)

        await eventually(lambda: stands("synced"))
        # A second plan is made of what is watched by now.
        commit = place.commit({"web/web.yaml": [service, config_map("page", colour="blue")]})
        await eventually(lambda: stands("synced", commit))
        place.patch("services", "web", {"spec": {"ports": [{"port": 81}]}}, "somebody")
        await eventually(lambda: stands("failed"))
        with pytest.raises(TrueupError, match=r"Service/.*/web \(web/web.yaml:1\) was refused: .*spec.ports"):
            await drift(operator)


async def drift(operator: Operator) -> list[Any]:
    return [each async for _, each in operator.engine.drift(operator.repository, WEB)]
