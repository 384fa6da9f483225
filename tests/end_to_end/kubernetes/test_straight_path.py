"""The straight path: plan, apply, health, prune, of a ConfigMap and a Deployment."""

import asyncio

from tests.end_to_end.kubernetes.shop import Shop
from trueup.model.health import State
from trueup.model.plan import Verb


async def test_a_commit_becomes_running_pods_and_goes_again(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0))
    assert set((await shop.changes(desired)).values()) == {Verb.CREATE}
    assert shop.names("configmaps") == []
    versions = {outcome.key: outcome.version for outcome in await shop.make(desired)}
    assert await shop.changes(desired) == {}
    async with asyncio.timeout(90):
        while {each.state for each in (await shop.runtime.health(desired, versions)).values()} != {State.HEALTHY}:
            await asyncio.sleep(0.2)
    smaller = shop.desired(shop.config_map("page"), revision="2" * 40)
    assert await shop.changes(smaller) == {f"Deployment.apps/{shop.namespace}/web": Verb.DELETE}
    await shop.make(smaller)
    assert shop.names("deployments.apps/v1") == []
    assert shop.names("configmaps") == ["page"]
