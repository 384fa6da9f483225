"""Why a workload is not well, and what its pods say: read from what belongs to it when somebody wants to know."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.estate import eventually
from tests.end_to_end.kubernetes.shop import Shop
from tests.end_to_end.kubernetes.test_drift import SOON
from trueup.model.contracts import Desired
from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Body

SCRIPT = """
local health = {status = "Degraded", message = obj.metadata.name .. " is " .. obj.data.colour}
if obj.data.colour == "green" then health = {status = "Healthy"} end
return health
"""


def job(shop: Shop, image: str) -> Body:
    pod = {"containers": [{"name": "job", "image": image}], "restartPolicy": "Never"}
    return shop.body("batch/v1", "Job", "migrate", {"spec": {"template": {"spec": pod}, "backoffLimit": 0}})


async def judged(shop: Shop, desired: Desired, kind: str, fits: Callable[[Health], bool]) -> Health:
    """The health of the one object of a kind, as soon as it is as expected."""
    [key] = [action.key for action in (await shop.plan(desired)).actions if action.key.kind == kind]
    found = Health(State.UNKNOWN)
    for _ in range(450):
        found = (await shop.runtime.health(desired, {key: ""}))[key]
        if fits(found):
            break
        await asyncio.sleep(0.2)
    assert fits(found), found
    return found


def degraded(health: Health) -> bool:
    return health.state is State.DEGRADED and "log" in health.message


async def test_a_degraded_workload_says_which_container_ended_how_and_what_it_said_last(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", "testbed/crashes", progressDeadlineSeconds=2))
    await shop.make(desired)
    health = await judged(shop, desired, "Deployment", degraded)
    assert "it made no progress within its deadline" in health.message
    assert "container web: CrashLoopBackOff after it ended with exit code 1, restarted 3 times" in health.message
    assert health.message.endswith("; its log ends: listening on port 8080")
    assert "\n" not in health.message


async def test_a_job_that_failed_says_its_exit_code_and_its_last_words(shop: Shop) -> None:
    desired = shop.desired(job(shop, "testbed/fails"))
    await shop.make(desired)
    health = await judged(shop, desired, "Job", degraded)
    assert "container job ended with exit code 1; its log ends: listening on port 8080" in health.message


async def test_a_secret_that_a_program_says_in_its_last_words_does_not_show(shop: Shop) -> None:
    secret = shop.body("v1", "Secret", "database", {"stringData": {"password": "on port 8080"}})
    desired = shop.desired(job(shop, "testbed/fails"), secret)
    await shop.make(desired)
    health = await judged(shop, desired, "Job", degraded)
    assert health.message.endswith("its log ends: listening (secret)")


async def test_who_may_not_look_at_logs_and_events_hears_the_exit_code(shop: Shop) -> None:
    kubeconfig = shop.cluster.user(f"dev-{shop.namespace}")
    rules = [{"apiGroups": ["*"], "resources": ["pods", "jobs", "configmaps"], "verbs": ["*"]}]
    role = {"metadata": {"name": shop.namespace}, "rules": rules}
    subject = {"kind": "User", "name": f"dev-{shop.namespace}", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": shop.namespace, "apiGroup": "rbac.authorization.k8s.io"}
    rbac = "/apis/rbac.authorization.k8s.io/v1/clusterrole"
    assert shop.cluster.request("POST", f"{rbac}s", role)[0] == 201
    binding = {"metadata": {"name": shop.namespace}, "roleRef": reference, "subjects": [subject]}
    assert shop.cluster.request("POST", f"{rbac}bindings", binding)[0] == 201
    desired = shop.desired(job(shop, "testbed/fails"))
    await shop.make(desired)
    shop.allowed["kubeconfig"] = str(kubeconfig)
    async with shop.opened():
        health = await judged(shop, desired, "Job", lambda health: "exit code" in health.message)
    assert "log" not in health.message
    for kind in ("s", "bindings"):
        shop.cluster.request("DELETE", f"{rbac}{kind}/{shop.namespace}")


async def test_the_operators_folder_of_scripts_judges(shop: Shop) -> None:
    folder = shop.folder / "resource_customizations" / "ConfigMap"
    folder.mkdir(parents=True)
    (folder / "health.lua").write_text(SCRIPT, encoding="utf-8")
    shop.allowed["health_scripts"] = str(folder.parent)
    async with shop.opened():
        for colour, expected in (("red", Health(State.DEGRADED, "page is red")), ("green", Health(State.HEALTHY))):
            desired = shop.desired(shop.config_map("page", {"colour": colour}))
            await shop.make(desired)
            assert await judged(shop, desired, "ConfigMap", lambda health: True) == expected


async def test_a_log_that_is_followed_goes_on_with_the_pod_that_comes_next(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web"))
    await shop.make(desired)
    key = (await shop.action(desired)).key
    await judged(shop, desired, "Deployment", lambda health: health.state is State.HEALTHY)
    [first] = pods(shop)
    heard: list[str] = []

    async def listen() -> None:
        async for line in shop.runtime.logs(shop.owner, key, True):
            heard.append(line)  # noqa: PERF401 - each as it comes

    listening = asyncio.create_task(listen())
    await eventually(lambda: len(heard) == 2)
    assert heard == ["starting", "listening on port 8080"]
    shop.delete("pods", first)
    await eventually(lambda: len(heard) == 4)
    [second] = pods(shop)
    assert heard[2:] == [f"{second}/web: starting", f"{second}/web: listening on port 8080"]
    shop.delete("deployments.apps/v1", "web")
    await asyncio.wait_for(listening, SOON)


async def test_a_log_of_what_has_an_end_ends_with_it(shop: Shop) -> None:
    desired = shop.desired(job(shop, "shop/migrate"))
    await shop.make(desired)
    await judged(shop, desired, "Job", lambda health: health.state is State.HEALTHY)
    key = (await shop.action(desired)).key
    async with asyncio.timeout(SOON):
        for follow in (False, True):
            assert [line async for line in shop.runtime.logs(shop.owner, key, follow)] == ["starting", "listening on port 8080"]


async def test_a_workload_that_never_started_says_so_instead_of_a_log(shop: Shop) -> None:
    desired = shop.desired(shop.deployment("web", "testbed/missing"))
    await shop.make(desired)
    key = (await shop.action(desired)).key
    await eventually(lambda: bool(pods(shop)))
    with pytest.raises(Refused, match="no container of it has started yet"):
        await anext(shop.runtime.logs(shop.owner, key, False))


def pods(shop: Shop) -> list[str]:
    """The pods that are not on their way out."""
    found: list[dict[str, Any]] = shop.cluster.get(shop.path("pods"))["items"]
    return [each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]]


async def test_a_rule_of_the_target_judges_what_is_live(shop: Shop) -> None:
    red = {"when": "data.colour == 'red'", "messageExpression": "metadata.name + ' is ' + data.colour"}
    shop.options["health"] = [{"kind": "ConfigMap", "degraded": red, "healthy": "data.colour == 'green'"}]
    async with shop.opened():
        for colour, expected in (
            ("red", Health(State.DEGRADED, "page is red")),
            ("grey", Health(State.PROGRESSING, "it is not healthy yet")),
            ("green", Health(State.HEALTHY)),
        ):
            desired = shop.desired(shop.config_map("page", {"colour": colour}))
            await shop.make(desired)
            assert await judged(shop, desired, "ConfigMap", lambda health: True) == expected


async def test_what_others_made_with_the_same_labels_is_no_reason(shop: Shop) -> None:
    other = shop.deployment("other", "testbed/crashes")
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"app": "web"}
    assert shop.cluster.request("POST", shop.path("deployments.apps/v1"), other)[0] == 201
    await eventually(lambda: bool(pods(shop)))
    desired = shop.desired(shop.deployment("web", "testbed/missing", progressDeadlineSeconds=2))
    await shop.make(desired)
    health = await judged(shop, desired, "Deployment", lambda health: health.state is State.DEGRADED and "Pod" in health.message)
    assert "ImagePullBackOff" in health.message
    assert "CrashLoopBackOff" not in health.message


async def test_the_pods_of_an_earlier_version_are_no_reason(shop: Shop) -> None:
    await shop.make(shop.desired(shop.deployment("web", "testbed/crashes", progressDeadlineSeconds=2)))
    await eventually(lambda: bool(pods(shop)))
    desired = shop.desired(shop.deployment("web", "testbed/missing", progressDeadlineSeconds=2), revision="2" * 40)
    await shop.make(desired)
    health = await judged(shop, desired, "Deployment", lambda health: health.state is State.DEGRADED and "Pod" in health.message)
    assert "ImagePullBackOff" in health.message
    assert "CrashLoopBackOff" not in health.message
