"""Hooks of a failure and of a deletion are part of the one plan: made once for each run, and only in their case."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, eventually
from tests.end_to_end.kubernetes.test_walk import Place, config_map
from tests.testbed.kubernetes.cluster import Cluster
from trueup.model.manifest import Body

FAILS = "testbed/fails"


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    namespace = "hooks-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cluster.namespace(namespace)
    return Place(cluster, Estate(tmp_path), namespace)


def hook(name: str, phase: str, policy: str = "", image: str = "shop/migrate") -> Body:
    annotations = {"argocd.argoproj.io/hook": phase, **({"argocd.argoproj.io/hook-delete-policy": policy} if policy else {})}
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "run", "image": image}]}}
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, "backoffLimit": 0}}


def job(name: str, image: str) -> Body:
    body = hook(name, "", image=image)
    return {**body, "metadata": {"name": name}}


def declare(place: Place, *bodies: Body, **policy: Any) -> None:
    declared = place.application("web", policy={"timeout": "20s", "removal": "delete", **policy})
    place.commit({"trueup.yaml": place.declarations(declared), "web/web.yaml": list(bodies)})


def widgets(place: Place) -> Body:
    group = f"{place.namespace}.example.org"
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    sized = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": sized}}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    metadata = {"name": f"widgets.{group}"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata, "spec": spec}


def widget(place: Place, size: object) -> Body:
    version = f"{place.namespace}.example.org/v1"
    return {"apiVersion": version, "kind": "Widget", "metadata": {"name": "small"}, "spec": {"size": size}}


def jobs(place: Place) -> list[str]:
    path = f"/apis/batch/v1/namespaces/{place.namespace}/jobs"
    return sorted(each["metadata"]["name"] for each in place.cluster.get(path)["items"])


def last_run(place: Place) -> Any:
    return place.trueup("history", "web", "-o", "json").document["items"][0]


def done(run: Any) -> list[str]:
    return [f"{each['verb']} {each['key'].rpartition('/')[2]}" for each in run["outcomes"] if each["state"] == "done"]


def test_a_hook_of_a_failure_runs_once_a_run_has_failed_and_only_then(place: Place) -> None:
    declare(place, config_map("page"), hook("alarm", "SyncFail"))
    planned = place.trueup("plan", "-o", "json").document["items"][0]
    assert planned["summary"]["create"] == 1
    assert [action["when"] for action in planned["actions"] if action["key"].endswith("alarm")] == ["failed"]
    assert place.trueup("apply").code == 0
    assert jobs(place) == []
    declare(place, config_map("page"), job("web", FAILS), hook("alarm", "SyncFail"))
    assert place.trueup("apply").code == 1
    run = last_run(place)
    assert (run["state"], done(run)) == ("failed", ["create web", "create alarm"])
    assert jobs(place) == ["alarm", "web"]
    first = place.get("batch/v1/jobs", "alarm")["metadata"]["uid"]
    declare(place, config_map("page"), job("other", FAILS), hook("alarm", "SyncFail"))
    assert place.trueup("apply").code == 1
    assert place.get("batch/v1/jobs", "alarm")["metadata"]["uid"] != first, "it runs once in each run that fails"


def test_what_the_server_refuses_in_the_end_runs_it_too(place: Place) -> None:
    declare(place, widgets(place), widget(place, "none"), hook("alarm", "SyncFail"), retry={"limit": 0})
    assert place.trueup("apply").code == 1
    assert jobs(place) == ["alarm"]
    assert "spec.size" in last_run(place)["message"]


def test_a_failed_hook_goes_where_it_asks_for_that_and_stays_otherwise(place: Place) -> None:
    goes, stays = hook("goes", "PreSync", "HookFailed", FAILS), hook("stays", "PreSync", "HookSucceeded", FAILS)
    well = hook("well", "PreSync", "HookSucceeded")
    declare(place, goes, stays, well, config_map("page"))
    assert place.trueup("apply").code == 1
    assert jobs(place) == ["stays"]
    assert place.get("configmaps", "page") is None


def test_hooks_of_a_deletion_run_around_it_and_leave_nothing(place: Place) -> None:
    before, after = hook("before", "PreDelete"), hook("after", "PostDelete")
    declare(place, before, config_map("page"), after)
    assert place.trueup("apply").code == 0
    assert jobs(place) == []
    place.commit({"trueup.yaml": place.declarations(), "web/web.yaml": []})
    [plan] = place.trueup("plan", "-o", "json").document["items"]
    waves = {action["key"].rpartition("/")[2]: action["wave"] for action in plan["actions"]}
    assert plan["removal"]
    assert waves["before"] < waves["page"] < waves["after"]
    removed = place.trueup("apply")
    assert removed.code == 0, removed.err
    assert done(last_run(place)) == ["create before", "delete page", "create after"]
    assert jobs(place) == []
    assert place.get("configmaps", "page") is None
    records = f"/api/v1/namespaces/{place.namespace}-records/configmaps?labelSelector=applyset.kubernetes.io/id"
    assert place.cluster.get(records)["items"] == []


def test_a_hook_whose_name_only_begins_in_git_is_named_after_its_content(place: Place) -> None:
    def migrate(image: str) -> Body:
        body = hook("", "PreSync", image=image)
        return {**body, "metadata": {"generateName": "migrate-", "annotations": body["metadata"]["annotations"]}}

    declare(place, migrate("shop/migrate"), config_map("page", colour="red"))
    assert place.trueup("apply").code == 0
    [first] = jobs(place)
    assert first.startswith("migrate-")
    uid = place.get("batch/v1/jobs", first)["metadata"]["uid"]
    declare(place, migrate("shop/migrate"), config_map("page", colour="blue"))
    assert place.trueup("apply").code == 0
    assert jobs(place) == [first]
    assert place.get("batch/v1/jobs", first)["metadata"]["uid"] != uid, "it ran again for the new commit"
    declare(place, migrate("shop/migrate:2"), config_map("page", colour="blue"))
    assert place.trueup("apply").code == 0
    [second] = jobs(place)
    assert second != first, "one of other content takes its place"
    assert place.trueup("plan", "--all").code == 0
    # What was the hook of an application under its old name is the hook of the same one under its new name.
    place.commit({"trueup.yaml": place.declarations(place.application("site", path="web", policy={"timeout": "20s"}))})
    renamed = place.trueup("apply")
    assert renamed.code == 0, renamed.err
    assert jobs(place) == [second]
    assert "/site:" in place.get("batch/v1/jobs", second)["metadata"]["annotations"]["trueup.dev/object"]


def test_nothing_is_deleted_while_the_hook_before_it_fails(place: Place) -> None:
    declare(place, hook("before", "PreDelete", image=FAILS), config_map("page"))
    assert place.trueup("apply").code == 0
    place.commit({"trueup.yaml": place.declarations(), "web/web.yaml": []})
    removed = place.trueup("apply")
    assert removed.code == 1
    assert "before" in removed.err
    assert place.get("configmaps", "page") is not None


def test_a_removal_that_was_held_runs_its_hooks_once_approved_also_when_the_memory_was_lost(place: Place) -> None:
    declare(place, hook("before", "PreDelete"), config_map("page"), removal="hold")
    assert place.trueup("apply").code == 0
    place.commit({"trueup.yaml": place.declarations(), "web/web.yaml": []})
    shutil.rmtree(place.estate.state)
    held = place.trueup("apply")
    assert held.code == 3, held.err
    assert "would be deleted" in held.err
    assert jobs(place) == []
    assert place.trueup("approve", "web").code == 0
    assert place.trueup("apply").code == 0
    assert done(last_run(place)) == ["create before", "delete page"]
    assert jobs(place) == []
    assert place.get("configmaps", "page") is None


def test_a_removal_that_was_left_halfway_goes_on_with_the_hooks_that_it_began_with(place: Place) -> None:
    declare(place, hook("before", "PreDelete", image="testbed/never"), config_map("page"), hook("after", "PostDelete"), timeout="5m")
    assert place.trueup("apply").code == 0
    place.commit({"trueup.yaml": place.declarations(), "web/web.yaml": []})
    assert place.trueup("apply", "--no-wait").code == 0
    assert jobs(place) == ["before"]
    begun = place.get("batch/v1/jobs", "before")["metadata"]["uid"]
    place.commit({"notes.yaml": [{"another": "commit"}]})
    assert place.trueup("apply", "--no-wait").code == 0
    assert place.get("batch/v1/jobs", "before")["metadata"]["uid"] == begun, "it runs once"
    pods = f"/api/v1/namespaces/{place.namespace}/pods"
    [pod] = place.cluster.get(f"{pods}?labelSelector=job-name=before")["items"]
    path = f"{pods}/{pod['metadata']['name']}/status"
    status, answer = place.cluster.request("PATCH", path, {"status": {"phase": "Succeeded"}}, "application/merge-patch+json")
    assert status == 200, answer
    assert place.trueup("apply").code == 0
    assert done(last_run(place)) == ["create before", "delete page", "create after"]
    assert jobs(place) == []


def test_what_is_kept_when_it_leaves_git_runs_no_hook(place: Place) -> None:
    declare(place, hook("before", "PreDelete"), config_map("page"), removal="keep")
    assert place.trueup("apply").code == 0
    place.commit({"trueup.yaml": place.declarations(), "web/web.yaml": []})
    assert place.trueup("apply").code == 0
    assert jobs(place) == []
    assert place.get("configmaps", "page") is not None


async def test_a_serve_runs_them_too_and_takes_up_what_it_made_a_kind_for(place: Place) -> None:
    group = f"{place.namespace}.example.org"
    declare(place, config_map("page"), hook("first", "PreSync", "HookSucceeded"))
    async with place.estate.served() as operator:

        async def stands(revision: str) -> bool:
            status = await operator.remembered("web")
            return status is not None and (status.sync, status.health, status.revision) == ("synced", "healthy", revision)

        async def gone() -> bool:
            return await operator.remembered("web") is None

        await eventually(lambda: place.get("configmaps", "page") is not None)
        commit = place.commit(
            {"web/web.yaml": [widgets(place), widget(place, 1), hook("before", "PreDelete"), hook("after", "PostDelete")]}
        )
        await eventually(lambda: stands(commit))
        path = f"/apis/{group}/v1/namespaces/{place.namespace}/widgets/small"
        place.cluster.request("PATCH", f"{path}?fieldManager=kubectl-edit", {"spec": {"size": 2}}, "application/merge-patch+json")
        await eventually(lambda: place.cluster.get(path)["spec"]["size"] == 1)
        assert jobs(place) == []
        place.commit({"trueup.yaml": place.declarations(), "web/web.yaml": []})
        await eventually(gone)
        removal = (await operator.history("web"))[0]
        done_there = [f"{each.verb} {each.key.name}" for each in removal.outcomes if each.state == "done"]
        assert done_there == ["create before", "delete small", f"delete widgets.{group}", "create after"]
        assert jobs(place) == []
