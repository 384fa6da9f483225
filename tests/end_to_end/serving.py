"""What a test asks of a ``trueup serve`` that runs: its addresses over HTTP, its log, and what it remembers."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing
from tests.end_to_end.nest import Forked
from trueup.model.memory import Memory
from trueup.model.run import Run
from trueup.store import ServeLock, open_memory

TRIGGER = "/api/v1/repositories/trigger"
SELDOM = ("--poll", "1h")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: str

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def shop(*names: str, **specification: Any) -> dict[str, str | bytes | None]:
    """A repository of applications with one thing each."""
    files: dict[str, str | bytes | None] = {"trueup.yaml": documents(target(**specification))}
    for name in names:
        files[f"{name}/trueup.yaml"] = documents({**application(name, path="."), "kind": "Application"})
        files[f"{name}/thing.yaml"] = documents(thing(name, size=1))
    return files


def asked(estate: Estate, path: str, token: str = "", body: bytes | None = None) -> Answer:
    """Ask the serve of this estate; a body makes it a POST."""
    serving = ServeLock.find(estate.state)
    assert serving
    request = urllib.request.Request(f"http://{serving.listen}{path}", body, {"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode())


async def answers(estate: Estate) -> None:
    """Wait until the serve of this estate listens."""

    def listens() -> bool:
        serving = ServeLock.find(estate.state)
        with contextlib.suppress(OSError):
            return bool(serving and serving.listen and asked(estate, "/healthz").status == 200)
        return False

    await eventually(listens)


@contextlib.contextmanager
def remembering(estate: Estate) -> Iterator[Memory]:
    """The memory of this estate, beside whoever else has it open."""
    memory = open_memory(estate.state)
    try:
        yield memory
    finally:
        memory.close()


def runs(estate: Estate, name: str = "") -> list[Run]:
    """Every run that is remembered, newest first."""
    with remembering(estate) as memory:
        return memory.runs(estate.repository.identity, name, "", 1000)


def log_of(estate: Estate) -> str:
    """What serve wrote."""
    file = estate.folder / "serve.log"
    return file.read_text() if file.exists() else ""


def lines_of(estate: Estate) -> list[dict[str, Any]]:
    """What serve wrote as JSON."""
    whole = log_of(estate).rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def generation(estate: Estate, name: str) -> int:
    """How often a thing was written."""
    return estate.world().objects()[f"Thing/{name}"].entry.generation


def children_of(process: Forked) -> list[int]:
    """The processes that it started, and theirs, that are alive."""
    found, parents = [], {process.pid}
    stats = [(int(place.name), _stat(place)) for place in Path("/proc").iterdir() if place.name.isdecimal()]
    for _ in range(4):
        for pid, stat in stats:
            if stat and int(stat[1]) in parents and pid not in parents and stat[0] != "Z":
                parents.add(pid)
                found.append(pid)
    return found


def _stat(place: Path) -> list[str]:
    try:
        return (place / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def processor_seconds(pid: int) -> float:
    """What a process has used."""
    fields = _stat(Path("/proc", str(pid)))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving_several(estate: Estate, settings: str, program: str = "trueup") -> "Iterator[subprocess.Popen[str]]":
    """A serve of every repository in these settings (TOML), on the state folder of this estate; its log is in ``serve.log``."""
    file = estate.folder / "trueup.toml"
    file.write_text(f'state = "{estate.state}"\nlisten = "127.0.0.1:0"\n{settings}')
    with (estate.folder / "serve.log").open("a") as log:
        command = [sys.executable, "-m", program, "serve", "--config", str(file)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
