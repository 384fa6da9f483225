"""A cluster that somebody gave for the tests, by `TRUEUP_TEST_KUBECONFIG`: it is used as it is, and left running."""

import http.client
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

from tests.components import missing
from tests.testbed import programs
from tests.testbed.kubernetes.certificates import Authority
from tests.testbed.kubernetes.cluster import Cluster
from tests.testbed.kubernetes.keeper import HOST, end_with_parent


class Given(Cluster):
    """Somebody's cluster, reached by `kubectl proxy`, which understands every kubeconfig. What would harm it skips the test."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        shutil.copy(kubeconfig, self.kubeconfig)
        self.url = self.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        command = [str(programs.kubernetes()["kubectl"]), f"--kubeconfig={kubeconfig}", "proxy", "--port=0"]
        self._proxy = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=end_with_parent
        )
        assert self._proxy.stdout
        self._port = int(self._proxy.stdout.readline().rpartition(":")[2])

    def stop(self) -> None:
        """Leave it as it is."""
        self._proxy.kill()
        self._proxy.communicate()

    leave = stop

    def stop_api_server(self) -> NoReturn:
        """Never."""
        missing("a cluster of the test bed's own is missing: TRUEUP_TEST_KUBECONFIG is set")

    def storage(self, question: str, body: object) -> NoReturn:
        """Never."""
        missing("a cluster of the test bed's own is missing: TRUEUP_TEST_KUBECONFIG is set")

    def authority(self) -> Authority:
        """Nobody has its key."""
        missing("a cluster of the test bed's own is missing: TRUEUP_TEST_KUBECONFIG is set")

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self._port, timeout=60)
