"""Objects of many kinds, as people write them, are as Git says once they are applied: ``tests/cases/kubernetes/kinds.yaml``."""

import asyncio
import base64
from pathlib import Path
from typing import Any, cast

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


async def test_what_an_injector_writes_into_a_list_item_of_ours_stays(shop: Shop) -> None:
    group = "admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": ["nowhere.example.org"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["gadgets"]}]
    service = {"service": {"name": "judge", "namespace": shop.namespace, "path": "/judge"}}
    hook = {"name": "a.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": service, "rules": rules}
    name = "ValidatingWebhookConfiguration"
    desired = shop.desired(shop.body(group, name, shop.namespace, {"webhooks": [{**hook, "failurePolicy": "Ignore"}]}, namespace=None))
    await shop.make(desired)
    path = f"/apis/{group}/{name.lower()}s/{shop.namespace}"
    bundle = base64.b64encode(shop.cluster.authority().certificate).decode()
    injected = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
    assert shop.cluster.request("PATCH", f"{path}?fieldManager=cainjector", injected, "application/json-patch+json")[0] == 200
    assert await shop.changes(desired) == {}
    await shop.make(shop.desired(shop.body(group, name, shop.namespace, {"webhooks": [hook]}, namespace=None), revision="2" * 40))
    assert shop.cluster.get(path)["webhooks"][0]["clientConfig"]["caBundle"] == bundle
    await shop.make(shop.desired())


async def test_kinds_of_the_whole_cluster_are_no_change_either(shop: Shop) -> None:
    name, group = shop.namespace, f"{shop.namespace}.example.org"

    def of_cluster(version: str, kind: str, **fields: Any) -> Body:
        return shop.body(version, kind, fields.pop("name", name), fields, namespace=None)

    rbac, properties = (
        "rbac.authorization.k8s.io/v1",
        {"size": {"type": "integer", "default": 3}, "port": {"x-kubernetes-int-or-string": True}},
    )
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}
    kind = {"group": group, "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": [version]}
    nobody = {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}
    volume = {"capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    role = {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}
    share = {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}
    served = {"group": group, "version": "v2", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"name": "x", "namespace": name}}
    desired = shop.desired(
        of_cluster("scheduling.k8s.io/v1", "PriorityClass", value=1000, globalDefault=False, description=""),
        of_cluster("storage.k8s.io/v1", "StorageClass", provisioner="example.org/x", volumeBindingMode="WaitForFirstConsumer"),
        of_cluster("networking.k8s.io/v1", "IngressClass", spec={"controller": "example.org/x"}),
        of_cluster("node.k8s.io/v1", "RuntimeClass", handler="x"),
        of_cluster("v1", "PersistentVolume", spec=volume),
        of_cluster("v1", "Namespace", name=f"{name}-annex", spec={}, status={}),
        of_cluster(rbac, "ClusterRoleBinding", roleRef=role, subjects=[]),
        of_cluster("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", spec={"type": "Limited", "limited": share}),
        of_cluster("apiregistration.k8s.io/v1", "APIService", name=f"v2.{group}", spec=served),
        of_cluster("apiextensions.k8s.io/v1", "CustomResourceDefinition", name=f"widgets.{group}", spec=kind, status=nobody),
        shop.body(f"{group}/v1", "Widget", "one", {"spec": {"port": "80"}}),
    )
    await shop.make(desired)
    shop.folder = shop.folder / "fresh"
    async with shop.opened():
        assert await shop.changes(desired) == {}
        await shop.make(shop.desired())
