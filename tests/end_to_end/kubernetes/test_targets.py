"""What a target may do, and in whose name."""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from tests.end_to_end.kubernetes.test_drift import SOON, watching
from trueup.model.contracts import Moved
from trueup.model.errors import Refused, SettingsError, Unreachable

RBAC = "rbac.authorization.k8s.io/v1"


def grant(shop: Shop, account: str, *rules: dict[str, list[str]]) -> None:
    """Give a service account rights in our namespace."""
    shop.cluster.request("POST", shop.path("serviceaccounts"), shop.body("v1", "ServiceAccount", account, {}))
    shop.cluster.request("POST", shop.path(f"roles.{RBAC}"), shop.body(RBAC, "Role", account, {"rules": list(rules)}))
    subject = {"kind": "ServiceAccount", "name": account, "namespace": shop.namespace}
    fields = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}, "subjects": [subject]}
    shop.cluster.request("POST", shop.path(f"rolebindings.{RBAC}"), shop.body(RBAC, "RoleBinding", account, fields))


async def test_an_application_has_the_rights_of_its_account_and_no_others(shop: Shop) -> None:
    everything: list[str] = ["*"]
    grant(shop, "shop", {"apiGroups": [""], "resources": ["configmaps"], "verbs": everything})
    shop.options["impersonate"] = f"{shop.namespace}:{{application}}"
    async with shop.opened():
        desired = shop.desired(shop.config_map("page"))
        await shop.make(desired)
        assert await shop.changes(desired) == {}
        with pytest.raises(Refused, match="cannot patch resource") as told:
            await shop.plan(shop.desired(shop.config_map("page"), shop.deployment("web")))
        assert "shop/objects.yaml:11" in told.value.message
        stranger = shop.desired(shop.config_map("other"), name="till")
        with pytest.raises(Refused, match=f"system:serviceaccount:{shop.namespace}:till"):
            await shop.plan(stranger)
        await shop.make(shop.desired())
        assert shop.names("configmaps") == []


async def test_an_account_that_would_be_nobody_is_refused(shop: Shop) -> None:
    shop.options["impersonate"] = "{namespace}:deployer"
    async with shop.opened():
        with pytest.raises(Refused, match="names no namespace"):
            await shop.plan(shop.desired(shop.config_map("page")))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"namespaces": ["other-*"]}, "does not take the namespace"),
        ({"kinds": ["Deployment.apps"]}, "does not take the kind ConfigMap"),
    ],
)
@pytest.mark.parametrize("where", ["options", "allowed"])
async def test_what_is_outside_of_the_limits_is_refused_with_its_place(shop: Shop, limits: dict[str, Any], words: str, where: str) -> None:
    getattr(shop, where).update(limits)
    async with shop.opened():
        with pytest.raises(Refused, match=words) as told:
            await shop.plan(shop.desired(shop.config_map("page")))
        assert "shop/objects.yaml:1" in told.value.message


async def test_a_target_of_one_namespace_needs_no_rights_in_others(shop: Shop) -> None:
    name = shop.namespace
    shop.cluster.namespace(f"{name}-records")
    kubeconfig = shop.cluster.user(f"dev-{name}")
    everything = {"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["*"]}
    for namespace, rule in ((name, everything), (f"{name}-records", {**everything, "resources": ["configmaps"]})):
        place = {"metadata": {"name": "dev", "namespace": namespace}}
        subjects = [{"kind": "User", "name": f"dev-{name}", "apiGroup": "rbac.authorization.k8s.io"}]
        binding = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dev"}, "subjects": subjects, **place}
        shop.cluster.request("POST", shop.path(f"roles.{RBAC}", namespace), {"rules": [rule], **place})
        shop.cluster.request("POST", shop.path(f"rolebindings.{RBAC}", namespace), binding)
    shop.allowed["kubeconfig"] = str(kubeconfig)
    shop.options["namespaces"] = [name]
    async with shop.opened() as runtime:
        await shop.make(shop.desired(shop.config_map("page"), shop.deployment("web", replicas=0)))
        assert [len(owned.keys) for owned in await runtime.owned()] == [2]
        async with watching(shop) as told:
            shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
            moved = await asyncio.wait_for(told.get(), SOON)
            assert isinstance(moved, Moved)
            assert moved.key.name == "page"
            await shop.make(shop.desired())


async def test_a_server_that_is_another_is_not_spoken_to(shop: Shop) -> None:
    stranger = shop.cluster.authority().new().certificate.decode()
    shop.allowed.update(servers=[shop.cluster.url])
    shop.options.update(server=shop.cluster.url, certificateAuthority=stranger, token={"secret": "token"})
    shop.secrets["token"] = "not-a-token"
    async with shop.opened():
        with pytest.raises(Unreachable, match="is not who it should be"):
            await shop.plan(shop.desired(shop.config_map("page")))


async def test_a_token_that_is_not_known_says_so_with_a_hint(shop: Shop) -> None:
    authority = shop.cluster.authority().certificate.decode()
    shop.allowed.update(servers=[shop.cluster.url])
    shop.options.update(server=shop.cluster.url, certificateAuthority=authority, token={"secret": "token"})
    shop.secrets["token"] = "not-a-token"
    async with shop.opened():
        with pytest.raises(Unreachable, match="does not know us") as told:
            await shop.plan(shop.desired(shop.config_map("page")))
        assert told.value.hint == "renew the credentials of this target"


async def test_a_token_that_is_empty_is_nobody_and_not_used(shop: Shop) -> None:
    shop.allowed.update(servers=[shop.cluster.url])
    shop.options.update(server=shop.cluster.url, token={"secret": "token"})
    shop.secrets["token"] = "\n"
    with pytest.raises(SettingsError, match="the secret token is empty"):
        async with shop.opened():
            pass


async def test_a_cluster_that_the_operator_does_not_allow_is_not_opened(shop: Shop) -> None:
    shop.options["context"] = "testbed"
    with pytest.raises(SettingsError, match="may not use the context"):
        async with shop.opened():
            pass


async def test_a_kind_that_may_not_be_watched_is_the_trouble_of_who_asks_for_it_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    name = shop.namespace
    shop.cluster.namespace(f"{name}-records")
    config_maps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}
    for namespace in (name, f"{name}-records"):
        place = {"metadata": {"name": "half", "namespace": namespace}}
        subjects = [{"kind": "User", "name": f"half-{name}", "apiGroup": "rbac.authorization.k8s.io"}]
        binding = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "half"}, "subjects": subjects, **place}
        shop.cluster.request("POST", shop.path(f"roles.{RBAC}", namespace), {"rules": [config_maps], **place})
        shop.cluster.request("POST", shop.path(f"rolebindings.{RBAC}", namespace), binding)
    shop.allowed["kubeconfig"] = str(shop.cluster.user(f"half-{name}"))
    shop.options["namespaces"] = [name]
    async with shop.opened(), watching(shop):
        with pytest.raises(Refused, match="may not be watched"):
            await shop.plan(shop.desired(shop.body("v1", "ServiceAccount", "runner", {}), name="till"))
        monkeypatch.setattr("trueup.runtimes.kubernetes.watched._PATIENCE_SECONDS", 3600.0)
        async with asyncio.timeout(SOON):
            await shop.make(shop.desired(shop.config_map("page")))
            await shop.make(shop.desired())


@pytest.mark.parametrize("proof", ["certificate", "token"])
async def test_a_target_may_name_its_server_and_how_it_proves_who_it_is(shop: Shop, proof: str) -> None:
    user = json.loads(shop.cluster.kubeconfig.read_text(encoding="utf-8"))["users"][0]["user"]
    shop.secrets |= {"chain": decoded(user["client-certificate-data"]), "key": decoded(user["client-key-data"])}
    names = {"clientCertificate": {"secret": "chain"}, "clientKey": {"secret": "key"}}
    if proof == "token":
        grant(shop, "deployer", {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
        answer = shop.cluster.request("POST", f"{shop.path('serviceaccounts')}/deployer/token", {"spec": {}})[1]
        shop.secrets, names = {"token": answer["status"]["token"]}, {"token": {"secret": "token"}}
        shop.options.update(namespaces=[shop.namespace], namespace=shop.namespace)
    authority = shop.cluster.authority().certificate.decode()
    shop.options.update(server=shop.cluster.url, certificateAuthority=authority, **names)
    del shop.allowed["kubeconfig"]
    with pytest.raises(SettingsError, match="may not use the server"):
        async with shop.opened():
            pass
    shop.allowed["servers"] = [shop.cluster.url]
    async with shop.opened():
        desired = shop.desired(shop.config_map("page"))
        await shop.make(desired)
        assert await shop.changes(desired) == {}
        await shop.make(shop.desired())


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()
