"""Starts a Docker engine on a host of its own and keeps it for as long as somebody needs it.

`python -m tests.testbed.docker.keeper FOLDER`, inside new namespaces of processes, mounts and networks: the first process that ends there
takes every other with it, and with them every mount, bridge and rule. Whoever needs the host holds the folder's `needed` open, a named
pipe; when they have gone, in whatever way, the keeper ends. What stands in the pipe are orders, whose number is written to `obeyed`.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.testbed.docker import api

PATIENCE = 60.0
CGROUPS = Path("/sys/fs/cgroup")
SIZE_OF_BALLAST = 1 << 20
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class EndOfHost(Exception):
    """Somebody said that it is enough."""


@dataclass
class Settings:
    """What a host is; kept in the folder's `host.json`."""

    address: str
    gateway: str
    commands: dict[str, list[str]]
    """A name -> the program that is started under it; `{folder}` stands for the folder. Only `dockerd` runs from the start."""
    configuration: dict[str, object] = field(default_factory=dict)
    """What stands in the engine's daemon.json besides."""
    path: str = ""
    """Folders of programs that come before those of the machine."""
    disk: int = 0
    """The size of the engine's disk in MiB; 0 leaves it on the disk of the machine."""

    @classmethod
    def read(cls, folder: Path) -> "Settings":
        """Those of a folder."""
        return cls(**json.loads((folder / "host.json").read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        """Into a folder."""
        (folder / "host.json").write_text(json.dumps(asdict(self)), encoding="utf-8")


class Keeper:
    """The processes of one host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings.read(folder)
        self.cgroup = f"trueup-testbed-{folder.stat().st_ino}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self) -> None:
        """Make the host and start the engine; when this returns, it answers."""
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        Path("/run/sshd").mkdir()
        data = self.folder / "data"
        data.mkdir()
        if self.settings.disk:
            run("mount", "-t", "tmpfs", "-o", f"size={self.settings.disk}m,mode=711", "tmpfs", str(data))
        self._join_network()
        self._write_configuration()
        self.start("dockerd")

    def obey(self, order: str) -> None:
        """Carry out an order about the host or about one of its processes; raises EndOfHost at `end`."""
        match order.split():
            case ["start", name]:
                self.start(name)
            case ["stop", name]:
                self.processes[name].terminate()
                self.processes[name].wait()
            case ["kill", name]:
                self.processes[name].kill()
                self.processes[name].wait()
            case ["freeze", name]:
                self.processes[name].send_signal(signal.SIGSTOP)
            case ["thaw", name]:
                self.processes[name].send_signal(signal.SIGCONT)
            case ["crash"]:
                self.crash()
            case ["fill"]:
                fill(self.folder / "data/ballast")
            case ["free"]:
                (self.folder / "data/ballast").unlink()
            case _:
                raise EndOfHost

    def start(self, name: str) -> None:
        """Start a process; what it says goes to a file of its name. The engine is waited for."""
        if name == "dockerd":
            self._forget_the_engine_before()
        command = [argument.format(folder=self.folder) for argument in self.settings.commands[name]]
        path = f"{self.settings.path}:{PATH}".removeprefix(":")
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env={"PATH": path, "HOME": "/root"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if name == "dockerd":
            self._wait_for_the_engine()

    def crash(self) -> None:
        """Lose the power: every process of the host but this one is gone at once, with whatever it ran."""
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        for process in self.processes.values():
            process.wait()
        mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
        for place in reversed(mounted):
            if place.startswith(("/run/docker", f"{self.folder}/data/")):
                subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        shutil.rmtree("/run/docker", ignore_errors=True)

    def end(self) -> None:
        """Stop everything and leave nothing behind but logs."""
        self.crash()
        end = time.monotonic() + 5
        while (folders := cgroups(self.cgroup)) and time.monotonic() < end:
            remove_empty(folders)
        remove_empty(cgroups("libpod_parent"))  # of Podman, which takes no other name
        # The disk, and what the engine mounts over its own folder.
        while subprocess.run(["umount", "--lazy", str(self.folder / "data")], capture_output=True, check=False).returncode == 0:
            pass
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def _join_network(self) -> None:
        wait_for(lambda: "eth0:" in Path("/proc/net/dev").read_text(encoding="utf-8"), "the host got no network")
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{self.settings.address}/30", "dev", "eth0")
        run("ip", "link", "set", "eth0", "up")
        run("ip", "route", "add", "default", "via", self.settings.gateway)

    def _write_configuration(self) -> None:
        configuration = {
            "data-root": str(self.folder / "data"),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{self.cgroup}",
            "default-address-pools": [{"base": "172.20.0.0/14", "size": 24}],
            "hosts": ["unix:///var/run/docker.sock", f"unix://{self.folder}/docker.sock", f"tcp://{self.settings.address}:2376"],
            "tlsverify": True,
            "tlscacert": str(self.folder / "tls/ca.pem"),
            "tlscert": str(self.folder / "tls/server.pem"),
            "tlskey": str(self.folder / "tls/server-key.pem"),
            **self.settings.configuration,
        }
        (self.folder / "daemon.json").write_text(json.dumps(configuration), encoding="utf-8")

    def _forget_the_engine_before(self) -> None:
        Path("/run/docker.pid").unlink(missing_ok=True)
        (self.folder / "docker.sock").unlink(missing_ok=True)

    def _wait_for_the_engine(self) -> None:
        def answers() -> bool:
            if self.processes["dockerd"].poll() is not None:
                said = (self.folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")
                raise SystemExit(f"error: the engine did not start:\n{said[-3000:]}")
            with suppress(OSError, http.client.HTTPException):
                return api.ask(self.folder / "docker.sock", "GET", "/_ping")[0] == 200
            return False

        wait_for(answers, "the engine did not answer")


def run(*command: str) -> None:
    """Raises SystemExit with what the program said when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command)}: {done.stderr}")


def wait_for(question: Callable[[], bool], complaint: str) -> None:
    """Ask until the answer is yes. Raises SystemExit with the complaint after some seconds."""
    end = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > end:
            raise SystemExit(f"error: {complaint}")
        time.sleep(0.02)


def cgroups(name: str) -> list[Path]:
    """A control group of this name and all in it, in every hierarchy of the kernel, the deepest first."""
    found = [*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}")]
    return [folder for top in found for folder in sorted([top, *top.rglob("*/")], reverse=True)]


def remove_empty(folders: list[Path]) -> None:
    """Those that are still in use stay."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def fill(ballast: Path) -> None:
    """Take what is left of the disk."""
    with ballast.open("wb", buffering=0) as file:
        for size in (SIZE_OF_BALLAST, 1):
            with suppress(OSError):
                while True:
                    file.write(b"0" * size)


def main(folder: Path) -> None:
    """Keep one host until nobody needs it."""
    with (folder / "needed").open("rb", buffering=0) as needed:
        keeper = Keeper(folder)
        try:
            keeper.begin()
            (folder / "obeyed").write_text("0", encoding="utf-8")
            for number, order in enumerate(needed, start=1):
                keeper.obey(order.decode())
                (folder / "obeyed").write_text(str(number), encoding="utf-8")
        except EndOfHost:
            pass
        finally:
            keeper.end()
            (folder / "ended").touch()


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]).resolve())
