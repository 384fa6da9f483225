"""A real Docker engine on a host of its own: namespaces of processes, mounts and networks, joined to this machine by one cable.

    engine = Engine.start(tmp_path / "engine")
    engine.docker("run", "--detach", "--publish", "8080:80", "test/web:1")
    engine.page(8080)                          # as somebody in the network sees it
    engine.stop()

So every engine has its own ports, bridges and rules, and ends, with all containers, when those who use it have ended, in whatever way.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.components import missing, require
from tests.testbed.docker import api, images
from tests.testbed.docker.keeper import PATIENCE, Settings
from tests.testbed.kubernetes.certificates import Authority
from tests.testbed.kubernetes.keeper import end_with_parent

ROOT = Path(__file__).parents[3]
NETWORK = "10.213"
ENGINE = {"dockerd": ["dockerd", "--config-file={folder}/daemon.json"]}


class Engine:
    """One running engine, from the side of those who use it."""

    def __init__(self, folder: Path, keeper: subprocess.Popen[bytes]) -> None:
        settings = Settings.read(folder)
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.address = settings.address
        """Of the host, in the network: published ports are reached here."""
        self.gateway = settings.gateway
        """Of this machine, as the host sees it."""
        self.tls_url = f"tcp://{self.address}:2376"
        """Where only those with a certificate get in: `tls/ca.pem`, `tls/cert.pem` and `tls/key.pem` of the folder."""
        self._keeper = keeper
        self._orders = 0
        # While this is open the host goes on; the kernel closes it when this process ends, in whatever way.
        self._needed = (folder / "needed").open("w", encoding="utf-8")

    @classmethod
    def start(
        cls, folder: Path, disk: int = 0, commands: Mapping[str, Sequence[str]] = ENGINE, path: str = "", **configuration: object
    ) -> "Engine":
        """Start an engine in a folder, which is made, and wait until it answers.

        A disk of so many MiB can be filled. The configuration goes into daemon.json. Raises RuntimeError, with the log, when the engine
        does not start; skips the test where it cannot be had.
        """
        _require_everything()
        folder.mkdir(parents=True)
        slot, lock = _own_slot()
        address, gateway = f"{NETWORK}.{slot}.2", f"{NETWORK}.{slot}.1"
        configuration.setdefault("insecure-registries", [f"{NETWORK}.0.0/16"])
        Settings(address, gateway, {name: [*command] for name, command in commands.items()}, configuration, path, disk).write(folder)
        _write_certificates(folder / "tls", address)
        os.mkfifo(folder / "needed", 0o600)
        # For reading too: so it opens at once, and the keeper finds somebody who needs the host.
        with (folder / "needed").open("r+b", buffering=0):
            keeper = _start_keeper(folder, lock)
            _join(keeper, slot, gateway)
            _wait_until_it_answers(folder, keeper)
            return cls(folder, keeper)

    def stop(self) -> None:
        """End the host and wait until everything of it has gone."""
        with suppress(OSError):
            self._needed.write("end\n")
        self._needed.close()
        self._keeper.wait(PATIENCE)

    def order(self, order: str) -> None:
        """Have the keeper do it, and wait until it is done."""
        self._orders += 1
        self._needed.write(f"{order}\n")
        self._needed.flush()
        wait_until(
            lambda: self._keeper.poll() is not None or (self.folder / "obeyed").read_text(encoding="utf-8") == str(self._orders),
            f"`{order}` was not done",
        )
        if self._keeper.poll() is not None:
            raise RuntimeError(f"`{order}` failed: {(self.folder / 'keeper.log').read_text(encoding='utf-8')}")

    def stop_engine(self) -> None:
        """Stop the engine and, as it does, its containers."""
        self.order("stop dockerd")

    def kill_engine(self) -> None:
        """Kill the engine; its containers go on."""
        self.order("kill dockerd")

    def start_engine(self) -> None:
        """Start it again and wait until it answers."""
        self.order("start dockerd")

    def restart_engine(self) -> None:
        """Stop the engine and start it again."""
        self.stop_engine()
        self.start_engine()

    def reboot(self) -> None:
        """Lose the power and start again: nothing survives but the disk."""
        self.order("crash")
        self.start_engine()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The engine takes connections and says nothing."""
        self.order("freeze dockerd")
        try:
            yield
        finally:
            self.order("thaw dockerd")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing can be written to the engine's disk, which was given a size."""
        self.order("fill")
        try:
            yield
        finally:
            self.order("free")

    @contextmanager
    def occupied(self, port: int) -> Iterator[None]:
        """A program of the host, which is no container, listens on a port."""
        process = self.run_on_host("busybox", "nc", "-ll", "-p", str(port), "-e", "true")
        wait_until(lambda: listens(self.address, port), f"nothing listens on port {port}")
        try:
            yield
        finally:
            process.kill()
            process.communicate()

    def run_on_host(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program among the host's files and in its network; it is yours to end."""
        entered = ["nsenter", f"--target={_child_of(self._keeper)}", "--mount", "--net", *command]
        return subprocess.Popen(
            entered, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=end_with_parent
        )

    def docker(self, *arguments: str, input: str = "") -> str:  # noqa: A002  (as `subprocess` says)
        """What the docker program prints. Raises CalledProcessError, with what it said in `stderr`."""
        environment = {**os.environ, "DOCKER_HOST": self.url}
        command = ["docker", *arguments]
        done = subprocess.run(command, env=environment, input=input, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the engine: the status and the parsed answer, or its bytes. Quicker than the docker program."""
        return api.ask(self.socket, method, path, body)

    def get(self, path: str) -> Any:
        """What stands at a path of the API, such as `/containers/web/json`; None when there is nothing."""
        status, content = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise RuntimeError(f"{path}: {status} {content}")
        return content

    def containers(self, **labels: str) -> list[Any]:
        """All containers with these labels, running or not, as inspect shows them, by name. `a__b` stands for `a.b` in a label."""
        filters = json.dumps({"label": [f"{name.replace('__', '.')}={value}" for name, value in labels.items()]})
        listed = self.get(f"/containers/json?all=1&filters={quote(filters)}")
        found = [self.get(f"/containers/{one['Id']}/json") for one in listed]
        return sorted((one for one in found if one), key=lambda one: str(one["Name"]))  # those that were not just removed

    def image(self, name: str, *instructions: str, files: Mapping[str, str] | None = None) -> str:
        """Make an image of busybox with instructions of a Dockerfile and files; its id. Without instructions it sleeps."""
        changes = "".join(f"&changes={quote(instruction)}" for instruction in instructions or images.SLEEP)
        status, content = self.request("POST", f"/images/create?fromSrc=-{changes}", images.root_file_system(files or {}))
        if status != 200:
            raise RuntimeError(f"{name}: {status} {content}")
        made: str = content["status"]
        repository, _, tag = name.rpartition(":")
        self.request("POST", f"/images/{made}/tag?repo={quote(repository)}&tag={tag}")
        return made

    def page(self, port: int, path: str = "/") -> str:
        """What a published port answers to somebody in the network."""
        with urllib.request.urlopen(f"http://{self.address}:{port}{path}", timeout=60) as answer:
            content: bytes = answer.read()
        return content.decode()

    def clear(self) -> None:
        """Take away all containers, networks and volumes."""
        for container in self.get("/containers/json?all=1"):
            self.request("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        for network in self.get("/networks"):
            self.request("DELETE", f"/networks/{network['Id']}")  # refused for those that are always there
        for volume in self.get("/volumes")["Volumes"] or ():
            self.request("DELETE", f"/volumes/{quote(volume['Name'], safe='')}")


def wait_until(question: Callable[[], object], complaint: str, patience: float = PATIENCE) -> None:
    """Ask until the answer is yes. Raises RuntimeError with the complaint after some seconds."""
    end = time.monotonic() + patience
    while not question():
        if time.monotonic() > end:
            raise RuntimeError(complaint)
        time.sleep(0.02)


def _require_everything() -> None:
    if os.geteuid() != 0:
        missing("an account that may start a Docker engine is missing: run the tests as root")
    require("dockerd", "docker.io")
    require("docker", "docker.io")
    require("docker-init", "tini")
    require("iptables", "iptables")
    require("ip", "iproute2")
    images.require_busybox()


def _own_slot() -> tuple[int, int]:
    """A number that no other host of this machine has, and the lock that keeps it so."""
    folder = Path(tempfile.gettempdir(), "trueup-testbed-networks")  # one for everybody here, whatever their home and cache
    folder.mkdir(exist_ok=True)
    for number in range(1, 250):
        lock = os.open(folder / str(number), os.O_CREAT | os.O_RDWR, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number, lock
        os.close(lock)
    raise RuntimeError("too many hosts run on this machine")


def _write_certificates(folder: Path, address: str) -> None:
    folder.mkdir()
    authority = Authority.new()
    server, user = authority.server(address, "localhost"), authority.user("client")
    contents = {
        "ca.pem": authority.certificate,
        "server.pem": server.certificate,
        "server-key.pem": server.key,
        "cert.pem": user.certificate,
        "key.pem": user.key,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _start_keeper(folder: Path, lock: int) -> subprocess.Popen[bytes]:
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [*namespaces, "docker-init", "--", sys.executable, "-m", "tests.testbed.docker.keeper", str(folder)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],  # the number is taken for as long as the host lives
        )
    os.close(lock)
    return keeper


def _join(keeper: subprocess.Popen[bytes], slot: int, gateway: str) -> None:
    """Lay a cable between this machine and the host."""
    wait_until(lambda: keeper.poll() is not None or _child_of(keeper), "the host did not begin")
    if keeper.poll() is not None:
        return  # told by whoever waits for its answer
    cable = f"trueup{slot}"
    subprocess.run(["ip", "link", "delete", cable], capture_output=True, check=False)
    for command in (
        ["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(_child_of(keeper))],
        ["address", "add", f"{gateway}/30", "dev", cable],
        ["link", "set", cable, "up"],
    ):
        subprocess.run(["ip", *command], check=True, capture_output=True)


def _child_of(keeper: subprocess.Popen[bytes]) -> int:
    """The first process of the host, by its number on this machine; 0 before it is there."""
    with suppress(OSError):
        children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text(encoding="utf-8").split()
        return int(children[0]) if children else 0
    return 0


def _wait_until_it_answers(folder: Path, keeper: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: (folder / "obeyed").exists() or keeper.poll() is not None, f"the engine in {folder} did not start")
    if keeper.poll() is not None:
        raise RuntimeError(f"the engine did not start: {(folder / 'keeper.log').read_text(encoding='utf-8')}")


def listens(address: str, port: int) -> bool:
    """Whether a program takes connections there."""
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
