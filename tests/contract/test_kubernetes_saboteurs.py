"""A Kubernetes runtime that lies is caught too, with a real API server behind it: no sentence holds there by accident."""

import dataclasses
from pathlib import Path

import pytest

from tests.contract import liars
from tests.contract.kubernetes_ground import KubernetesGround
from tests.contract.test_saboteurs import SABOTEURS
from tests.testbed.kubernetes import cluster as testbed
from trueup.model.contracts import Runtime
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.request import Answer
from trueup.runtimes.kubernetes.cluster import Cluster, Lock
from trueup.runtimes.kubernetes.runtime import KubernetesRuntime
from trueup.testing import Ground, RuntimeContract


class Unlocked(Cluster):
    """Writes whatever is there by now."""

    async def write(self, resource: Resource, body: Body, lock: Lock) -> Answer:
        return await self.apply(resource, body)


class WritesWithoutALock(liars.Liar):
    """An object that came since the plan was made is overwritten: the server would have said so."""

    def __init__(self, honest: Runtime, ground: Ground) -> None:
        super().__init__(honest, ground)
        assert isinstance(honest, KubernetesRuntime)
        real = honest._cluster
        honest._cluster = Unlocked(**{field.name: getattr(real, field.name) for field in dataclasses.fields(real)})


# A create is refused by the server itself when the object is there, whatever a liar read of it.
POWERLESS = {("what_belongs_to_nobody_is_adopted_by_name_only", liars.NeverLooksAgain)}
LYING = [
    *((sentence, liar) for sentence, lying in SABOTEURS.items() for liar in lying if (sentence, liar) not in POWERLESS),
    ("what_belongs_to_nobody_is_adopted_by_name_only", WritesWithoutALock),
]


@pytest.fixture(autouse=True)
def on_a_cluster(cluster: testbed.Cluster) -> None:
    """The one that all tests share."""
    KubernetesGround.cluster = cluster


@pytest.mark.parametrize(("sentence", "liar"), LYING)
async def test_the_saboteur_is_caught(sentence: str, liar: type[liars.Liar], tmp_path: Path) -> None:
    class LyingGround(KubernetesGround):
        patience = 2.0

        async def open(self) -> Runtime:
            return liar(await super().open(), self)

    contract = RuntimeContract()
    contract.ground = LyingGround
    try:
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            await getattr(contract, f"test_{sentence}")(tmp_path)
    finally:
        LyingGround.clear(tmp_path)
