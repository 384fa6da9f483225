"""A plan is what the server says would come of an apply."""

import json

import pytest

from tests.end_to_end.kubernetes.shop import Shop, states
from trueup.model.application import Policy
from trueup.model.errors import Refused
from trueup.model.plan import Effect, Verb
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.request import Answer, Request


def widgets(shop: Shop, scope: str = "Namespaced") -> dict[str, object]:
    """The definition of a kind whose size is at least 1."""
    group = f"{shop.namespace}.example.org"
    size = {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}, "required": ["size"]}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": size}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    spec = {"group": group, "scope": scope, "names": names, "versions": [version]}
    return shop.body("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"widgets.{group}", {"spec": spec}, namespace=None)


def widget(shop: Shop, name: str, size: int, **metadata: object) -> dict[str, object]:
    return shop.body(f"{shop.namespace}.example.org/v1", "Widget", name, {"spec": {"size": size}}, **metadata)


async def test_defaults_and_units_are_no_change(shop: Shop) -> None:
    resources = {"limits": {"cpu": "1000m", "memory": "1024Mi"}}
    body = shop.deployment("web", replicas=0)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    await shop.make(shop.desired(body))
    other = json.loads(json.dumps(body).replace("1000m", "1").replace("1024Mi", "1Gi"))
    assert await shop.changes(shop.desired(body)) == {}
    assert await shop.changes(shop.desired(other, revision="2" * 40)) == {}


async def test_a_change_is_told_field_by_field_with_what_it_does(shop: Shop) -> None:
    await shop.make(shop.desired(shop.deployment("web", replicas=0)))
    action = await shop.action(shop.desired(shop.deployment("web", "shop/web:2", replicas=0)))
    assert [(each.path, each.before, each.after) for each in action.changes] == [
        ("spec.template.spec.containers[name=web].image", "shop/web", "shop/web:2")
    ]
    assert (action.verb, action.effect, action.verified) == (Verb.UPDATE, Effect.RESTART, True)


async def test_three_refused_among_many_are_all_told_with_file_and_line_and_nothing_is_done(shop: Shop) -> None:
    bodies = [shop.config_map(f"page-{number}") for number in range(200)]
    for number in (3, 77, 150):
        bodies[number] = shop.deployment(f"page-{number}", replicas=-number)
    with pytest.raises(Refused) as told:
        await shop.plan(shop.desired(*bodies))
    assert "3 objects were refused" in told.value.message
    for number in (3, 77, 150):
        assert f"Deployment.apps/{shop.namespace}/page-{number} (shop/objects.yaml:{number * 10 + 1})" in told.value.message
    assert shop.names("configmaps") == []


async def test_a_kind_and_its_objects_come_in_one_run(shop: Shop) -> None:
    desired = shop.desired(widget(shop, "small", 1), widgets(shop), shop.config_map("page"))
    plan = await shop.plan(desired)
    by_kind = {action.key.kind: action for action in plan.actions}
    assert not by_kind["Widget"].verified
    assert "made by this very plan" in by_kind["Widget"].reason
    assert by_kind["Widget"].after == (by_kind["CustomResourceDefinition"].key,)
    await shop.make(desired)
    assert shop.names(f"widgets.{shop.namespace}.example.org/v1") == ["small"]
    assert await shop.changes(desired) == {}
    await shop.make(shop.desired(shop.config_map("page")))


async def test_what_could_not_be_tried_out_is_tried_before_any_of_its_wave_is_written(shop: Shop) -> None:
    desired = shop.desired(widgets(shop), widget(shop, "none", 0), widget(shop, "some", 2), shop.config_map("page"))
    outcomes = await shop.walk(desired)
    told = {str(each.key).partition(".")[0].partition("/")[0] + "/" + each.key.name: each for each in outcomes}
    assert told["Widget/none"].state == "failed"
    assert "shop/objects.yaml:11" in told["Widget/none"].message
    assert "spec.size" in told["Widget/none"].message
    assert told["Widget/some"].state == told["ConfigMap/page"].state == "skipped"
    assert shop.names("configmaps") == []
    await shop.make(shop.desired(widgets(shop), widget(shop, "none", 1), widget(shop, "some", 2)))


async def test_the_scope_of_a_new_kind_is_known_before_the_kind_is(shop: Shop) -> None:
    desired = shop.desired(widgets(shop, "Cluster"), widget(shop, f"{shop.namespace}-one", 1), widget(shop, f"{shop.namespace}-two", 1))
    await shop.make(desired)
    assert await shop.changes(desired) == {}
    assert {action.key.namespace for action in (await shop.plan(desired)).actions} == {""}


async def test_a_namespace_and_what_is_in_it_come_in_one_run(shop: Shop) -> None:
    name = f"{shop.namespace}-annex"
    page = shop.config_map("page")
    page["metadata"]["namespace"] = name
    desired = shop.desired(page, shop.body("v1", "Namespace", name, {}, namespace=None))
    assert [action.verified for action in (await shop.plan(desired)).actions if action.key.kind == "ConfigMap"] == [False]
    await shop.make(desired)
    assert await shop.changes(desired) == {}


async def test_an_unknown_kind_is_refused_unless_the_object_allows_it(shop: Shop) -> None:
    body = shop.body("nowhere.example.org/v1", "Gadget", "one", {})
    with pytest.raises(Refused, match=r"does not know the kind Gadget\.nowhere\.example\.org"):
        await shop.plan(shop.desired(body))
    body["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "SkipDryRunOnMissingResource=true"}
    assert [action.verified for action in (await shop.plan(shop.desired(body))).actions] == [False]


async def test_a_field_that_the_kind_does_not_have_is_refused(shop: Shop) -> None:
    with pytest.raises(Refused, match="replica"):
        await shop.plan(shop.desired(shop.deployment("web", replica=1)))
    await shop.make(shop.desired(widgets(shop)))
    mistyped = widget(shop, "one", 1)
    mistyped["spec"] = {"size": 1, "colour": "red"}
    with pytest.raises(Refused, match=r"spec\.colour: field not declared in schema"):
        await shop.plan(shop.desired(widgets(shop), mistyped))


async def test_an_object_in_a_namespace_that_is_not_there_is_refused(shop: Shop) -> None:
    page = shop.config_map("page")
    page["metadata"]["namespace"] = "nowhere"
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        await shop.plan(shop.desired(page))


async def test_an_immutable_field_means_deleting_and_making_anew(shop: Shop) -> None:
    await shop.make(shop.desired(shop.body("v1", "ConfigMap", "page", {"data": {"colour": "red"}, "immutable": True})))
    before = shop.get("configmaps", "page")["metadata"]["uid"]
    desired = shop.desired(shop.body("v1", "ConfigMap", "page", {"data": {"colour": "blue"}, "immutable": True}), revision="2" * 40)
    action = await shop.action(desired)
    assert (action.verb, action.allowed, action.reason) == (Verb.REPLACE, False, "data cannot change")
    assert [(each.path, each.before, each.after) for each in action.changes] == [("data.colour", "red", "blue")]
    await shop.make(desired)
    after = shop.get("configmaps", "page")
    assert after["metadata"]["uid"] != before
    assert after["data"] == {"colour": "blue"}
    assert await shop.changes(desired) == {}


async def test_the_selector_of_a_deployment_and_the_image_of_a_job_cannot_change(shop: Shop) -> None:
    def job(image: str) -> dict[str, object]:
        pod = {"containers": [{"name": "job", "image": image}], "restartPolicy": "Never"}
        return shop.body("batch/v1", "Job", "migrate", {"spec": {"template": {"spec": pod}, "suspend": True}})

    await shop.make(shop.desired(shop.deployment("web", replicas=0), job("a")))
    web = shop.deployment("web", replicas=0)
    web["spec"]["selector"]["matchLabels"] = web["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    desired = shop.desired(web, job("b"), revision="2" * 40)
    assert set((await shop.changes(desired)).values()) == {Verb.REPLACE}
    await shop.make(desired)
    assert await shop.changes(desired) == {}


async def test_an_object_at_another_version_of_its_kind_is_compared_in_that_version(shop: Shop) -> None:
    def scaler(version: str, spec: dict[str, object]) -> dict[str, object]:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        return shop.body(
            f"autoscaling/{version}", "HorizontalPodAutoscaler", "web", {"spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec}}
        )

    old = shop.desired(scaler("v1", {"targetCPUUtilizationPercentage": 70}))
    await shop.make(old)
    assert await shop.changes(old) == {}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    new = shop.desired(scaler("v2", {"metrics": [metric]}), revision="2" * 40)
    await shop.make(new)
    assert await shop.changes(new) == {}


async def test_a_plan_that_needs_no_dry_run_asks_for_none(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0))
    await shop.make(desired)
    await shop.plan(desired)
    before = dict(shop.runtime._cluster.connection.counts)
    assert (await shop.plan(desired)).summary.unchanged == 2
    after = shop.runtime._cluster.connection.counts
    assert after["PATCH"] == before["PATCH"]
    async with shop.opened():
        assert (await shop.plan(desired)).summary.unchanged == 2
        assert "PATCH" not in shop.runtime._cluster.connection.counts


async def test_waves_and_kinds_have_their_order(shop: Shop) -> None:
    bodies = [
        shop.deployment("web", replicas=0),
        shop.config_map("late", annotations={"argocd.argoproj.io/sync-wave": "1"}),
        shop.config_map("page"),
        shop.body("v1", "ServiceAccount", "runner", {}),
    ]
    desired = shop.desired(*bodies)
    assert [outcome.key.name for outcome in await shop.make(desired)] == ["runner", "page", "web", "late"]
    going = (await shop.plan(shop.desired(policy=Policy()))).changes
    waves = {action.key.name: action.wave for action in going}
    assert waves["late"] < waves["web"]
    assert [outcome.key.name for outcome in await shop.make(shop.desired())] == ["late", "web", "page", "runner"]
    assert states(await shop.walk(shop.desired())) == {}


async def test_a_status_that_is_written_is_no_reason_to_try_anything_out(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", replicas=0))
    await shop.make(desired)
    await shop.plan(desired)
    version = shop.get("deployments.apps/v1", "web")["metadata"]["resourceVersion"]
    status = {"status": {"observedGeneration": 1, "conditions": [{"type": "Painted", "status": "True"}]}}
    path = f"{shop.path('deployments.apps/v1')}/web/status"
    assert shop.cluster.request("PATCH", path, status, "application/merge-patch+json")[0] == 200
    assert shop.get("deployments.apps/v1", "web")["metadata"]["resourceVersion"] != version
    async with shop.opened():
        assert (await shop.plan(desired)).summary.unchanged == 1
        assert "PATCH" not in shop.runtime._cluster.connection.counts


@pytest.mark.parametrize("memory", ["known", "lost"])
async def test_what_a_controller_writes_between_two_questions_is_no_change(
    shop: Shop, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.make(shop.desired(shop.config_map("page"), shop.config_map("other")))
    desired = shop.desired(shop.config_map("page"), shop.config_map("other", {"colour": "blue"}), revision="2" * 40)
    written: list[str] = []
    ask = Connection.ask

    async def in_between(self: Connection, request: Request) -> Answer:
        answer = await ask(self, request)
        # After each list, and each look, somebody writes to the object: for a while.
        if request.method == "GET" and "/configmaps" in request.path and len(written) < 3:
            written.append(str(len(written)))
            shop.patch("configmaps", "page", {"metadata": {"annotations": {"controller": written[-1]}}}, "controller")
        return answer

    if memory == "lost":
        shop.folder = shop.folder / "fresh"
    async with shop.opened():
        monkeypatch.setattr(Connection, "ask", in_between)
        assert await shop.changes(desired) == {f"ConfigMap/{shop.namespace}/other": Verb.UPDATE}
        assert written
