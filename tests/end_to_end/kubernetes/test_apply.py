"""What is carried out, under which lock, in which order, and what is told when it cannot be."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.end_to_end.kubernetes.shop import Shop, states
from trueup.model.contracts import Desired
from trueup.model.errors import Refused
from trueup.model.health import State
from trueup.model.manifest import Body
from trueup.model.plan import Verb
from trueup.testing import carry_out


def job(shop: Shop, name: str, image: str = "shop/migrate", **annotations: str) -> Body:
    pod = {"containers": [{"name": "job", "image": image}], "restartPolicy": "Never"}
    fields = {"spec": {"template": {"spec": pod}, "backoffLimit": 0}}
    named = {"annotations": {name.replace("__", "/").replace("_", "-"): value for name, value in annotations.items()}}
    return shop.body("batch/v1", "Job", name, fields, **named)


def hook(shop: Shop, name: str, phase: str, policy: str = "", image: str = "shop/migrate") -> Body:
    body = job(shop, name, image)
    body["metadata"]["annotations"] = {
        "argocd.argoproj.io/hook": phase,
        **({"argocd.argoproj.io/hook-delete-policy": policy} if policy else {}),
    }
    return body


async def healthy(shop: Shop, desired: Desired, keys: Any) -> None:
    async with asyncio.timeout(90):
        while {each.state for each in (await shop.runtime.health(desired, dict.fromkeys(keys, ""))).values()} != {State.HEALTHY}:
            await asyncio.sleep(0.2)


async def test_an_object_deleted_between_plan_and_apply_is_not_made_again(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page")))
    desired = shop.desired(shop.config_map("page", {"colour": "blue"}), revision="2" * 40)
    plan = await shop.plan(desired)
    shop.delete("configmaps", "page")
    [outcome] = await carry_out(shop.runtime, desired, plan)
    assert (outcome.state, outcome.outdated) == ("failed", True)
    assert shop.names("configmaps") == []


async def test_status_writes_between_plan_and_apply_do_not_matter(shop: Shop) -> None:
    await shop.make(shop.desired(shop.deployment("web", replicas=0)))
    desired = shop.desired(shop.deployment("web", "shop/web:2", replicas=0), revision="2" * 40)
    plan = await shop.plan(desired)
    path = f"{shop.path('deployments.apps/v1')}/web/status"
    shop.cluster.request("PATCH", path, {"status": {"observedGeneration": 1, "replicas": 0}}, "application/merge-patch+json")
    assert set(states(await carry_out(shop.runtime, desired, plan)).values()) == {"done"}


async def test_an_object_whose_finalizer_never_ends_is_told_and_others_go_on(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("stuck", finalizers=["example.org/never"]), shop.config_map("page")))
    begun = time.monotonic()
    outcomes = {each.key.name: each for each in await shop.walk(shop.desired())}
    assert time.monotonic() - begun < 60
    assert outcomes["page"].state == "done"
    assert outcomes["stuck"].state == "failed"
    assert "waits for example.org/never" in outcomes["stuck"].message
    shop.patch("configmaps", "stuck", {"metadata": {"finalizers": None}})
    await shop.make(shop.desired())
    assert shop.names("configmaps") == []


async def test_a_namespace_that_is_stuck_while_it_goes_is_told_with_the_servers_reason(shop: Shop) -> None:
    name = f"{shop.namespace}-annex"
    annex = shop.body("v1", "Namespace", name, {}, namespace=None)
    stuck = shop.config_map("stuck", finalizers=["example.org/never"])
    stuck["metadata"]["namespace"] = name
    await shop.make(shop.desired(annex))
    shop.cluster.request("POST", shop.path("configmaps", name), stuck)
    [outcome] = await shop.walk(shop.desired())
    assert outcome.state == "failed"
    assert "example.org/never" in outcome.message
    page = shop.config_map("page")
    page["metadata"]["namespace"] = name
    with pytest.raises(Exception, match="is being terminated"):
        await shop.plan(shop.desired(page))
    path = f"{shop.path('configmaps', name)}/stuck"
    shop.cluster.request("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    await shop.make(shop.desired())


async def test_a_replace_that_was_interrupted_between_its_halves_goes_on(shop: Shop) -> None:
    def page(colour: str) -> Body:
        return shop.body("v1", "ConfigMap", "page", {"data": {"colour": colour}, "immutable": True})

    await shop.make(shop.desired(page("red")))
    desired = shop.desired(page("blue"), revision="2" * 40)
    plan = await shop.plan(desired)
    shop.delete("configmaps", "page")
    assert states(await carry_out(shop.runtime, desired, plan)) == {f"ConfigMap/{shop.namespace}/page": "done"}
    assert shop.get("configmaps", "page")["data"] == {"colour": "blue"}
    assert states(await carry_out(shop.runtime, desired, plan)) == {f"ConfigMap/{shop.namespace}/page": "done"}


async def test_hooks_run_around_the_waves_of_a_commit_and_go_when_they_are_asked_to(shop: Shop) -> None:
    bodies = [hook(shop, "before", "PreSync"), shop.config_map("page"), hook(shop, "after", "PostSync", "HookSucceeded")]
    desired = shop.desired(*bodies)
    plan = await shop.plan(desired)
    waves = {action.key.name: action.wave for action in plan.actions}
    assert waves["before"] < waves["page"] < waves["after"]
    assert [each.key.name for each in await carry_out(shop.runtime, desired, plan)] == ["before", "page", "after"]
    assert shop.names("jobs.batch/v1") == ["after", "before"]
    await healthy(shop, desired, [action.key for action in plan.actions])
    async for _ in shop.runtime.apply(desired, ()):
        pass
    assert shop.names("jobs.batch/v1") == ["before"]
    assert shop.parent()["data"]["synced"] == "1" * 40
    assert await shop.changes(desired) == {}
    await healthy(shop, desired, [action.key for action in plan.actions])


async def test_an_application_does_not_go_without_the_hooks_that_it_had(shop: Shop) -> None:
    await shop.make(shop.desired(shop.config_map("page"), hook(shop, "before", "PreDelete")))
    gone = replace(shop.desired(), removed=True)
    with pytest.raises(Refused, match="its hooks of a deletion cannot be read: they stand at 1111111") as told:
        await shop.plan(gone)
    assert "trueup-shop-" in told.value.hint
    await shop.make(shop.desired(shop.config_map("page"), revision="2" * 40))
    assert await shop.changes(gone) == {f"ConfigMap/{shop.namespace}/page": Verb.DELETE}


async def test_hooks_run_again_for_a_new_commit_and_not_for_drift(shop: Shop) -> None:
    first = shop.desired(hook(shop, "before", "PreSync"), shop.config_map("page"))
    await shop.make(first)
    async for _ in shop.runtime.apply(first, ()):
        pass
    shop.patch("configmaps", "page", {"data": {"colour": "green"}})
    assert await shop.changes(first) == {f"ConfigMap/{shop.namespace}/page": Verb.UPDATE}
    await shop.make(first)
    before = shop.get("jobs.batch/v1", "before")["metadata"]["uid"]
    second = replace(
        shop.desired(hook(shop, "before", "PreSync"), shop.config_map("page", {"colour": "blue"}), revision="2" * 40), run="1" * 20
    )
    plan = await shop.plan(second)
    assert {action.key.name for action in plan.changes} == {"before", "page"}
    await carry_out(shop.runtime, second, plan)
    after = shop.get("jobs.batch/v1", "before")["metadata"]["uid"]
    assert after != before
    await carry_out(shop.runtime, second, plan)
    assert shop.get("jobs.batch/v1", "before")["metadata"]["uid"] == after


async def test_what_is_not_applied_in_a_sync_is_not_planned(shop: Shop) -> None:
    bodies = [hook(shop, "never", "Skip"), hook(shop, "going", "PreDelete"), shop.config_map("page")]
    assert [action.key.name for action in (await shop.plan(shop.desired(*bodies))).actions] == ["page"]


async def test_flux_options_are_understood(shop: Shop) -> None:
    def flux(name: str, value: str) -> dict[str, str]:
        return {f"kustomize.toolkit.fluxcd.io/{name}": value}

    once = shop.config_map("once", annotations=flux("ssa", "IfNotPresent"))
    off = shop.config_map("off", annotations=flux("reconcile", "disabled"))
    await shop.make(shop.desired(once, off))
    assert shop.names("configmaps") == ["once"]
    shop.patch("configmaps", "once", {"data": {"colour": "blue"}})
    assert await shop.changes(shop.desired(once, off)) == {}


async def test_an_application_makes_its_namespace_where_it_asks_for_that(shop: Shop) -> None:
    name = f"{shop.namespace}-annex"
    page = shop.config_map("page")
    page["metadata"]["namespace"] = name
    desired = shop.desired(page, namespace=name, create_namespace=True)
    await shop.make(desired)
    assert await shop.changes(desired) == {}
    made = set(shop.cluster.get(f"/api/v1/namespaces/{name}")["metadata"]["annotations"])
    assert made == {"trueup.dev/object", "trueup.dev/revision", "trueup.dev/prune"}
    other = shop.desired(page | {"metadata": {"name": "other", "namespace": name}}, name="till", namespace=name, create_namespace=True)
    assert set(await shop.changes(other)) == {f"ConfigMap/{name}/other"}
    await shop.make(replace(desired, manifests=(), removed=True))
    assert "annotations" not in shop.cluster.get(f"/api/v1/namespaces/{name}")["metadata"]
    assert shop.cluster.get(f"{shop.path('configmaps', name)}/page") is None


async def test_a_hundred_objects_are_written_side_by_side(shop: Shop) -> None:
    desired = shop.desired(*(shop.config_map(f"page-{number}") for number in range(100)))
    await shop.make(desired)
    assert len(shop.names("configmaps")) == 100
    counts = shop.runtime._cluster.connection.counts
    # A dry run and an apply each, the parent, and its namespace.
    assert counts["PATCH"] <= 203
    assert counts["GET"] <= 5


async def test_an_object_makes_its_namespace_where_its_sync_options_say_so(shop: Shop) -> None:
    name = f"{shop.namespace}-asked"
    page = shop.config_map("page", annotations={"argocd.argoproj.io/sync-options": "CreateNamespace=true"})
    page["metadata"]["namespace"] = name
    desired = shop.desired(page)
    plan = await shop.plan(desired)
    assert {action.key.kind for action in plan.changes} == {"Namespace", "ConfigMap"}
    await shop.make(desired)
    assert await shop.changes(desired) == {}
    await shop.make(shop.desired())
    assert shop.cluster.get(f"/api/v1/namespaces/{name}") is not None, "others may have come to live in it"
