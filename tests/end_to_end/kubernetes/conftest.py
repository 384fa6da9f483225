"""A shop for each test."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from tests.testbed.kubernetes.cluster import Cluster


@pytest.fixture
def closed_shop(cluster: Cluster, tmp_path: Path) -> Shop:
    """An application in a namespace of its own, its target not opened yet."""
    namespace = "shop-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]
    cluster.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    return Shop(cluster, tmp_path, namespace)


@pytest.fixture
async def shop(closed_shop: Shop) -> AsyncIterator[Shop]:
    """The same, opened."""
    async with closed_shop.opened():
        yield closed_shop
