"""A commit becomes running pods: real Git, the program itself, a real API server."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, application, documents, eventually, target
from tests.testbed.kubernetes.cluster import Cluster
from trueup.model.manifest import Body


class Place:
    """An estate whose applications go to a namespace of a cluster."""

    def __init__(self, cluster: Cluster, estate: Estate, namespace: str) -> None:
        self.cluster = cluster
        self.estate = estate
        self.namespace = namespace
        self.environment = {"KUBECONFIG": str(cluster.kubeconfig)}

    def commit(self, files: dict[str, Any], message: str = "change") -> str:
        """Declarations and manifests, each file a list of documents; None takes one away."""
        return self.estate.commit({name: documents(*bodies) if bodies else None for name, bodies in files.items()}, message)

    def declarations(self, *applications: Body) -> list[Body]:
        """A target of this cluster, with records of its own, and applications."""
        return [target("here", "kubernetes", namespace=f"{self.namespace}-records"), *applications]

    def application(self, name: str, **specification: Any) -> Body:
        return application(name, namespace=self.namespace, **specification)

    def trueup(self, *arguments: str) -> Any:
        return self.estate.trueup(*arguments, environment=self.environment)

    def get(self, plural: str, name: str) -> Any:
        group, _, kind = plural.rpartition("/")
        return self.cluster.get(f"/{f'apis/{group}' if group else 'api/v1'}/namespaces/{self.namespace}/{kind}/{name}")

    def patch(self, plural: str, name: str, change: Any, manager: str = "kubectl-edit") -> None:
        path = f"/api/v1/namespaces/{self.namespace}/{plural}/{name}?fieldManager={manager}"
        assert self.cluster.request("PATCH", path, change, "application/merge-patch+json")[0] == 200


def config_map(name: str, **data: str) -> Body:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str, image: str = "shop/web", replicas: int = 1) -> Body:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    namespace = "walk-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cluster.namespace(namespace)
    return Place(cluster, Estate(tmp_path), namespace)


def test_a_commit_is_planned_applied_and_waited_for(place: Place) -> None:
    place.commit(
        {"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [config_map("page", colour="red"), deployment("web")]}
    )
    planned = place.trueup("plan", "-o", "json")
    assert planned.code == 2, planned.err
    [plan] = planned.document["items"]
    assert plan["summary"]["create"] == 2
    applied = place.trueup("apply", "-o", "json")
    assert applied.code == 0, applied.err
    [run] = applied.document["items"]
    assert run["state"] == "succeeded"
    assert place.get("apps/v1/deployments", "web")["status"]["availableReplicas"] == 1
    assert place.trueup("plan").code == 0
    status = place.trueup("status", "-o", "json").document["items"][0]
    assert (status["sync"], status["health"]) == ("synced", "healthy")


def test_a_bad_image_is_told_with_the_pods_reason(place: Place) -> None:
    policy = {"timeout": "20s"}
    place.commit(
        {"trueup.yaml": place.declarations(place.application("web", policy=policy)), "web/web.yaml": [deployment("web", "testbed/missing")]}
    )
    applied = place.trueup("apply", "-o", "json")
    assert applied.code == 1
    assert "ImagePullBackOff" in applied.document["items"][0]["message"]


def test_what_the_server_refuses_is_told_with_file_and_line(place: Place) -> None:
    bad = deployment("web")
    bad["spec"]["replicas"] = -1
    once = place.application("web", policy={"retry": {"limit": 0}})
    place.commit({"trueup.yaml": place.declarations(once), "web/web.yaml": [config_map("page"), bad]})
    applied = place.trueup("apply")
    assert applied.code == 1
    assert "spec.replicas" in applied.err
    assert "web/web.yaml:7" in applied.err
    assert place.get("configmaps", "page") is None


def test_why_names_the_commit_and_who_changed_it_since(place: Place) -> None:
    place.commit(
        {
            "trueup.yaml": place.declarations(place.application("web", policy={"selfHeal": False})),
            "web/web.yaml": [config_map("page", colour="red")],
        }
    )
    commit = place.commit({"web/web.yaml": [config_map("page", colour="blue")]}, "pages are blue")
    assert place.trueup("apply").code == 0
    place.patch("configmaps", "page", {"data": {"colour": "green"}}, "kubectl-patch")
    why = place.trueup("why", "web", "ConfigMap/page", "data.colour", "-o", "json")
    assert why.code == 0, why.err
    told = why.document
    assert (told["commit"], told["desired"], told["live"]) == (commit, "blue", "green")
    assert [each["manager"] for each in told["changedBy"]] == ["kubectl-patch"]
    drift = place.trueup("drift", "-o", "json")
    assert drift.code == 2
    [drifted] = drift.document["items"]
    assert (drifted["by"], drifted["changes"]) == ("kubectl-patch", [{"path": "data.colour", "before": "green", "after": "blue"}])


async def test_a_hand_edit_is_undone_at_once_and_a_commit_follows(place: Place) -> None:
    files = {
        "trueup.yaml": place.declarations(place.application("web")),
        "web/web.yaml": [config_map("page", colour="red"), deployment("web")],
    }
    place.commit(files)
    async with place.estate.served() as operator:

        async def synced() -> bool:
            status = await operator.remembered("web")
            return status is not None and (status.sync, status.health) == ("synced", "healthy")

        await eventually(synced)
        time.sleep(0.5)
        place.patch("configmaps", "page", {"data": {"colour": "blue"}})
        # Nothing but the watch tells of it; how long it takes is measured by `make bench-kubernetes`.
        await eventually(lambda: place.get("configmaps", "page")["data"] == {"colour": "red"})
        await eventually(synced)
        runs = await operator.history("web")
        assert runs[0].trigger == "drift"
        place.commit({"web/web.yaml": [config_map("page", colour="green"), deployment("web")]})
        await eventually(lambda: place.get("configmaps", "page")["data"] == {"colour": "green"})


async def test_an_object_that_moves_between_applications_is_handed_over(place: Place) -> None:
    both = place.declarations(place.application("web"), place.application("till"))
    place.commit({"trueup.yaml": both, "web/web.yaml": [config_map("page"), config_map("other")], "till/till.yaml": [config_map("cash")]})
    assert place.trueup("apply").code == 0
    before = place.get("configmaps", "page")["metadata"]["uid"]
    place.commit({"web/web.yaml": [config_map("other")], "till/till.yaml": [config_map("cash"), config_map("page")]})
    assert place.trueup("apply").code == 0
    assert place.trueup("plan", "--all").code == 0
    page = place.get("configmaps", "page")
    assert page["metadata"]["uid"] == before
    assert "/till:" in page["metadata"]["annotations"]["trueup.dev/object"]


async def test_a_lost_state_folder_changes_nothing_and_finds_what_is_orphaned(place: Place) -> None:
    both = place.declarations(place.application("web"), place.application("till"))
    place.commit({"trueup.yaml": both, "web/web.yaml": [config_map("page")], "till/till.yaml": [config_map("cash")]})
    assert place.trueup("apply").code == 0
    before = {name: place.get("configmaps", name)["metadata"]["resourceVersion"] for name in ("page", "cash")}
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "till/till.yaml": None})
    place.estate.state = place.estate.folder / "fresh"
    async with place.estate.served() as operator:

        async def found() -> bool:
            return [each.application for each in await operator.waiting()] == ["till"]

        await eventually(found)

        async def settled() -> bool:
            status = await operator.remembered("web")
            return status is not None and status.sync == "synced"

        await eventually(settled)
    after = {name: place.get("configmaps", name)["metadata"]["resourceVersion"] for name in ("page", "cash")}
    assert after == before


def test_secrets_show_in_no_answer(place: Place) -> None:
    secret: Body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database"},
        "stringData": {"password": "correct-horse-battery"},
    }
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/secret.yaml": [secret]})
    said = [
        place.trueup(*words)
        for words in (("plan",), ("plan", "-o", "json"), ("apply", "-o", "json"), ("render",), ("status",), ("history", "-o", "json"))
    ]
    assert place.get("secrets", "database")["data"]
    secret["stringData"]["password"] = "staple-of-another-kind"
    place.commit({"web/secret.yaml": [secret]})
    said += [place.trueup(*words) for words in (("plan", "-o", "json"), ("apply",), ("why", "web", "Secret/database", "-o", "json"))]
    text = "\n".join(each.out + each.err for each in said)
    assert "correct-horse" not in text
    assert "staple" not in text
    assert "Y29ycmVjdC1" not in text
    stored = b"".join(path.read_bytes() for path in place.estate.state.rglob("*") if path.is_file() and "mirrors" not in path.parts)
    assert b"correct-horse" not in stored
    assert b"staple-of" not in stored
