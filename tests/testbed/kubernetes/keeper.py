"""Starts the components of one cluster in a folder and keeps them for as long as somebody needs them.

`python -m tests.testbed.kubernetes.keeper FOLDER [--stay]`. Whoever needs the cluster holds the folder's `needed` open, a named pipe: when
the last of them has gone, in whatever way, the keeper ends, and with it every component (the kernel sees to that, also when the keeper is
killed). What stands in the pipe are orders: `stop NAME`, `start NAME`, `end`. With `--stay` it goes on until it is ordered to end.
"""

import base64
import ctypes
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.testbed import programs
from tests.testbed.kubernetes.certificates import Authority, Identity, new_key, private_pem

HOST = "127.0.0.1"
PATIENCE = 120.0
POD_LOG = "2026-01-01T10:00:00.000000001Z stdout F starting\n2026-01-01T10:00:01.000000001Z stdout F listening on port 8080\n"
PR_SET_PDEATHSIG = 1


class EndOfCluster(Exception):
    """Somebody said that it is enough."""


class Keeper:
    """The processes of one cluster, their files and their ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = programs.kubernetes()
        # Bound but not listening: no other process is given these ports, also while a component is down.
        self._held = [held_port() for _ in range(4)]
        self.port, self._etcd, self._peer, self._node = (held.getsockname()[1] for held in self._held)
        self.url = f"https://{HOST}:{self.port}"
        self.authority = Authority.new()
        self.administrator = self.authority.user("admin", "system:masters")
        self.commands = {name: [str(self.programs[name]), *flags] for name, flags in self._flags().items()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self) -> None:
        """Start everything; when this returns, pods can become ready."""
        self._write_files()
        self.start("etcd")
        self.start("kube-apiserver")
        self._wait_for("/readyz")
        self._held[-1].close()  # kwok is the only one that does not share
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self.start(name)
        self._post("/api/v1/nodes", {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "node"}})
        self._wait_for("/api/v1/namespaces/default/serviceaccounts/default")

    def obey(self, order: str) -> None:
        """Carry out `stop NAME` or `start NAME`; raises EndOfCluster at `end`."""
        match order.split():
            case ["stop", name]:
                self.stop(name)
            case ["start", name]:
                self.start(name)
            case _:
                raise EndOfCluster

    def start(self, name: str) -> None:
        """Start a component unless it runs; what it says goes to a file of its name."""
        if name in self.processes and self.processes[name].poll() is None:
            return  # a second one would share the port, and answer when the first is stopped
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.commands[name],
                cwd=self.folder,
                env={"PATH": os.defpath, "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        (self.folder / f"{name}.pid").write_text(str(self.processes[name].pid), encoding="utf-8")

    def stop(self, name: str) -> None:
        """Kill a component, as a crash would, and wait until it has gone."""
        self.processes[name].kill()
        self.processes[name].wait()
        (self.folder / f"{name}.pid").unlink(missing_ok=True)

    def end(self) -> None:
        """Stop everything and leave nothing large behind."""
        for name in list(self.processes):
            self.stop(name)
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def _flags(self) -> dict[str, list[str]]:
        client = f"http://{HOST}:{self._etcd}"
        peer = f"http://{HOST}:{self._peer}"
        kubeconfig = "--kubeconfig=kubeconfig"
        quick = ["--kube-api-qps=1000", "--kube-api-burst=2000", "--leader-elect=false", "--secure-port=0", kubeconfig]
        return {
            "etcd": [
                "--data-dir=etcd",
                "--unsafe-no-fsync",
                "--socket-reuse-port",
                "--log-level=error",
                "--quota-backend-bytes=4294967296",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
            "kube-apiserver": [
                f"--etcd-servers={client}",
                f"--bind-address={HOST}",
                f"--advertise-address={HOST}",
                f"--secure-port={self.port}",
                "--permit-port-sharing",
                "--endpoint-reconciler-type=none",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--allow-privileged",
                "--profiling=false",
                "--disable-admission-plugins=TaintNodesByCondition",  # nobody watches over the node, so nobody would take the taint off
                "--authorization-mode=Node,RBAC",
                "--client-ca-file=authority.crt",
                "--tls-cert-file=server.crt",
                "--tls-private-key-file=server.key",
                "--kubelet-client-certificate=administrator.crt",
                "--kubelet-client-key=administrator.key",
                f"--service-account-issuer={self.url}",
                "--service-account-key-file=accounts.key",
                "--service-account-signing-key-file=accounts.key",
            ],
            "kube-controller-manager": [
                *quick,
                "--concurrent-deployment-syncs=20",
                "--service-account-private-key-file=accounts.key",
                "--root-ca-file=authority.crt",
                "--controllers=*,-node-lifecycle-controller,-node-ipam-controller,-persistentvolume-attach-detach-controller",
            ],
            "kube-scheduler": quick,
            "kwok": [
                kubeconfig,
                f"--config={Path(__file__).with_name('stages.yaml')}",
                "--manage-all-nodes",
                f"--node-ip={HOST}",
                f"--node-port={self._node}",
                f"--server-address={HOST}:{self._node}",
                "--tls-cert-file=server.crt",
                "--tls-private-key-file=server.key",
            ],
        }

    def _write_files(self) -> None:
        self._write_identity("authority", self.authority.identity)
        self._write_identity("administrator", self.administrator)
        self._write_identity("server", self.authority.server(HOST, "localhost", "kubernetes.default.svc"))
        (self.folder / "accounts.key").write_bytes(private_pem(new_key()))
        (self.folder / "pod.log").write_text(POD_LOG, encoding="utf-8")
        content = kubeconfig_of(self.url, self.authority.certificate, self.administrator)
        (self.folder / "kubeconfig").write_text(content, encoding="utf-8")

    def _write_identity(self, name: str, identity: Identity) -> None:
        (self.folder / f"{name}.crt").write_bytes(identity.certificate)
        (self.folder / f"{name}.key").write_bytes(identity.key)

    def _wait_for(self, path: str) -> None:
        """Until the API server answers with success."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(OSError, urllib.error.URLError):
                self._ask(urllib.request.Request(self.url + path))
                return
            self._look_after()
            time.sleep(0.05)
        raise SystemExit(f"error: {self.url}{path} did not answer within {PATIENCE:.0f} s")

    def _look_after(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                raise SystemExit(f"error: {name} ended with {process.returncode}:\n{log[-2000:]}")

    def _post(self, path: str, body: dict[str, object]) -> None:
        self._ask(urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}))

    def _ask(self, request: urllib.request.Request) -> None:
        context = ssl.create_default_context(cafile=str(self.folder / "authority.crt"))
        context.load_cert_chain(self.folder / "administrator.crt", self.folder / "administrator.key")
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:
            answer.read()


def kubeconfig_of(url: str, authority: bytes, user: Identity) -> str:
    """A kubeconfig with everything inside it, as JSON, which is YAML."""
    cluster = {"server": url, "certificate-authority-data": _base64(authority)}
    credentials = {"client-certificate-data": _base64(user.certificate), "client-key-data": _base64(user.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": "user", "user": credentials}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user"}}],
        "current-context": "testbed",
    }
    return json.dumps(content, indent=2)


def held_port() -> socket.socket:
    """A free port that stays reserved while the socket is open, for programs that share ports."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((HOST, 0))
    return held


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def end_with_parent() -> None:
    """For a child, before its program runs: end when the thread that started it ends, in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(folder: Path, mode: str = "r") -> None:
    """Keep one cluster until nobody needs it."""
    (folder / "keeper.pid").write_text(str(os.getpid()), encoding="utf-8")
    with (folder / "needed").open(mode + "b", buffering=0) as needed:
        keeper = Keeper(folder)
        try:
            keeper.begin()
            (folder / "ready").touch()
            for order in needed:
                keeper.obey(order.decode())
        except EndOfCluster:
            pass
        finally:
            keeper.end()


if __name__ == "__main__":
    os.umask(0o077)
    # It needs its own pipe where it is to stay: then there is always somebody.
    main(Path(sys.argv[1]).resolve(), "r+" if "--stay" in sys.argv else "r")
