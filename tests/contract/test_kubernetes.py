"""The Kubernetes runtime keeps the promises of a runtime, on a real API server."""

import pytest

from tests.contract.kubernetes_ground import KubernetesGround
from tests.testbed.kubernetes.cluster import Cluster
from trueup.testing import RuntimeContract


class TestKubernetes(RuntimeContract):
    """Joined by one line, and a cluster."""

    ground = KubernetesGround

    @pytest.fixture(autouse=True)
    def on_a_cluster(self, cluster: Cluster) -> None:
        """The one that all tests share."""
        KubernetesGround.cluster = cluster
