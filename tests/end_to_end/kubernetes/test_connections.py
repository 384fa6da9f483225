"""Connections that fall silent, lists that take too long, tokens that run out, and the account of a pod."""

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.kubernetes.shop import Shop
from tests.end_to_end.kubernetes.test_drift import SOON, watching
from tests.end_to_end.kubernetes.test_faults import gate, mortal
from tests.testbed.kubernetes.cluster import Cluster, wait_until
from tests.testbed.kubernetes.gate import Gate
from trueup.model.contracts import Moved
from trueup.model.errors import Unreachable
from trueup.model.plan import Verb
from trueup.runtimes.kubernetes import cluster as asking
from trueup.runtimes.kubernetes.client import access, connection
from trueup.runtimes.kubernetes.client import watching as listing
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.request import Answer, Request

__all__ = ["gate", "mortal"]


async def test_a_watch_whose_server_fell_silent_is_opened_anew(gate: Gate, closed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection._SILENT_WATCH_SECONDS <= 150
    monkeypatch.setattr(connection, "_STREAM", aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=2))
    shop = closed_shop
    async with shop.opened():
        desired = shop.desired(shop.config_map("page"), shop.config_map("other"))
        await shop.make(desired)
        async with watching(shop) as told:
            gate.silence()
            shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
            moved = await asyncio.wait_for(told.get(), SOON)
            assert isinstance(moved, Moved)
            assert moved.key.name == "page"
            # What was kept open for other requests is as silent.
            gate.cut()
            assert await shop.changes(desired) == {f"ConfigMap/{shop.namespace}/page": Verb.UPDATE}
            assert told.empty()


async def test_a_request_to_a_silent_server_ends_as_unreachable(gate: Gate, closed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (connection._PLAIN.total or 0) <= 60
    monkeypatch.setattr(connection, "_PLAIN", aiohttp.ClientTimeout(total=1, sock_connect=1))
    async with closed_shop.opened() as runtime:
        await runtime.owned()
        gate.silence()
        with pytest.raises(Unreachable, match="does not answer in time"):
            await runtime.owned()
        await runtime.owned()


def compact(cluster: Cluster) -> None:
    """The storage of a cluster forgets everything but what is there now."""
    cluster.storage("kv/compaction", {"revision": cluster.get("/api/v1/namespaces")["metadata"]["resourceVersion"], "physical": True})


async def test_a_list_that_outlasted_the_memory_of_the_server_begins_again(mortal: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = mortal
    desired = shop.desired(*(shop.config_map(f"page-{number}") for number in range(3)))
    await shop.make(desired)
    compact(shop.cluster)
    await asyncio.to_thread(shop.cluster.restart_api_server)  # it has a memory of its own, which ends with it
    monkeypatch.setattr(asking, "PAGE", "1")
    monkeypatch.setattr(listing, "_PAGE", "1")
    # Refused by the server, as by an older one, which is then asked for a list.
    monkeypatch.setattr(listing, "_ALL_THERE_IS", {"sendInitialEvents": "true"}, raising=False)
    late: list[int] = []
    ask = Connection.ask

    async def too_late(self: Connection, request: Request) -> Answer:
        """The first page to be continued is asked for as of a moment that the server has long forgotten."""
        place = request.query.get("continue", "")
        first = place and not late
        if first:
            content = json.loads(base64.urlsafe_b64decode(place + "=" * (-len(place) % 4)))
            forged = base64.urlsafe_b64encode(json.dumps({**content, "rv": 1}).encode()).decode().rstrip("=")
            request = request.within(**{"continue": forged})
        answer = await ask(self, request)
        if first:
            late.append(answer.status)
        return answer

    monkeypatch.setattr(Connection, "ask", too_late)
    async with shop.opened() as runtime:
        assert [len(owned.keys) for owned in await runtime.owned() if owned.owner == shop.owner] == [3]
        assert late == [410]
        late.clear()
        async with watching(shop) as told:
            assert late == [410]
            assert await shop.changes(desired) == {}
            shop.delete("configmaps", "page-1")
            moved = await asyncio.wait_for(told.get(), SOON)
            assert isinstance(moved, Moved)
            assert moved.key.name == "page-1"


class Account:
    """A service account that may do everything, and tokens of it that can be made worthless."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.name = shop, f"deployer-{shop.namespace}"
        shop.cluster.request("POST", shop.path("serviceaccounts"), shop.body("v1", "ServiceAccount", self.name, {}))
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": shop.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        self.path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        shop.cluster.request("POST", self.path, {"metadata": {"name": self.name}, "roleRef": role, "subjects": [subject]})

    def token(self, bound: str) -> str:
        """A token that is worth something for as long as a Secret of this name is there."""
        self.shop.cluster.request("POST", self.shop.path("secrets"), self.shop.body("v1", "Secret", bound, {}))
        spec = {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": bound}}
        status, answer = self.shop.cluster.request("POST", f"{self.shop.path('serviceaccounts')}/{self.name}/token", {"spec": spec})
        assert status == 201, answer
        return str(answer["status"]["token"])

    def end(self, bound: str, token: str) -> None:
        """A token is worth nothing from now on."""
        self.shop.delete("secrets", bound)
        kubeconfig = json.loads(self.shop.cluster.kubeconfig.read_text(encoding="utf-8"))
        kubeconfig["users"][0]["user"] = {"token": token}
        path = self.shop.folder / "ended"
        path.write_text(json.dumps(kubeconfig), encoding="utf-8")

        def unknown() -> bool:
            try:
                self.shop.cluster.kubectl("auth", "whoami", kubeconfig=path)
            except Exception:  # noqa: BLE001
                return True
            return False

        wait_until(unknown, "the token is still worth something", 60)

    def close(self) -> None:
        """Take its rights away."""
        self.shop.cluster.request("DELETE", f"{self.path}/{self.name}")


async def test_a_token_that_runs_out_is_read_again_and_until_it_is_renewed_the_target_is_unreachable(closed_shop: Shop) -> None:
    shop = closed_shop
    account = Account(shop)
    file = shop.folder / "token"
    first, second = (account.token(name) for name in ("first", "second"))
    file.write_text(first, encoding="utf-8")
    content = json.loads(shop.cluster.kubeconfig.read_text(encoding="utf-8"))
    content["users"][0]["user"] = {"tokenFile": str(file)}
    path = shop.folder / "kubeconfig"
    path.write_text(json.dumps(content), encoding="utf-8")
    shop.allowed["kubeconfig"] = str(path)
    desired = shop.desired(shop.config_map("page"))
    async with shop.opened(), watching(shop) as told:
        await shop.make(desired)
        await asyncio.to_thread(account.end, "first", first)
        with pytest.raises(Unreachable, match="does not know us") as said:
            await shop.make(shop.desired(shop.config_map("page", {"colour": "blue"}), revision="2" * 40))
        assert said.value.hint == f"renew the token in {file}"
        assert first not in f"{said.value} {said.value.where}"
        file.write_text(second, encoding="utf-8")
        await shop.make(shop.desired(shop.config_map("page", {"colour": "blue"}), revision="2" * 40))
        shop.patch("configmaps", "page", {"data": {"colour": "green"}})
        assert isinstance(await asyncio.wait_for(told.get(), SOON), Moved)
    account.close()


async def test_in_a_pod_its_service_account_is_used_and_its_namespace(closed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = closed_shop
    account = Account(shop)
    mounted = shop.folder / "serviceaccount"
    mounted.mkdir()
    authority = shop.cluster.authority().certificate.decode()
    files = {"token": account.token("pod"), "ca.crt": authority, "namespace": shop.namespace}
    for name, text in files.items():
        (mounted / name).write_text(text, encoding="utf-8")
    host, _, port = shop.cluster.url.removeprefix("https://").rpartition(":")
    monkeypatch.setattr(access, "SERVICE_ACCOUNT", mounted)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("KUBECONFIG", str(shop.folder / "none"))
    del shop.allowed["kubeconfig"]
    async with shop.opened():
        desired = shop.desired(shop.config_map("page", namespace=None))
        await shop.make(desired)
        assert shop.get("configmaps", "page")["metadata"]["managedFields"][0]["manager"] == "trueup"
        assert await shop.changes(desired) == {}
    account.close()


async def test_a_watch_that_was_cut_is_resumed_and_not_begun_again(gate: Gate, closed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    stream = Connection.stream

    def noted(self: Connection, request: Request) -> Any:
        asked.append(request)
        return stream(self, request)

    monkeypatch.setattr(Connection, "stream", noted)
    shop = closed_shop
    async with shop.opened():
        await shop.make(shop.desired(shop.config_map("page")))
        async with watching(shop) as told:
            shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
            await asyncio.wait_for(told.get(), SOON)
            asked.clear()
            gate.cut()
            shop.patch("configmaps", "page", {"data": {"colour": "green"}})
            await asyncio.wait_for(told.get(), SOON)
    resumed = [request.query for request in asked]
    assert resumed
    for query in resumed:
        assert int(query["resourceVersion"]) > 1
        assert query["allowWatchBookmarks"] == "true"
        assert "trueup.dev/owner=" in query["labelSelector"]
        assert "sendInitialEvents" not in query


async def test_a_hundred_objects_go_over_few_connections_that_are_kept(gate: Gate, closed_shop: Shop) -> None:
    closed_shop.options["concurrency"] = 4
    async with closed_shop.opened():
        await closed_shop.make(closed_shop.desired(*(closed_shop.config_map(f"page-{number}") for number in range(100))))
    assert gate.passed <= 5
