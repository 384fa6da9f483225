"""A shop for each test."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.kubernetes.shop import Shop
from tests.testbed.kubernetes.cluster import Cluster


@pytest.fixture
async def shop(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Shop]:
    """An application in a namespace of its own, its target opened."""
    namespace = "shop-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]
    cluster.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    found = Shop(cluster, tmp_path, namespace)
    async with found.opened():
        yield found
