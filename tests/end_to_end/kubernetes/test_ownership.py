"""Whose an object is: written at the cluster, in a convention that kubectl knows."""

import json
import subprocess
from dataclasses import replace

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from tests.end_to_end.kubernetes.test_drift import watching
from trueup.model.application import Policy
from trueup.model.contracts import Lost
from trueup.model.errors import Refused
from trueup.model.plan import Verb

NOTE = "kubectl.kubernetes.io/last-applied-configuration"
PART_OF = "applyset.kubernetes.io/part-of"


def group_kinds(shop: Shop) -> str:
    return str(shop.parent()["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"])


def annotate(shop: Shop, name: str, value: str) -> None:
    """A hand changes an annotation of the parent."""
    parent = shop.parent()["metadata"]
    path = f"{shop.path('configmaps', parent['namespace'])}/{parent['name']}"
    change = {"metadata": {"annotations": {f"applyset.kubernetes.io/{name}": value}}}
    assert shop.cluster.request("PATCH", path, change, "application/merge-patch+json")[0] == 200


async def test_a_member_names_its_set_its_owner_itself_and_its_commit(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page")))
    named = shop.get("configmaps", "page")["metadata"]
    parent = shop.parent()["metadata"]
    assert named["labels"][PART_OF] == parent["labels"]["applyset.kubernetes.io/id"]
    assert named["annotations"]["trueup.dev/object"] == f"{shop.repository}/shop:/ConfigMap/{shop.namespace}/page"
    assert named["annotations"]["trueup.dev/revision"] == "1" * 40
    assert [each["manager"] for each in named["managedFields"]] == ["trueup"]
    assert parent["annotations"]["applyset.kubernetes.io/additional-namespaces"] == shop.namespace
    assert parent["annotations"]["applyset.kubernetes.io/tooling"].startswith("trueup/v")


async def test_kubectl_reads_our_parent_and_knows_the_members(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.make(shop.desired(shop.config_map("page")))
    parent = shop.parent()["metadata"]
    arguments = ["apply", "--prune", f"--applyset=configmaps/{parent['name']}", "-n", parent["namespace"], "-f", "-", "--dry-run=server"]
    other = json.dumps(shop.config_map("other", namespace=parent["namespace"]))
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    with pytest.raises(subprocess.CalledProcessError) as told:
        shop.cluster.kubectl(*arguments, input=other)
    assert "tooling" in told.value.stderr
    annotate(shop, "tooling", "kubectl/v1.32.0")
    assert "configmap/page pruned (server dry run)" in shop.cluster.kubectl(*arguments, input=other)


async def test_the_revision_of_an_object_moves_only_when_it_is_written(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page"), shop.config_map("other")))
    await shop.make(shop.desired(shop.config_map("page"), shop.config_map("other", {"colour": "blue"}), revision="2" * 40))
    revisions = [shop.get("configmaps", name)["metadata"]["annotations"]["trueup.dev/revision"] for name in ("page", "other")]
    assert revisions == ["1" * 40, "2" * 40]
    assert shop.parent()["data"]["revision"] == "2" * 40


async def test_the_parent_names_kinds_before_the_first_member_and_no_longer_than_there_are_any(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page")))
    both = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0), revision="2" * 40)
    plan = await shop.plan(both)
    stream = shop.runtime.apply(both, plan.changes)
    await anext(stream)
    assert group_kinds(shop) == "ConfigMap,Deployment.apps"
    await shop.make(both)
    less = shop.desired(shop.config_map("page"), revision="3" * 40)
    await shop.make(less)
    assert group_kinds(shop) == "ConfigMap,Deployment.apps"
    async for _ in shop.runtime.apply(less, ()):
        pass
    assert group_kinds(shop) == "ConfigMap"


async def test_what_kubectl_applied_is_taken_over_once_with_what_it_no_longer_says(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", given=shop.config_map("page", {"colour": "red", "old": "x"}))
    shop.patch("configmaps", "page", {"data": {"operator": "y"}}, "operator")
    desired = shop.desired(shop.config_map("page", {"colour": "blue"}), policy=Policy(adopt=True))
    action = await shop.action(desired)
    changes = {each.path: (each.before, each.after) for each in action.changes}
    assert (action.verb, action.foreign, action.owner) == (Verb.ADOPT, True, "")
    assert "exists and belongs to nobody" in action.reason
    assert "takes data.colour from kubectl-client-side-apply" in action.reason
    assert changes["data.colour"] == ("red", "blue")
    assert changes["data.old"] == ("x", None)
    assert changes[f'metadata.annotations["{NOTE}"]'][1] is None
    assert "data.operator" not in changes
    await shop.make(desired)
    page = shop.get("configmaps", "page")
    assert page["data"] == {"colour": "blue", "operator": "y"}
    assert NOTE not in page["metadata"]["annotations"]
    assert await shop.changes(desired) == {}


async def test_what_a_hand_made_is_adopted_with_the_fields_that_git_does_not_declare(shop: Shop) -> None:
    shop.kubectl("create", "configmap", "page", "--from-literal=colour=red", "--from-literal=more=x")
    desired = shop.desired(shop.config_map("page"))
    assert (await shop.action(desired)).verb is Verb.ADOPT
    await shop.make(desired)
    assert shop.get("configmaps", "page")["data"] == {"colour": "red", "more": "x"}
    assert await shop.changes(desired) == {}


async def test_what_carries_copied_labels_or_has_a_controller_is_never_pruned(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page"), shop.config_map("owned")))
    marks = {part: shop.get("configmaps", "page")["metadata"][part] for part in ("labels", "annotations")}
    path = shop.path("configmaps")
    shop.cluster.request("POST", path, shop.config_map("copied-labels", labels=marks["labels"]))
    shop.cluster.request("POST", path, shop.config_map("copied-all", **marks))
    controller = {"apiVersion": "v1", "kind": "ConfigMap", "name": "page", "uid": shop.get("configmaps", "page")["metadata"]["uid"]}
    shop.patch("configmaps", "owned", {"metadata": {"ownerReferences": [{**controller, "controller": True}]}})
    less = shop.desired(shop.config_map("page"), revision="2" * 40)
    assert await shop.changes(less) == {}
    await shop.make(less)
    assert shop.names("configmaps") == ["copied-all", "copied-labels", "owned", "page"]


async def test_a_label_taken_off_by_hand_is_put_back(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"))
    await shop.make(desired)
    shop.patch("configmaps", "page", {"metadata": {"labels": None}})
    assert await shop.changes(desired) == {f"ConfigMap/{shop.namespace}/page": Verb.UPDATE}
    await shop.make(desired)
    assert PART_OF in shop.get("configmaps", "page")["metadata"]["labels"]


async def test_an_opt_out_counts_as_it_stands_in_git(shop: Shop) -> None:
    keep = {"argocd.argoproj.io/sync-options": "Prune=false"}
    await shop.make(shop.desired(shop.config_map("kept", annotations=keep), shop.config_map("claimed"), shop.config_map("page")))
    shop.patch("configmaps", "claimed", {"metadata": {"annotations": keep}})
    await shop.make(shop.desired(shop.config_map("page"), revision="2" * 40))
    assert shop.names("configmaps") == ["kept", "page"]
    assert PART_OF not in shop.get("configmaps", "kept")["metadata"].get("labels", {})


async def test_an_application_that_is_gone_leaves_neither_objects_nor_records(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0))
    await shop.make(desired)
    await shop.make(replace(desired, manifests=(), removed=True))
    assert shop.names("configmaps") == shop.names("deployments.apps/v1") == []
    assert shop.parents() == []


async def test_a_lost_memory_finds_what_is_ours_and_takes_nothing(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0))
    await shop.make(desired)
    shop.cluster.request("POST", shop.path("configmaps"), shop.config_map("stranger"))
    shop.folder = shop.folder / "fresh"
    async with shop.opened() as runtime:
        [owned] = await runtime.owned()
        assert owned.owner == shop.owner
        assert {key.name for key in owned.keys} == {"page", "web"}
        assert (await shop.plan(desired)).empty
        assert (await shop.plan(desired)).summary.unchanged == 2


async def test_a_lost_record_is_written_again_and_what_left_git_is_still_known(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page"), shop.config_map("old")))
    parent = shop.parent()["metadata"]
    shop.cluster.request("DELETE", f"{shop.path('configmaps', parent['namespace'])}/{parent['name']}")
    async with shop.opened():
        desired = shop.desired(shop.config_map("page"), revision="2" * 40)
        assert await shop.changes(desired) == {f"ConfigMap/{shop.namespace}/old": Verb.DELETE}
        await shop.make(desired)
        assert group_kinds(shop) == "ConfigMap"


async def test_what_is_kept_by_another_tool_under_our_name_is_refused(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"))
    await shop.make(desired)
    annotate(shop, "tooling", "kubectl/v1.32")
    with pytest.raises(Refused, match=r"is kept by kubectl/v1\.32, not by Trueup"):
        await shop.plan(desired)


async def test_a_kind_that_left_the_cluster_is_told_and_no_trouble(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page")))
    annotate(shop, "contains-group-kinds", "ConfigMap,Gadget.gone.example.org")
    async with shop.opened() as runtime:
        assert [len(owned.keys) for owned in await runtime.owned()] == [1]
        async with watching(shop) as told:
            assert told.get_nowait() == Lost("the cluster no longer knows Gadget.gone.example.org, of which something is ours")
        desired = shop.desired(shop.config_map("page"), revision="2" * 40)
        await shop.make(desired)
        async for _ in runtime.apply(desired, ()):
            pass
    assert "Gadget.gone.example.org" in group_kinds(shop)


async def test_members_beside_the_record_are_found_as_those_elsewhere_are(shop: Shop) -> None:
    elsewhere = shop.config_map("elsewhere")
    elsewhere["metadata"]["namespace"] = shop.cluster.namespace(f"{shop.namespace}-annex")
    shop.options["namespace"] = shop.namespace
    async with shop.opened():
        await shop.make(shop.desired(elsewhere, shop.config_map("page"), shop.config_map("old")))
    async with shop.opened():
        desired = shop.desired(elsewhere, shop.config_map("page"), revision="2" * 40)
        assert await shop.changes(desired) == {f"ConfigMap/{shop.namespace}/old": Verb.DELETE}
        await shop.make(desired)
        assert await shop.changes(desired) == {}
        async for _ in shop.runtime.apply(desired, ()):
            pass
        version = shop.parent()["metadata"]["resourceVersion"]
        async for _ in shop.runtime.apply(desired, ()):
            pass
        assert shop.parent()["metadata"]["resourceVersion"] == version
        await shop.make(replace(desired, manifests=(), removed=True))
        assert shop.parents() == []
