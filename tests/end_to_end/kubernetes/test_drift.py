"""What hands and controllers do at the cluster: seen, shown, undone or left alone, as Git says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from tests.testbed.kubernetes.cluster import wait_until
from trueup.model.application import Ignore, Policy
from trueup.model.contracts import Lost, Moved
from trueup.model.manifest import Key
from trueup.model.plan import Verb
from trueup.runtimes.kubernetes.client.discovery import Resource

# Seconds. What is watched is told at once, and what is not never: so a busy machine may take its time (how long it takes is measured by
# `make bench-kubernetes`).
SOON = 60
PART_OF = "applyset.kubernetes.io/part-of"


@asynccontextmanager
async def watching(shop: Shop) -> AsyncIterator["asyncio.Queue[Moved | Lost]"]:
    """What the watch tells, while it is open."""
    told: asyncio.Queue[Moved | Lost] = asyncio.Queue()

    async def listen() -> None:
        async for each in shop.runtime.watch() or ():  # type: ignore[union-attr]
            told.put_nowait(each)

    task = asyncio.create_task(listen())
    while shop.runtime._watched is None or not any(each.is_fresh for each in shop.runtime._watched._followers.values()):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_hand_edit_is_seen_at_once_with_who_and_what(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"))
    await shop.make(desired)
    async with watching(shop) as told:
        shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
        moved = await asyncio.wait_for(told.get(), SOON)
        assert moved == Moved(shop.owner, Key("ConfigMap", "page", "", shop.namespace), "kubectl-edit")
        action = await shop.action(desired)
        assert (action.verb, action.reason) == (Verb.UPDATE, "takes data.colour from kubectl-edit")
        live = await shop.runtime.live(shop.owner, action.key)
        assert live is not None
        touch = live.changed_by[-1]
        assert (touch.manager, [(each.path, each.after) for each in touch.changes]) == ("kubectl-edit", [("data.colour", "blue")])
        assert abs((datetime.now(UTC) - datetime.fromisoformat(touch.at)).total_seconds()) < 30
        await shop.make(desired)
        assert shop.get("configmaps", "page")["data"] == {"colour": "red"}
        assert await shop.changes(desired) == {}


async def test_our_own_writes_and_what_does_not_matter_are_not_told(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0))
    await shop.make(desired)
    # The controller's first word on a new Deployment is no part of this: it has said it before the watch begins.
    settled = "deployment.kubernetes.io/revision"
    await asyncio.to_thread(
        wait_until,
        lambda: settled in shop.get("deployments.apps/v1", "web")["metadata"].get("annotations", {}),
        "the controller is silent",
    )
    async with watching(shop) as told:
        await shop.make(shop.desired(shop.config_map("page", {"colour": "blue"}), shop.deployment("web", replicas=0), revision="2" * 40))
        status = {"status": {"observedGeneration": 1, "unavailableReplicas": 0}}
        path = f"{shop.path('deployments.apps/v1')}/web/status"
        assert shop.cluster.request("PATCH", path, status, "application/merge-patch+json")[0] == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told.get(), 1)


async def test_a_deletion_is_told_and_a_label_taken_off_is_not_taken_for_one(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.config_map("other"))
    await shop.make(desired)
    async with watching(shop) as told:
        shop.patch("configmaps", "page", {"metadata": {"labels": None}})
        assert await asyncio.wait_for(told.get(), SOON) == Moved(shop.owner, Key("ConfigMap", "page", "", shop.namespace))
        assert await shop.changes(desired) == {f"ConfigMap/{shop.namespace}/page": Verb.UPDATE}
        shop.delete("configmaps", "other")
        assert await asyncio.wait_for(told.get(), SOON) == Moved(shop.owner, Key("ConfigMap", "other", "", shop.namespace))
        assert (await shop.changes(desired))[f"ConfigMap/{shop.namespace}/other"] is Verb.CREATE
        await shop.make(desired)
        assert await shop.changes(desired) == {}
    # What went with its kind is gone too: its watch must not end over the question.
    gone = Resource("nowhere.example.org", "v1", "Gadget", "gadgets", True, frozenset())
    assert await shop.runtime._cluster.look(gone, shop.namespace, "page") is None


async def test_a_watched_application_that_is_quiet_costs_no_request(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0))
    await shop.make(desired)
    async with watching(shop):
        await shop.plan(desired)
        before = dict(shop.runtime._cluster.connection.counts)
        for _ in range(3):
            plan = await shop.plan(desired)
            await shop.runtime.health(desired, {action.key: "" for action in plan.actions})
            async for _ in shop.runtime.apply(desired, ()):
                pass
        assert shop.runtime._cluster.connection.counts == before


async def test_a_new_kind_is_watched_from_its_first_plan_on(shop: Shop) -> None:
    async with watching(shop) as told:
        desired = shop.desired(shop.body("v1", "ServiceAccount", "runner", {}))
        await shop.make(desired)
        shop.delete("serviceaccounts", "runner")
        moved = await asyncio.wait_for(told.get(), SOON)
        assert isinstance(moved, Moved)
        assert moved.key.kind == "ServiceAccount"


async def test_what_an_autoscaler_sets_and_git_does_not_name_stays(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web"))
    await shop.make(desired)
    shop.patch("deployments.apps/v1", "web/scale", {"spec": {"replicas": 3}}, "kube-controller-manager")
    assert await shop.changes(desired) == {}
    await shop.make(shop.desired(shop.deployment("web", "shop/web:2"), revision="2" * 40))
    assert shop.get("deployments.apps/v1", "web")["spec"]["replicas"] == 3


async def test_a_scale_by_hand_is_no_drift_until_git_says_another_number(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", replicas=1))
    await shop.make(desired)
    shop.kubectl("scale", "deployment/web", "--replicas=2")
    assert await shop.changes(desired) == {}
    shop.patch("deployments.apps/v1", "web", {"metadata": {"labels": {PART_OF: None}}})
    await shop.make(desired)
    assert shop.get("deployments.apps/v1", "web")["spec"]["replicas"] == 2
    await shop.make(shop.desired(shop.deployment("web", "shop/web:2", replicas=1), revision="3" * 40))
    assert shop.get("deployments.apps/v1", "web")["spec"]["replicas"] == 2, "Git says something else, but no other number"
    await shop.make(shop.desired(shop.deployment("web", replicas=4), revision="2" * 40))
    assert shop.get("deployments.apps/v1", "web")["spec"]["replicas"] == 4


async def test_a_scale_stays_when_the_memory_is_lost(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", replicas=1))
    await shop.make(desired)
    shop.patch("deployments.apps/v1", "web/scale", {"spec": {"replicas": 3}}, "kube-controller-manager")
    shop.folder = shop.folder / "fresh"
    async with shop.opened():
        assert await shop.changes(desired) == {}


async def test_a_restart_by_hand_is_no_drift(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", replicas=0))
    await shop.make(desired)
    shop.kubectl("rollout", "restart", "deployment/web")
    action = await shop.action(desired)
    assert (action.verb, action.changes) == (Verb.UNCHANGED, ())


async def test_what_a_hand_added_is_shown_and_undone_only_where_the_policy_is_strict(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"))
    await shop.make(desired)
    shop.patch("configmaps", "page", {"data": {"more": "x"}})
    shop.patch("configmaps", "page", {"data": {"operator": "y"}}, "operator")
    shown = await shop.action(desired)
    assert (shown.verb, [(each.path, each.before, each.after) for each in shown.changes]) == (Verb.UNCHANGED, [("data.more", "x", None)])
    strict = shop.desired(shop.config_map("page"), policy=Policy(self_heal="strict"))
    assert (await shop.action(strict)).verb is Verb.UPDATE
    await shop.make(strict)
    assert shop.get("configmaps", "page")["data"] == {"colour": "red", "operator": "y"}
    assert await shop.changes(strict) == {}


async def test_what_is_ignored_is_left_alone_in_plan_and_apply(shop: Shop) -> None:
    rules = (Ignore(field="data.colour"), Ignore(manager="painter"))
    body = shop.config_map("page", {"colour": "red", "size": "s", "shade": "dark"})
    await shop.make(shop.desired(body, ignore=rules))
    shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
    shop.patch("configmaps", "page", {"data": {"shade": "light"}}, "painter")
    assert await shop.changes(shop.desired(body, ignore=rules)) == {}
    body["data"]["size"] = "m"
    await shop.make(shop.desired(body, ignore=rules, revision="2" * 40))
    assert shop.get("configmaps", "page")["data"] == {"colour": "blue", "size": "m", "shade": "light"}
    await shop.make(shop.desired(body, revision="2" * 40))
    assert shop.get("configmaps", "page")["data"] == {"colour": "red", "size": "m", "shade": "dark"}


async def test_a_list_item_added_by_a_webhook_or_a_hand_is_no_change(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", replicas=0))
    await shop.make(desired)
    sidecar = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "mesh", "image": "mesh"}}]
    path = f"{shop.path('deployments.apps/v1')}/web?fieldManager=mesh"
    assert shop.cluster.request("PATCH", path, sidecar, "application/json-patch+json")[0] == 200
    assert await shop.changes(desired) == {}
    await shop.make(shop.desired(shop.deployment("web", "shop/web:2", replicas=0), revision="2" * 40))
    containers = shop.get("deployments.apps/v1", "web")["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["image"] for each in containers} == {"web": "shop/web:2", "mesh": "mesh"}
