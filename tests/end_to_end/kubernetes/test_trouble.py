"""Trouble at a cluster as the whole program meets it: real Git, the engine, a real API server."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, application, eventually, target
from tests.end_to_end.kubernetes.test_clusters import joined
from tests.end_to_end.kubernetes.test_walk import Place, config_map, deployment
from tests.testbed.kubernetes.cluster import Cluster, wait_until
from trueup.model.manifest import Body
from trueup.model.plan import Verb
from trueup.model.run import RunState

MERGE = "application/merge-patch+json"


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    namespace = f"trouble-{time.time_ns() % 10**9}"
    cluster.namespace(namespace)
    return Place(cluster, Estate(tmp_path), namespace)


def named(body: Body, **metadata: Any) -> Body:
    return {**body, "metadata": {**body["metadata"], **metadata}}


async def synced(operator: Any, name: str) -> bool:
    status = await operator.remembered(name)
    return status is not None and (status.sync, status.health) == ("synced", "healthy")


async def test_a_finalizer_that_never_ends_is_told_in_time_and_other_applications_go_on(place: Place) -> None:
    both = place.declarations(place.application("web", policy={"timeout": "2s", "retry": {"limit": 0}}), place.application("till"))
    stuck = named(config_map("stuck"), finalizers=["example.org/never"])
    place.commit({"trueup.yaml": both, "web/web.yaml": [config_map("page"), stuck], "till/till.yaml": [config_map("cash", colour="red")]})
    assert place.trueup("apply").code == 0
    async with place.estate.served() as operator:
        place.commit({"web/web.yaml": [config_map("page")], "till/till.yaml": [config_map("cash", colour="blue")]})
        await eventually(lambda: place.get("configmaps", "cash")["data"] == {"colour": "blue"})

        async def told() -> bool:
            runs = await operator.history("web")
            return runs[0].state == "failed" and "waits for example.org/never" in runs[0].message

        await eventually(told)
        assert "deletionTimestamp" in place.get("configmaps", "stuck")["metadata"]
        place.commit({"till/till.yaml": [config_map("cash", colour="green")]})
        await eventually(lambda: place.get("configmaps", "cash")["data"] == {"colour": "green"})
    place.patch("configmaps", "stuck", {"metadata": {"finalizers": None}})


async def test_of_two_clusters_one_that_is_down_is_told_and_the_other_is_served(
    cluster: Cluster, second_cluster: Cluster, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = {"staging": cluster, "prod": second_cluster}
    second_cluster.namespace(place.namespace)
    monkeypatch.setenv("KUBECONFIG", str(joined(clusters, place.estate.folder / "kubeconfig")))
    targets = [target(name, "kubernetes", context=name, namespace=f"{place.namespace}-records") for name in clusters]
    applications = [place.application(f"web-{name}", target=name) for name in clusters]
    place.commit(
        {"trueup.yaml": [*targets, *applications], **{f"web-{name}/page.yaml": [config_map("page", colour="red")] for name in clusters}}
    )
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/page"

    def colours() -> list[str]:
        return [found["data"]["colour"] for each in clusters.values() if (found := each.get(path))]

    async with place.estate.served(targets={"kubernetes": {"contexts": ["*"]}}) as operator:

        async def stands(name: str, sync: str, words: str = "") -> bool:
            status = await operator.remembered(f"web-{name}", name)
            return status is not None and status.sync == sync and words in status.message

        await eventually(lambda: colours() == ["red", "red"])
        await eventually(lambda: stands("prod", "synced"))
        await asyncio.to_thread(second_cluster.stop_api_server)
        try:
            place.commit({f"web-{name}/page.yaml": [config_map("page", colour="blue")] for name in clusters})
            await eventually(lambda: cluster.get(path)["data"] == {"colour": "blue"})
            await eventually(lambda: stands("staging", "synced"))
            await eventually(lambda: stands("prod", "unknown", "does not answer"))
        finally:
            await asyncio.to_thread(second_cluster.start_api_server)
        await eventually(lambda: colours() == ["blue", "blue"])
        await eventually(lambda: stands("prod", "synced"))


async def test_a_server_restarted_in_the_middle_of_a_walk_is_waited_for_and_the_walk_goes_on(
    second_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(second_cluster.kubeconfig))
    place = Place(second_cluster, Estate(tmp_path), second_cluster.namespace(f"restart-{time.time_ns() % 10**9}"))
    pages = [config_map(f"page-{number}") for number in range(300)]
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": pages})
    listing = f"/api/v1/namespaces/{place.namespace}/configmaps"
    async with place.estate.served() as operator:
        await eventually(lambda: len(second_cluster.get(listing)["items"]) > 20, pause=0.005)
        await asyncio.to_thread(second_cluster.stop_api_server)
        await asyncio.sleep(1)
        await asyncio.to_thread(second_cluster.start_api_server)
        await eventually(lambda: synced(operator, "web"))
        assert len(second_cluster.get(listing)["items"]) == 301
        assert "failed" not in {run.state for run in await operator.history("web")}


async def test_two_who_fight_over_a_field_are_slowed_down_and_the_fight_is_told(place: Place) -> None:
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [config_map("page", colour="red")]})
    fighting = True

    async def paint() -> None:
        while fighting:
            if place.get("configmaps", "page")["data"] == {"colour": "red"}:
                place.patch("configmaps", "page", {"data": {"colour": "blue"}}, "painter")
            await asyncio.sleep(0.02)

    async with place.estate.served() as operator:
        await eventually(lambda: synced(operator, "web"))
        painter = asyncio.create_task(paint())

        async def told() -> bool:
            status = await operator.remembered("web")
            return status is not None and "painter" in status.message and "ConfigMap" in status.message

        await eventually(told)
        await asyncio.sleep(2.5)
        heals = [run for run in await operator.history("web") if run.trigger == "drift"]
        assert 3 <= len(heals) <= 7
        fighting = False
        await painter
        await eventually(lambda: synced(operator, "web"))
        assert place.get("configmaps", "page")["data"] == {"colour": "red"}


def test_three_refused_among_two_hundred_are_told_with_file_and_line_and_nothing_is_done(place: Place) -> None:
    once = place.application("web", policy={"retry": {"limit": 0}})
    bad = {number: deployment(f"page-{number}", replicas=-number) for number in (3, 77, 150)}
    files = {f"web/page-{number}.yaml": [bad.get(number, config_map(f"page-{number}"))] for number in range(200)}
    place.commit({"trueup.yaml": place.declarations(once), **files})
    applied = place.trueup("apply")
    assert applied.code == 1
    for number in bad:
        assert f"Deployment.apps/{place.namespace}/page-{number} (web/page-{number}.yaml:1) was refused: spec.replicas" in applied.err
    assert place.cluster.get(f"/api/v1/namespaces/{place.namespace}/configmaps?labelSelector=trueup.dev/owner")["items"] == []


def kind_and_objects(place: Place, count: int) -> list[Body]:
    """Objects of a kind of our own, and then the kind."""
    group = f"{place.namespace}.example.org"
    size = {"type": "object", "properties": {"size": {"type": "integer"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": size}}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    objects = [{"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": f"one-{n}"}, "spec": {"size": n}} for n in range(count)]
    return [*objects, {**kind, "metadata": {"name": f"widgets.{group}"}}]


def test_a_kind_its_objects_and_their_namespace_come_in_one_commit(place: Place) -> None:
    annex = application("web", namespace=f"{place.namespace}-annex", createNamespace=True)
    place.commit({"trueup.yaml": place.declarations(annex), "web/all.yaml": [*kind_and_objects(place, 3), config_map("page")]})
    applied = place.trueup("apply")
    assert applied.code == 0, applied.err
    listed = place.cluster.get(f"/apis/{place.namespace}.example.org/v1/namespaces/{place.namespace}-annex/widgets")["items"]
    assert [each["spec"]["size"] for each in listed] == [0, 1, 2]
    assert place.trueup("plan", "--all").code == 0


async def test_a_kind_that_goes_with_its_objects_is_nobody_elses_trouble(place: Place) -> None:
    both = place.declarations(place.application("web"), place.application("till"))
    place.commit(
        {"trueup.yaml": both, "web/all.yaml": [*kind_and_objects(place, 1), config_map("page")], "till/till.yaml": [config_map("cash")]}
    )
    async with place.estate.served() as operator:
        await eventually(lambda: synced(operator, "web"))
        place.commit({"web/all.yaml": [config_map("page")]})
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{place.namespace}.example.org"
        await eventually(lambda: place.cluster.get(path) is None)
        await eventually(lambda: synced(operator, "web"))
        await asyncio.sleep(2)
        place.commit({"till/till.yaml": [config_map("cash", colour="blue")]})
        await eventually(lambda: place.get("configmaps", "cash").get("data") == {"colour": "blue"})
        await eventually(lambda: synced(operator, "till"))
        assert {run.state for run in await operator.history()} == {"succeeded"}


def test_an_object_deleted_by_hand_between_plan_and_apply_makes_the_plan_outdated(place: Place) -> None:
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [config_map("page", colour="red")]})
    assert place.trueup("apply").code == 0
    place.commit({"web/web.yaml": [config_map("page", colour="blue")]})
    file = place.estate.folder / "plan.json"
    file.write_text(place.trueup("plan", "-o", "json").out, encoding="utf-8")
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/page"
    assert place.cluster.request("DELETE", path)[0] == 200
    refused = place.trueup("apply", "--plan", str(file))
    assert refused.code == 1
    assert place.cluster.get(path) is None
    assert place.trueup("apply").code == 0
    assert place.cluster.get(path)["data"] == {"colour": "blue"}


async def test_what_a_real_autoscaler_sets_stays(place: Place) -> None:
    web: Body = deployment("web")
    del web["spec"]["replicas"]
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 3}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec}
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [web, scaler]})
    async with place.estate.served() as operator:
        await eventually(lambda: (place.get("apps/v1/deployments", "web") or {"spec": {"replicas": 0}})["spec"]["replicas"] == 2)
        web["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2"
        place.commit({"web/web.yaml": [web, scaler]})

        def image() -> str:
            return str(place.get("apps/v1/deployments", "web")["spec"]["template"]["spec"]["containers"][0]["image"])

        await eventually(lambda: image() == "shop/web:2")
        await asyncio.sleep(1)
        assert place.get("apps/v1/deployments", "web")["spec"]["replicas"] == 2
        assert [run.trigger for run in await operator.history("web") if run.trigger == "drift"] == []


async def test_a_namespace_deleted_by_hand_is_there_again_with_all_that_was_in_it(place: Place) -> None:
    annex = f"{place.namespace}-annex"
    declared = application("web", namespace=annex, createNamespace=True)
    place.commit({"trueup.yaml": place.declarations(declared), "web/web.yaml": [config_map("page"), deployment("web")]})
    async with place.estate.served() as operator:
        await eventually(lambda: synced(operator, "web"))
        before = place.cluster.get(f"/api/v1/namespaces/{annex}")["metadata"]["uid"]
        assert place.cluster.request("DELETE", f"/api/v1/namespaces/{annex}")[0] == 200

        def again() -> bool:
            found = place.cluster.get(f"/api/v1/namespaces/{annex}")
            page = place.cluster.get(f"/api/v1/namespaces/{annex}/configmaps/page")
            return bool(found and page and found["metadata"]["uid"] != before)

        await eventually(again, 90)
        await eventually(lambda: synced(operator, "web"))


async def test_a_serve_that_begins_while_its_cluster_is_down_goes_on_once_it_is_up(
    second_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(second_cluster.kubeconfig))
    place = Place(second_cluster, Estate(tmp_path), second_cluster.namespace(f"down-{time.time_ns() % 10**9}"))
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [config_map("page")]})
    await asyncio.to_thread(second_cluster.stop_api_server)
    try:
        # A watch that cannot begin is left while the walk beside it waits for what it knows: the walk ends all the same.
        applied = await asyncio.to_thread(place.trueup, "apply", "--no-wait")
        assert (applied.code, "does not answer" in applied.err) == (1, True), applied.err
        async with place.estate.served() as operator:

            async def told() -> bool:
                status = await operator.remembered("web")
                return status is not None and status.sync == "unknown" and "does not answer" in status.message

            await eventually(told)
            await asyncio.to_thread(second_cluster.start_api_server)
            await eventually(lambda: synced(operator, "web"))
    finally:
        await asyncio.to_thread(second_cluster.start_api_server)


def test_what_must_be_made_anew_waits_for_a_person_unless_it_says_that_it_may(place: Place) -> None:
    def page(colour: str, **metadata: Any) -> Body:
        return named({**config_map("page", colour=colour), "immutable": True}, **metadata)

    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [page("red")]})
    assert place.trueup("apply").code == 0
    before = place.get("configmaps", "page")["metadata"]["uid"]
    place.commit({"web/web.yaml": [page("blue")]})
    held = place.trueup("apply")
    assert held.code == 3, held.err
    assert place.get("configmaps", "page")["metadata"]["uid"] == before
    place.commit({"web/web.yaml": [page("blue", annotations={"trueup.dev/replace": "allowed"})]})
    applied = place.trueup("apply")
    assert applied.code == 0, applied.err
    after = place.get("configmaps", "page")
    assert (after["data"], after["metadata"]["uid"] != before) == ({"colour": "blue"}, True)


def test_what_a_person_wrote_wrongly_is_told_with_file_and_line(place: Place) -> None:
    once = place.application("web", policy={"retry": {"limit": 0}})
    number = named(config_map("page"), annotations={"weight": 1})
    place.commit({"trueup.yaml": place.declarations(once), "web/a.yaml": [config_map("fine"), number]})
    told = place.trueup("plan")
    assert told.code == 1
    assert "web/a.yaml:" in told.err
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"shop:{place.namespace}"},
        "rules": [],
    }
    some = {"apiVersion": "v1", "kind": "List", "items": [config_map("one"), config_map("two")]}
    place.commit({"web/a.yaml": [some, role]})
    applied = place.trueup("apply")
    assert applied.code == 0, applied.err
    assert place.get("configmaps", "two") is not None
    assert place.trueup("plan", "--all").code == 0
    place.commit({"web/a.yaml": [config_map("one")]})
    assert place.trueup("apply").code == 0
    assert place.cluster.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/shop:{place.namespace}") is None


def test_a_quota_that_is_full_in_the_middle_is_told_and_what_fits_is_done(place: Place) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"count/configmaps": "4"}}}
    path = f"/api/v1/namespaces/{place.namespace}/resourcequotas"
    assert place.cluster.request("POST", path, quota)[0] == 201
    wait_until(lambda: place.cluster.get(f"{path}/few")["status"].get("used"), "the quota is not counted")
    once = place.application("web", policy={"retry": {"limit": 0}})
    place.commit({"trueup.yaml": place.declarations(once), "web/web.yaml": [config_map(f"page-{number}") for number in range(8)]})
    applied = place.trueup("apply", "-o", "json")
    assert applied.code == 1
    [run] = applied.document["items"]
    states = [outcome["state"] for outcome in run["outcomes"]]
    # One of the four may be the namespace's own.
    assert states.count("done") in (3, 4)
    assert states.count("failed") == 8 - states.count("done")
    assert applied.err.count("exceeded quota: few") >= 1
    assert place.cluster.request("DELETE", f"{path}/few")[0] == 200
    assert place.trueup("apply").code == 0
    assert place.trueup("plan", "--all").code == 0


async def test_an_object_as_large_as_one_can_be_is_watched_and_kept(place: Place) -> None:
    large = config_map("large", text="x" * 900_000, colour="red")
    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/web.yaml": [large]})
    async with place.estate.served() as operator:
        await eventually(lambda: synced(operator, "web"))
        place.patch("configmaps", "large", {"data": {"colour": "blue"}})
        await eventually(lambda: place.get("configmaps", "large")["data"]["colour"] == "red")


async def test_a_kind_gets_a_new_version_along_with_its_objects(place: Place) -> None:
    group = f"{place.namespace}.example.org"

    def files(storage: str, *served: str) -> list[Body]:
        *_, kind = kind_and_objects(place, 0)
        [first] = kind["spec"]["versions"]

        def schema(version: str) -> Body:
            # The new version has a field that the old one does not, into which the server cannot bring what was applied before.
            properties = {"size": {"type": "integer"}, **({"colour": {"type": "string"}} if version == "v2" else {})}
            return {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}}

        versions = [{**first, "name": name, "storage": name == storage, "schema": schema(name)} for name in served]
        spec = {"size": len(served), **({"colour": "red"} if storage == "v2" else {})}
        objects = {"apiVersion": f"{group}/{storage}", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec}
        return [objects, {**kind, "spec": {**kind["spec"], "versions": versions}}]

    def size(version: str) -> int:
        found = place.cluster.get(f"/apis/{group}/{version}/namespaces/{place.namespace}/widgets/one")
        return int(found["spec"]["size"]) if found else 0

    place.commit({"trueup.yaml": place.declarations(place.application("web")), "web/all.yaml": files("v1", "v1")})
    async with place.estate.served() as operator:
        await eventually(lambda: synced(operator, "web") if size("v1") == 1 else False)
        identity = place.cluster.get(f"/apis/{group}/v1/namespaces/{place.namespace}/widgets/one")["metadata"]["uid"]
        place.commit({"web/all.yaml": files("v2", "v1", "v2")})
        await eventually(lambda: synced(operator, "web") if size("v2") == 2 else False)
        found = place.cluster.get(f"/apis/{group}/v2/namespaces/{place.namespace}/widgets/one")
        assert found["metadata"]["uid"] == identity
        place.cluster.request("PATCH", f"/apis/{group}/v2/namespaces/{place.namespace}/widgets/one", {"spec": {"size": 9}}, MERGE)
        await eventually(lambda: size("v2") == 2)
        await eventually(lambda: synced(operator, "web"))
        *later, first = await operator.history("web")
        assert {run.state for run in (*later, first)} == {RunState.SUCCEEDED}
        # What was there was there for the plan, too.
        assert {outcome.verb for run in later for outcome in run.outcomes} == {Verb.UPDATE}
        # A hand that deletes the kind deletes the objects with it: all of it is back.
        place.cluster.kubectl("delete", "customresourcedefinition", f"widgets.{group}")
        await eventually(lambda: size("v2") == 2)
        await eventually(lambda: synced(operator, "web"))
