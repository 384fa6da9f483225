"""Servers that are restarted, overloaded, forgetful, or in the way."""

import asyncio
import base64
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.end_to_end.kubernetes.shop import Shop, states
from tests.end_to_end.kubernetes.test_drift import SOON, watching
from tests.testbed.kubernetes import webhooks
from tests.testbed.kubernetes.cluster import Cluster, wait_until
from tests.testbed.kubernetes.gate import Gate
from tests.testbed.kubernetes.webhooks import Answer
from trueup.model.application import Policy
from trueup.model.contracts import Moved
from trueup.model.errors import Refused, Unreachable
from trueup.model.manifest import Key
from trueup.model.plan import Verb
from trueup.model.run import Outcome
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.request import Request, answer_of
from trueup.testing import carry_out


@pytest.fixture
async def gate(closed_shop: Shop) -> AsyncIterator[Gate]:
    """A gate between the shop and its cluster."""
    gate = Gate(closed_shop.cluster.url)
    await gate.open()
    closed_shop.allowed["kubeconfig"] = str(gate.kubeconfig(closed_shop.cluster.kubeconfig, closed_shop.folder / "kubeconfig"))
    yield gate
    await gate.shut()


@pytest.fixture
async def mortal(second_cluster: Cluster, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop on a cluster that may be stopped."""
    namespace = f"shop-{tmp_path.name.lower().replace('_', '-')[:40]}"
    second_cluster.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    shop = Shop(second_cluster, tmp_path, namespace)
    async with shop.opened():
        yield shop


async def test_a_server_restarted_in_the_middle_of_an_apply_is_unreachable_and_the_rest_follows(mortal: Shop) -> None:
    desired = mortal.desired(*(mortal.config_map(f"page-{number}") for number in range(300)))
    plan = await mortal.plan(desired)
    done: list[Outcome] = []

    async def interrupted() -> None:
        async for outcome in mortal.runtime.apply(desired, plan.changes):
            done.append(outcome)
            if len(done) == 20:
                await asyncio.to_thread(mortal.cluster.stop_api_server)

    with pytest.raises(Unreachable):
        await interrupted()
    await asyncio.to_thread(mortal.cluster.start_api_server)
    assert 0 < len(done) < 300
    assert set(states(await carry_out(mortal.runtime, desired, plan)).values()) == {"done"}
    assert len(mortal.names("configmaps")) == 300
    assert await mortal.changes(desired) == {}


async def test_a_server_restarted_under_a_watch_loses_nothing(mortal: Shop) -> None:
    desired = mortal.desired(mortal.config_map("page"), mortal.config_map("other"))
    await mortal.make(desired)
    async with watching(mortal) as told:
        await asyncio.to_thread(mortal.cluster.stop_api_server)
        await asyncio.sleep(0.5)
        with pytest.raises(Unreachable):
            await mortal.plan(desired)
        await asyncio.to_thread(mortal.cluster.start_api_server)
        mortal.patch("configmaps", "page", {"data": {"colour": "blue"}})
        moved = await asyncio.wait_for(told.get(), SOON)
        assert isinstance(moved, Moved)
        assert moved.key.name == "page"
        assert await mortal.changes(desired) == {f"ConfigMap/{mortal.namespace}/page": Verb.UPDATE}


async def test_a_watch_that_is_cut_goes_on_and_what_happened_meanwhile_is_told(gate: Gate, closed_shop: Shop) -> None:
    shop = closed_shop
    desired = shop.desired(shop.config_map("page"), shop.config_map("other"))
    async with shop.opened():
        await shop.make(desired)
        async with watching(shop) as told:
            async with gate.closed():
                shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
                shop.delete("configmaps", "other")
                await asyncio.sleep(0.3)
            moves = [await asyncio.wait_for(told.get(), SOON) for _ in range(2)]
            assert sorted(each.key.name for each in moves if isinstance(each, Moved)) == ["other", "page"]
            gate.cut()
            await asyncio.sleep(0.2)
            assert set((await shop.changes(desired)).values()) == {Verb.UPDATE, Verb.CREATE}
            assert told.empty()


async def until_the_end_of_the_beginning(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece
        if b"initial-events-end" in piece:
            return


async def test_a_version_that_is_too_old_means_a_new_list_and_no_deletion(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    desired = shop.desired(shop.config_map("page"), shop.config_map("other"))
    await shop.make(desired)
    asked: list[str] = []
    real = Connection.stream

    @asynccontextmanager
    async def forgetful(self: Connection, request: Request) -> AsyncIterator[Any]:
        """A watch that is cut once it has begun, and a server that forgot meanwhile where it is to be resumed from."""
        asked.append("resumed" if request.query["resourceVersion"] else "begun")
        if asked[-1] == "resumed":
            yield answer_of(410, b'{"kind": "Status", "reason": "Expired", "code": 410}'), None
            return
        async with real(self, request) as (answer, pieces):
            yield answer, pieces if len(asked) > 1 else until_the_end_of_the_beginning(pieces)

    monkeypatch.setattr(Connection, "stream", forgetful)
    async with watching(shop) as told:
        await asyncio.to_thread(wait_until, lambda: asked == ["begun", "resumed", "begun"], "it does not begin anew")
        assert await shop.changes(desired) == {}
        shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
        moved = await asyncio.wait_for(told.get(), SOON)
        assert isinstance(moved, Moved)
        assert moved.key.name == "page"
        assert told.empty()


class Busy(http.server.BaseHTTPRequestHandler):
    """Says a few times that it is busy, then that there is nothing."""

    refusals = 2
    status = 429
    asked: ClassVar[list[float]] = []

    def do_GET(self) -> None:
        """Asked something."""
        type(self).asked.append(time.monotonic())
        busy = len(self.asked) <= self.refusals
        self.send_response(self.status if busy else 404)
        if busy:
            self.send_header("Retry-After", "1")
        body = b"" if busy else json.dumps({"kind": "Status", "reason": "NotFound", "code": 404}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again_when_it_says_so(closed_shop: Shop, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Busy, "status", status)
    monkeypatch.setattr(Busy, "asked", [])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    closed_shop.allowed["servers"] = [address]
    closed_shop.options.update(server=address, token={"secret": "token"})
    closed_shop.secrets["token"] = "x"
    async with closed_shop.opened() as runtime:
        assert await runtime.live(closed_shop.owner, Key("ConfigMap", "page", "", closed_shop.namespace)) is None
    server.shutdown()
    pauses = [after - before for before, after in zip(Busy.asked, Busy.asked[1:], strict=False)][:2]
    # It would have waited less by itself, and longer each time.
    assert all(pause > 0.9 for pause in pauses)


def webhook(shop: Shop, kind: str, answer: Answer, effects: str = "None") -> AbstractContextManager[None]:
    """An admission webhook of our own for the ConfigMaps of the shop."""
    return webhooks.webhook(shop.cluster, shop.namespace, shop.folder, kind, answer, effects)


def added(asked: dict[str, Any]) -> dict[str, Any]:
    """What the webhook adds to every object."""
    patch = [{"op": "add", "path": "/data/injected", "value": "by the webhook"}]
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}


async def test_what_a_webhook_adds_is_never_drift(shop: Shop) -> None:
    with webhook(shop, "Mutating", added):
        desired = shop.desired(shop.config_map("page"))
        await shop.make(desired)
        assert shop.get("configmaps", "page")["data"] == {"colour": "red", "injected": "by the webhook"}
        assert await shop.changes(desired) == {}
        later = shop.desired(shop.config_map("page", {"colour": "blue"}), revision="2" * 40)
        assert [each.path for each in (await shop.action(later)).changes] == ["data.colour"]


async def test_a_webhook_that_refuses_is_told_before_anything_is_written(shop: Shop) -> None:
    def refuse(asked: dict[str, Any]) -> dict[str, Any]:
        return {"allowed": asked["name"] != "bad", "status": {"message": "pages must be good"}}

    with webhook(shop, "Validating", refuse):
        with pytest.raises(Refused, match=r"ConfigMap/.*/bad \(shop/objects.yaml:11\) was refused: .*pages must be good"):
            await shop.plan(shop.desired(shop.config_map("good"), shop.config_map("bad")))
        assert shop.names("configmaps") == []


async def test_two_who_fight_over_a_field_both_show(shop: Shop) -> None:
    desired = shop.desired(shop.config_map("page"))
    await shop.make(desired)
    for _ in range(3):
        shop.patch("configmaps", "page", {"data": {"colour": "blue"}}, "painter")
        assert (await shop.action(desired)).reason == "takes data.colour from painter"
        await shop.make(desired)
    assert shop.get("configmaps", "page")["data"] == {"colour": "red"}


async def test_what_a_webhook_keeps_from_being_tried_out_is_planned_unverified_and_never_drift_by_itself(shop: Shop) -> None:
    asked: list[bool] = []

    def note(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(bool(request.get("dryRun")))
        return added(request)

    with webhook(shop, "Mutating", note, effects="Some"):
        desired = shop.desired(shop.config_map("page"))
        action = await shop.action(desired)
        assert (action.verb, action.verified) == (Verb.CREATE, False)
        assert "not tried out: an admission webhook cannot be asked without effect" in action.reason
        await shop.make(desired)
        assert shop.get("configmaps", "page")["data"] == {"colour": "red", "injected": "by the webhook"}
        async with shop.opened():
            assert await shop.changes(desired) == {}
            shop.folder = shop.folder / "fresh"
        async with shop.opened():
            assert await shop.changes(desired) == {}
            shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
            action = await shop.action(desired)
            assert (action.verb, action.verified) == (Verb.UPDATE, False)
            assert [(each.path, each.before, each.after) for each in action.changes] == [("data.colour", "blue", "red")]
            await shop.make(desired)
            assert shop.get("configmaps", "page")["data"] == {"colour": "red", "injected": "by the webhook"}
            assert await shop.changes(desired) == {}
            # What Git no longer says goes, though nobody could try it out.
            await shop.make(shop.desired(shop.config_map("page", {"colour": "red", "more": "x"})))
            await shop.make(desired)
            assert shop.get("configmaps", "page")["data"] == {"colour": "red", "injected": "by the webhook"}
            assert await shop.changes(desired) == {}
        assert asked
        assert not any(asked)


async def test_what_cannot_be_tried_out_can_be_adopted_all_the_same(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", given=shop.config_map("page", {"colour": "green"}))
    with webhook(shop, "Mutating", added, effects="Some"):
        desired = shop.desired(shop.config_map("page"), policy=Policy(adopt=True))
        assert (await shop.action(desired)).verb is Verb.ADOPT
        await shop.make(desired)
        assert shop.get("configmaps", "page")["data"]["colour"] == "red"
        assert await shop.changes(desired) == {}
