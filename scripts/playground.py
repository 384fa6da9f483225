"""A bare repository, a clone, a state folder and a `trueup serve`, all below one temporary folder; leaving it stops whatever runs there."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
EXAMPLE_PORT: Final = "8099"
"""The port that the examples write; each playground puts a free one in its place."""
GIT_CONFIGURATION: Final = "[user]\n\tname = You\n\temail = you@example.org\n[init]\n\tdefaultBranch = main\n"


class Unexpected(Exception):
    """Something that was to be seen was not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, both streams together, and its exit code."""

    output: str
    code: int


class Playground:
    """A person's desk: `clone` is where they stand, `origin` stands for their Git server."""

    def __init__(self, folder: Path, example: Path) -> None:
        self.folder = folder
        self.example = example
        self.origin = folder / "origin.git"
        self.clone = folder / "clone"
        self.state = folder / "state"
        self.log = folder / "serve.log"
        self.port = free_port()
        self.address = f"127.0.0.1:{free_port()}"
        self.serving: subprocess.Popen[bytes] | None = None
        (folder / "gitconfig").write_text(GIT_CONFIGURATION, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRUEUP_", "GIT_"))}
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "TRUEUP_STATE": str(self.state),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PAGER": "cat",
        }

    def fill(self) -> None:
        """Copy the example into the clone, with a free port in place of its own."""
        shutil.copytree(self.example, self.clone, dirs_exist_ok=True)
        for file in self.clone.rglob("*.yaml"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(EXAMPLE_PORT, str(self.port)), encoding="utf-8")

    def run(self, command: str, **environment: str) -> Answer:
        """Run what a person would type, standing in the clone (or above it, while there is none)."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.clone if self.clone.exists() else self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        return Answer(done.stdout.decode(errors="replace"), done.returncode)

    def asked(self, command: str) -> dict[str, Any]:
        """The document that a command prints with `-o json`."""
        answer = self.run(f"{command} -o json 2>/dev/null")
        document: dict[str, Any] = json.loads(answer.output)
        return document

    def status(self, application: str) -> dict[str, Any]:
        """How an application stands; nothing when it is not there."""
        items: list[dict[str, Any]] = self.asked("trueup status")["items"]
        return next((item for item in items if item["application"] == application), {})

    def page(self, path: str = "/") -> str:
        """What the example's service answers; nothing when it does not."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as response:
            return str(response.read().decode())
        return ""

    def serve(self, command: str) -> None:
        """Start a command that goes on, in a session of its own; what it tells goes to `log`."""
        with self.log.open("ab") as log:
            self.serving = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.clone,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask what `serve` started to stop; its exit code must be 0."""
        if self.serving is None:
            return
        self.serving.terminate()
        try:
            code = self.serving.wait(20)
        except subprocess.TimeoutExpired:
            self.serving.kill()
            code = self.serving.wait()
        self.serving = None
        if code:
            raise Unexpected(f"serve ended with {code}; it last told:\n{self.told()}")

    def told(self, lines: int = 10) -> str:
        """The end of what serve told."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def until(self, what: str, question: Callable[[], object], within: float = 30.0) -> float:
        """Wait for something to be true; how long it took, in seconds. Raises Unexpected."""
        begun = time.monotonic()
        while not question():
            if self.serving and self.serving.poll() is not None:
                raise Unexpected(f"serve ended by itself; it last told:\n{self.told()}")
            if time.monotonic() - begun > within:
                raise Unexpected(f"{what}: not within {within:.0f} seconds; serve last told:\n{self.told()}")
            time.sleep(0.1)
        return time.monotonic() - begun


@contextmanager
def playground(example: Path) -> Iterator[Playground]:
    """A new playground. However it is left, nothing of it stays: neither a process nor a file."""
    folder = Path(tempfile.mkdtemp(prefix="trueup-"))
    desk = Playground(folder, example)
    before = {number: signal.signal(number, _interrupted) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield desk
    finally:
        for number in (signal.SIGINT, *before):
            signal.signal(number, signal.SIG_IGN)
        with suppress(Unexpected):
            desk.stop()
        end_everything(folder)
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def free_port() -> int:
    """A port of this machine on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def running(folder: Path) -> list[int]:
    """Every process that names the folder in its command, or stands in it, but this one: keepers, services, serves."""
    return [pid for pid in _processes() if pid != os.getpid() and _belongs(pid, folder)]


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _belongs(pid: int, folder: Path) -> bool:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return os.fsencode(folder) in words or Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    return False


def end_everything(folder: Path) -> None:
    """End what runs in a folder: asked first (a keeper takes its service along), killed when it does not go."""
    for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        for pid in running(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + patience
        while running(folder) and time.monotonic() < end:
            time.sleep(0.05)
