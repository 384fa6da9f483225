"""Fields of others become ours where the target says so, or where a hand's entry keeps ours from being there at all."""

from typing import Any

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from trueup.model.application import Policy
from trueup.model.errors import Refused
from trueup.model.plan import Verb


def applied_by(shop: Shop, manager: str, body: dict[str, Any], server_side: bool) -> None:
    """As another tool applies an object."""
    path = f"{shop.path('configmaps')}/{body['metadata']['name']}"
    if server_side:
        status, answer = shop.cluster.request("PATCH", f"{path}?fieldManager={manager}&force=true", body, "application/apply-patch+yaml")
    else:
        status, answer = shop.cluster.request("POST", f"{shop.path('configmaps')}?fieldManager={manager}", body)
    assert status in (200, 201), answer


@pytest.mark.parametrize(
    ("manager", "server_side"),
    [("argocd-controller", False), ("argocd-controller", True), ("kustomize-controller", True), ("helm", False)],
)
async def test_what_a_manager_that_the_target_names_had_set_is_ours_and_goes_with_git(
    closed_shop: Shop, manager: str, server_side: bool
) -> None:
    shop = closed_shop
    shop.options["takeOver"] = [manager]
    labels = {"app.kubernetes.io/instance": "web"}
    applied_by(shop, manager, shop.config_map("page", {"colour": "red", "size": "big"}, labels=labels), server_side)
    shop.patch("configmaps", "page", {"data": {"operator": "y"}}, "operator")
    policy = Policy(adopt=True)
    async with shop.opened():
        both = shop.desired(shop.config_map("page", {"colour": "red", "size": "big"}), policy=policy)
        action = await shop.action(both)
        assert action.verb is Verb.ADOPT
        assert f"takes over what {manager} set" in action.reason
        assert ('metadata.labels["app.kubernetes.io/instance"]', "web", None) in [(e.path, e.before, e.after) for e in action.changes]
        await shop.make(both)
        page = shop.get("configmaps", "page")
        assert page["data"] == {"colour": "red", "size": "big", "operator": "y"}
        assert manager not in {each["manager"] for each in page["metadata"]["managedFields"]}
        less = shop.desired(shop.config_map("page", {"colour": "red"}), policy=policy, revision="2" * 40)
        assert [(each.path, each.before, each.after) for each in (await shop.action(less)).changes] == [("data.size", "big", None)]
        await shop.make(less)
        assert shop.get("configmaps", "page")["data"] == {"colour": "red", "operator": "y"}
        assert await shop.changes(less) == {}


async def test_defaults_that_come_with_what_another_made_are_not_told_as_going(closed_shop: Shop) -> None:
    shop = closed_shop
    shop.options["takeOver"] = ["helm"]
    released = shop.deployment("web", minReadySeconds=5)
    released["metadata"]["annotations"] = {"meta.helm.sh/release-name": "web"}
    released["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "OLD", "value": "1"}, {"name": "MORE", "value": "2"}]
    status, answer = shop.cluster.request("POST", f"{shop.path('deployments.apps/v1')}?fieldManager=helm", released)
    assert status == 201, answer
    desired = shop.desired(shop.deployment("web"), policy=Policy(adopt=True))
    async with shop.opened():
        gone = {each.path for each in (await shop.action(desired)).changes if each.after is None}
        assert gone == {
            'metadata.annotations["meta.helm.sh/release-name"]',
            "spec.minReadySeconds",
            "spec.template.spec.containers[name=web].env[name=MORE].name",
            "spec.template.spec.containers[name=web].env[name=MORE].value",
            "spec.template.spec.containers[name=web].env[name=OLD].name",
            "spec.template.spec.containers[name=web].env[name=OLD].value",
        }
        await shop.make(desired)
        web = shop.get("deployments.apps/v1", "web")
        assert "env" not in web["spec"]["template"]["spec"]["containers"][0]
        assert (web["spec"].get("minReadySeconds"), web["spec"]["revisionHistoryLimit"]) == (None, 10)
        assert await shop.changes(desired) == {}


async def test_what_was_adopted_before_the_target_named_a_manager_is_taken_over_too(closed_shop: Shop) -> None:
    shop = closed_shop
    applied_by(shop, "argocd-controller", shop.config_map("page", {"colour": "red", "size": "big"}), server_side=True)
    desired = shop.desired(shop.config_map("page", {"colour": "red"}), policy=Policy(adopt=True))
    async with shop.opened():
        await shop.make(desired)
        assert await shop.changes(desired) == {}
        assert shop.get("configmaps", "page")["data"] == {"colour": "red", "size": "big"}
    shop.options["takeOver"] = ["argocd-controller"]
    async with shop.opened():
        action = await shop.action(desired)
        assert (action.verb, [each.path for each in action.changes]) == (Verb.UPDATE, ["data.size"])
        await shop.make(desired)
        assert shop.get("configmaps", "page")["data"] == {"colour": "red"}
        assert await shop.changes(desired) == {}


async def test_the_port_of_a_service_that_a_hand_changed_is_put_back(shop: Shop) -> None:
    service = shop.body("v1", "Service", "web", {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    desired = shop.desired(service)
    await shop.make(desired)
    shop.patch("services", "web", {"spec": {"ports": [{"port": 81}], "externalIPs": ["192.0.2.1"]}})
    action = await shop.action(desired)
    assert (action.verb, action.verified) == (Verb.UPDATE, False)
    assert "spec.ports[0].port" in action.reason
    assert "added by hand, stands in the way and goes" in action.reason
    await shop.make(desired)
    spec = shop.get("services", "web")["spec"]
    assert [each["port"] for each in spec["ports"]] == [80]
    assert spec["externalIPs"] == ["192.0.2.1"], "what does not stand in the way stays"
    assert await shop.changes(desired) == {}


async def test_what_is_wrong_in_git_is_refused_all_the_same(shop: Shop) -> None:
    service = shop.body("v1", "Service", "web", {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    await shop.make(shop.desired(service))
    shop.patch("services", "web", {"spec": {"ports": [{"port": 81}]}}, "somebody")
    with pytest.raises(Refused, match=r"spec\.ports\[0\]\.name: Required value"):
        await shop.plan(shop.desired(service))
    shop.patch("services", "web", {"spec": {"ports": [{"port": 80}]}}, "somebody")
    wrong = shop.body("v1", "Service", "web", {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 81}]}})
    with pytest.raises(Refused, match=r"spec\.ports"):
        await shop.plan(shop.desired(wrong))
