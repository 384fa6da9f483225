"""A real API server with a controller manager, a scheduler and one node on which pods become ready, for tests and by hand.

    cluster = Cluster.start(tmp_path / "cluster")
    cluster.kubectl("apply", "-f", "-", input=manifest)
    cluster.stop()

By hand: `python -m tests.testbed.kubernetes.cluster start|stop FOLDER` (`make cluster`, `make cluster-down`).
"""

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.testbed import golang, programs
from tests.testbed.kubernetes.certificates import Authority, Identity
from tests.testbed.kubernetes.keeper import PATIENCE, kubeconfig_of

ROOT = Path(__file__).parents[3]
STOPPING = 20.0


class Cluster:
    """One running cluster, from the side of those who use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        content = json.loads(self.kubeconfig.read_text(encoding="utf-8"))
        self.url: str = content["clusters"][0]["cluster"]["server"]
        # While this is open the cluster goes on; the kernel closes it when this process ends, in whatever way.
        self._needed = (folder / "needed").open("w", encoding="utf-8")
        self._context = ssl.create_default_context(cafile=str(folder / "authority.crt"))
        self._context.load_cert_chain(folder / "administrator.crt", folder / "administrator.key")

    @classmethod
    def start(cls, folder: Path, stay: bool = False) -> "Cluster":
        """Start a cluster in a folder, which is made, and wait until it answers.

        It ends with `stop` and, unless it is to stay, when the processes that use it have ended.

        Raises Missing when a program cannot be had and RuntimeError, with the log, when the cluster does not start.
        """
        programs.kubernetes()  # built here, where its progress can be seen
        folder.mkdir(parents=True, exist_ok=True)
        os.mkfifo(folder / "needed", 0o600)
        # For reading too: so it opens at once, and the keeper finds somebody who needs the cluster.
        with (folder / "needed").open("r+b", buffering=0):
            _start_keeper(folder, stay)
            return cls(folder)

    @classmethod
    def join(cls, folder: Path) -> "Cluster | None":
        """The cluster that somebody started in this folder, when it still runs."""
        with suppress(OSError):
            # Refused unless a keeper reads; keeps it from leaving until this process holds the pipe itself.
            holding = os.open(folder / "needed", os.O_WRONLY | os.O_NONBLOCK)
            try:
                wait_until((folder / "ready").exists, f"the cluster in {folder} did not get ready")
                return cls(folder)
            finally:
                os.close(holding)
        return None

    def stop(self) -> None:
        """End the cluster and wait until every process of it has gone."""
        running = self._pids()
        self._order("end")
        self._needed.close()
        wait_until(lambda: not any(map(_lives, running)), f"the cluster in {self.folder} did not end", STOPPING)

    def leave(self) -> None:
        """Need it no longer; it ends when nobody else does."""
        self._needed.close()

    def stop_api_server(self) -> None:
        """Kill the API server; what was connected is cut off."""
        self._order("stop kube-apiserver")
        wait_until(lambda: not (self.folder / "kube-apiserver.pid").exists(), "the API server did not stop")

    def start_api_server(self) -> None:
        """Start it again, at the same address, and wait until it is ready."""
        self._order("start kube-apiserver")
        wait_until(self.ready, "the API server did not get ready")

    def restart_api_server(self) -> None:
        """Kill the API server and start it again."""
        self.stop_api_server()
        self.start_api_server()

    def ready(self) -> bool:
        """Whether the API server answers that it is."""
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def kubectl(self, *arguments: str, input: str = "", kubeconfig: Path | None = None) -> str:  # noqa: A002  (as `subprocess` says)
        """What kubectl prints. Raises CalledProcessError, with what it said in `stderr`."""
        program = str(programs.kubernetes()["kubectl"])
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or self.kubeconfig)}
        command = [program, f"--cache-dir={self.folder}/discovery", *arguments]
        done = subprocess.run(command, env=environment, input=input, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> tuple[int, Any]:
        """Ask the API server as its administrator: the status and the parsed answer, or its text. Quicker than kubectl."""
        connection = self._connection()
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, path, payload, {"Content-Type": content_type, "Accept": "application/json"})
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, content

    def storage(self, question: str, body: object) -> None:
        """Do something to the storage of the API server behind its back: `kv/put`, `kv/compaction`, as etcd's gateway takes it."""
        process = Path("/proc", (self.folder / "etcd.pid").read_text(encoding="utf-8"), "cmdline")
        arguments = process.read_text(encoding="utf-8").split("\0")
        [url] = [each.partition("=")[2] for each in arguments if each.startswith("--listen-client-urls=")]
        with urlopen(f"{url}/v3/{question}", json.dumps(body).encode(), timeout=60) as answer:
            answer.read()

    def get(self, path: str) -> Any:
        """What stands at a path of the API, such as `/api/v1/namespaces/shop/configmaps/page`; None when there is nothing."""
        status, content = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise RuntimeError(f"{path}: {status} {content}")
        return content

    def user(self, name: str, *groups: str) -> Path:
        """A kubeconfig for a user of this name and groups, who may do nothing before RBAC says so."""
        path = self.folder / f"{name.replace(':', '-')}.kubeconfig"
        authority = self.authority()
        path.write_text(kubeconfig_of(self.url, authority.certificate, authority.user(name, *groups)), encoding="utf-8")
        return path

    def authority(self) -> Authority:
        """The authority that the API server trusts, also for the certificates of admission webhooks."""
        return Authority.kept(Identity((self.folder / "authority.crt").read_bytes(), (self.folder / "authority.key").read_bytes()))

    def namespace(self, name: str) -> str:
        """Make a namespace in which pods can be made, and say its name."""
        self.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda: self.get(path) is not None, f"namespace {name} got no service account")
        return name

    def _connection(self) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        return http.client.HTTPSConnection(str(address.hostname), address.port, context=self._context, timeout=60)

    def _order(self, order: str) -> None:
        self._needed.write(f"{order}\n")
        self._needed.flush()

    def _pids(self) -> list[int]:
        return [int(path.read_text(encoding="utf-8")) for path in self.folder.glob("*.pid")]


def wait_until(question: Callable[[], object], complaint: str, patience: float = PATIENCE) -> None:
    """Ask until the answer is yes. Raises RuntimeError with the complaint after some seconds."""
    end = time.monotonic() + patience
    while not question():
        if time.monotonic() > end:
            raise RuntimeError(complaint)
        time.sleep(0.05)


def _start_keeper(folder: Path, stay: bool) -> None:
    """Start the process that owns the cluster's; returns when the cluster is ready."""
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.testbed.kubernetes.keeper", str(folder), *(["--stay"] if stay else [])],
            cwd=ROOT,
            env={**os.environ, "HOME": str(golang.HOME), "TRUEUP_TESTBED_CACHE": str(golang.CACHE)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_until(lambda: (folder / "ready").exists() or keeper.poll() is not None, f"the cluster in {folder} did not start")
    if keeper.poll() is not None:
        raise RuntimeError(f"the cluster did not start: {(folder / 'keeper.log').read_text(encoding='utf-8')}")


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and whose parent has not looked does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(order: str, folder: Path) -> None:
    """`start` prints the path of the kubeconfig of a cluster that stays, `stop` ends it."""
    cluster = Cluster.join(folder)
    if order == "stop" and cluster:
        cluster.stop()
    if order == "start":
        if not cluster:
            shutil.rmtree(folder, ignore_errors=True)
            cluster = Cluster.start(folder, stay=True)
        print(cluster.kubeconfig)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
