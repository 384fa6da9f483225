"""A serve as a process: it follows, answers, keeps a second one out, tells a port in use, and stops when it is told."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DECLARATIONS = """apiVersion: trueup.dev/v1
kind: Target
metadata: {name: here}
spec: {runtime: memory}
---
apiVersion: trueup.dev/v1
kind: Application
metadata: {name: web}
spec: {target: here, path: web}
"""
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "web").mkdir(parents=True)
    (folder / "trueup.yaml").write_text(DECLARATIONS, encoding="utf-8")
    (folder / "web" / "x.yaml").write_text(MANIFEST, encoding="utf-8")
    for words in (["init"], ["add", "."], ["commit", "-m", "first"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder


def command(repository: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "trueup", *words, "--repo", str(repository), "--state", str(repository.parent / "state")]


@contextmanager
def serving(repository: Path, *words: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process and the address where it answers."""
    environment = {**os.environ, "TRIGGER": "t0ken", "TRUEUP_TRIGGER_TOKEN_ENV": "TRIGGER"}
    line = command(repository, "serve", "--listen", "127.0.0.1:0", "--log-format", "json", *words)
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            yield process, json.loads(process.stderr.readline())["address"]
        finally:
            process.kill()


def asked(address: str, data: bytes | None = None) -> str:
    request = urllib.request.Request(address, data, {"authorization": "Bearer t0ken"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def eventually(address: str, pattern: str) -> None:
    deadline = time.monotonic() + 90
    while not re.search(pattern, asked(address)):
        assert time.monotonic() < deadline, asked(address)
        time.sleep(0.1)


def test_it_follows_answers_and_stops(repository: Path) -> None:
    with serving(repository) as (process, address):
        assert asked(f"{address}/healthz") == "ok\n"
        eventually(f"{address}/metrics", r'trueup_applications\{health="healthy",sync="synced"\} 1.0')
        ready = json.loads(asked(f"{address}/readyz"))
        assert (ready["ready"], ready["reasons"]) == (True, [])
        assert json.loads(asked(f"{address}/api/v1/repositories/trigger", b"")) == {"woken": 1}
        second = subprocess.run(command(repository, "serve"), capture_output=True, text=True, check=False)
        assert (second.returncode, f"another serve (pid {process.pid})" in second.stderr) == (1, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0


def test_ctrl_c_stops_it(repository: Path) -> None:
    with serving(repository) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 130


def test_a_port_in_use_is_told(repository: Path) -> None:
    with serving(repository) as (_, address):
        other = [*command(repository, "serve", "--listen", address.removeprefix("http://"))[:-1], str(repository.parent / "other")]
        answer = subprocess.run(other, capture_output=True, text=True, check=False)
        assert answer.returncode == 1
        assert answer.stderr.startswith("error: cannot listen: Address already in use\n")
