"""Objects of many kinds, as people write them, are as Git says once they are applied: ``tests/cases/kubernetes/kinds.yaml``."""

import asyncio
from pathlib import Path
from typing import cast

from tests.end_to_end.kubernetes.shop import Shop
from tests.testbed.kubernetes.cluster import wait_until
from trueup.model.manifest import Body
from trueup.model.plan import Verb
from trueup.toolkit.documents import read

KINDS = Path(__file__).parents[2] / "cases" / "kubernetes" / "kinds.yaml"


async def test_what_was_applied_of_any_kind_is_no_change(shop: Shop) -> None:
    bodies = [cast(Body, document.body) for document in read(KINDS.read_bytes(), str(KINDS))]
    for body in bodies:
        body["metadata"]["namespace"] = shop.namespace
        for subject in body.get("subjects", []):
            if subject["kind"] == "ServiceAccount":
                subject["namespace"] = shop.namespace
    desired = shop.desired(*bodies)
    assert set((await shop.changes(desired)).values()) == {Verb.CREATE}
    await shop.make(desired)
    # Nothing is remembered, so that the server is asked about each.
    for memory in ("fresh", "fresher"):
        shop.folder = shop.folder / memory
        async with shop.opened():
            plan = await shop.plan(desired)
            assert {str(action.key): [(each.path, each.before, each.after) for each in action.changes] for action in plan.changes} == {}
            assert plan.summary.unchanged == len(bodies)


async def test_the_rules_of_an_aggregated_role_are_the_clusters(shop: Shop) -> None:
    name, label = f"{shop.namespace}-all", f"{shop.namespace}.example.org/aggregate"
    rbac = "rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    whole = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}, "rules": []}
    part = shop.body(rbac, "ClusterRole", f"{name}-part", {"rules": rules}, namespace=None, labels={label: "true"})
    desired = shop.desired(shop.body(rbac, "ClusterRole", name, whole, namespace=None), part)
    await shop.make(desired)
    path = f"/apis/{rbac}/clusterroles/{name}"
    await asyncio.to_thread(wait_until, lambda: shop.cluster.get(path)["rules"] == rules, "nobody aggregates", 20)
    assert await shop.changes(desired) == {}
    shop.folder = shop.folder / "fresh"
    async with shop.opened():
        assert await shop.changes(desired) == {}
        later = shop.desired(*(manifest.body for manifest in desired.manifests), revision="2" * 40)
        await shop.make(later)
        assert shop.cluster.get(path)["rules"] == rules
        await shop.make(shop.desired())
