"""The engines of the test bed: real, apart from each other, and gone when nobody needs them."""

import os
import signal
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

from tests.testbed.docker.engine import ROOT, Engine, wait_until
from tests.testbed.docker.ssh import ssh_of

CERTIFICATES = {"tlscacert": "ca", "tlscert": "cert", "tlskey": "key"}
STARTER = """
import sys, time
from pathlib import Path
from tests.testbed.docker.engine import Engine
engine = Engine.start(Path(sys.argv[1]))
engine.image("test/sleep:1")
engine.docker("run", "--detach", "test/sleep:1")
print("runs", flush=True)
time.sleep(60)
"""


def test_a_container_answers_at_its_published_port(engine: Engine) -> None:
    engine.docker("run", "--detach", "--publish", "8080:80", "test/web:1")

    wait_until(lambda: _answers(engine, 8080), "no answer")
    assert engine.page(8080) == "one\n"


def test_a_container_of_podman_answers_at_its_published_port(podman: Engine) -> None:
    podman.docker("run", "--detach", "--publish", "8080:80", "test/web:1")

    wait_until(lambda: _answers(podman, 8080), "no answer")
    assert podman.page(8080) == "one\n"


def test_the_newest_engine_refuses_what_older_ones_speak(newest_engine: Engine) -> None:
    newest_engine.docker("run", "--detach", "--publish", "8080:80", "test/web:1")

    wait_until(lambda: _answers(newest_engine, 8080), "no answer")
    assert newest_engine.get("/version")["Version"].startswith("29.")
    assert newest_engine.request("GET", "/v1.41/containers/json")[0] == 400


def test_two_engines_share_nothing(engine: Engine, second_engine: Engine) -> None:
    for each in (engine, second_engine):
        each.docker("run", "--detach", "--name", "web", "--publish", "8080:80", "test/web:1")
    engine.docker("rm", "--force", "web")

    assert [container["Name"] for container in second_engine.containers()] == ["/web"]
    assert engine.containers() == []


def test_an_engine_is_reached_over_ssh_and_by_certificate(engine: Engine, tmp_path: Path) -> None:
    with ssh_of(engine, tmp_path / "ssh") as ssh:
        assert _version("--host", ssh.url, path=f"{ssh.programs}:{os.environ['PATH']}").startswith("20.10")

    certificates = [f"--{option}={engine.folder}/tls/{name}.pem" for option, name in CERTIFICATES.items()]
    assert _version("--host", engine.tls_url, "--tlsverify", *certificates).startswith("20.10")
    with pytest.raises(subprocess.CalledProcessError):
        _version("--host", engine.tls_url, "--tls")


def test_a_full_disk_refuses_and_a_free_one_goes_on(tmp_path: Path) -> None:
    small = Engine.start(tmp_path / "host", disk=64)
    small.image("test/sleep:1")

    with small.full(), pytest.raises(subprocess.CalledProcessError, match="125"):
        small.docker("run", "--detach", "--name", "late", "test/sleep:1")
    small.docker("run", "--detach", "--name", "early", "test/sleep:1")
    small.stop()


def test_a_killed_test_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    process = subprocess.Popen([sys.executable, "-c", STARTER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "runs\n"
    assert _processes(folder)

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    wait_until(lambda: not _processes(folder), "something still runs")
    assert not (folder / "data").exists()


def _version(*options: str, path: str = os.environ["PATH"]) -> str:
    command = ["docker", *options, "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True).stdout


def _answers(engine: Engine, port: int) -> bool:
    try:
        return bool(engine.page(port))
    except (OSError, urllib.error.URLError):
        return False


def _processes(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if str(folder) in line]
