"""What a new start costs a cluster in which nothing has changed, by what its API server was asked."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.estate import Operator, eventually
from tests.end_to_end.kubernetes.shop import Shop
from tests.end_to_end.kubernetes.test_drift import SOON, watching
from tests.end_to_end.kubernetes.test_faults import gate
from tests.end_to_end.kubernetes.test_walk import Place, config_map, deployment, place
from tests.testbed.kubernetes.cluster import Cluster
from tests.testbed.kubernetes.gate import Gate
from tests.testbed.kubernetes.ledger import Ledger
from trueup.model.contracts import Moved
from trueup.model.errors import Unreachable
from trueup.runtimes.kubernetes.client import watching as client

__all__ = ["gate", "place"]

NAMES = [f"app-{number}" for number in range(12)]


@pytest.fixture
def ledger(cluster: Cluster) -> Iterator[Ledger]:
    """What the API server is asked through it."""
    with Ledger(cluster).open() as opened:
        yield opened


async def are_synced(operator: Operator) -> bool:
    standings = await operator.engine.store(operator.engine.memory.standings, operator.repository.identity)
    return [each.status.sync for each in standings] == ["synced"] * len(NAMES)


async def are_looked_at(operator: Operator, ledger: Ledger) -> bool:
    """Whether every application was woken, and walked."""
    pending = await operator.engine.store(operator.engine.memory.pending, operator.repository.identity)
    return bool(ledger.requests) and not any(each.application for each in pending)


async def test_a_serve_started_anew_asks_once_for_each_kind_and_writes_nothing(
    place: Place, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{name}/objects.yaml": [config_map(name, colour="red"), deployment(name, replicas=0)] for name in NAMES}
    place.commit({"trueup.yaml": place.declarations(*map(place.application, NAMES)), **files})
    monkeypatch.setenv("KUBECONFIG", str(ledger.kubeconfig(tmp_path / "ledger.kubeconfig")))
    async with place.estate.served() as operator:
        await eventually(lambda: are_synced(operator))
    ledger.requests.clear()
    async with place.estate.served() as operator:
        await eventually(lambda: are_looked_at(operator, ledger))
        assert ledger.writes == []
        assert ledger.reads == ledger.watches == {"configmaps": 1, "deployments": 1}
        place.patch("configmaps", NAMES[3], {"data": {"colour": "blue"}})

        async def is_red() -> bool:
            return bool(place.get("configmaps", NAMES[3])["data"] == {"colour": "red"})

        await eventually(is_red)
        assert {path.partition("?")[0].rpartition("/")[2] for path in ledger.writes} == {NAMES[3]}


async def test_a_plan_while_the_server_is_away_from_the_start_does_not_wait_for_long(gate: Gate, closed_shop: Shop) -> None:
    shop = closed_shop
    desired = shop.desired(shop.config_map("page"))
    async with shop.opened(), gate.closed():
        shop.runtime.watch()
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer"):
            await shop.plan(desired)
        assert time.monotonic() - begun < 50
    async with shop.opened():
        await shop.make(desired)


async def test_a_server_that_cannot_begin_a_watch_with_all_there_is_is_asked_for_a_list(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = shop.desired(shop.config_map("page"), shop.config_map("other"))
    await shop.make(desired)
    # What a server says that does not know the one, or that may not use the other.
    monkeypatch.setattr(client, "_ALL_THERE_IS", {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"})
    listed = 0
    real = client.Watching._list

    async def counted(self: client.Watching) -> tuple[list[bytes], str]:
        nonlocal listed
        listed += 1
        return await real(self)

    monkeypatch.setattr(client.Watching, "_list", counted)
    async with watching(shop) as told:
        assert await shop.changes(desired) == {}
        shop.patch("configmaps", "page", {"data": {"colour": "blue"}})
        moved = await asyncio.wait_for(told.get(), SOON)
        assert isinstance(moved, Moved)
        assert (moved.key.name, listed, told.empty()) == ("page", 1, True)


async def test_a_server_that_says_nothing_when_it_should_begin_is_asked_for_a_list(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    desired = shop.desired(shop.config_map("page"))
    await shop.make(desired)
    # An ordinary watch, as a server makes one of it that does not look at what it does not know.
    monkeypatch.setattr(client, "_ALL_THERE_IS", {})
    monkeypatch.setattr(client, "_BEGINNING_SECONDS", 1.0)
    async with watching(shop) as told:
        assert await shop.changes(desired) == {}
        shop.delete("configmaps", "page")
        moved = await asyncio.wait_for(told.get(), SOON)
        assert isinstance(moved, Moved)
