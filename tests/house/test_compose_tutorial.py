"""The commands of the Docker Compose tutorial run against real engines and print what the page says."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.playground import GIT_CONFIGURATION, ROOT, end_everything
from tests.testbed.docker.engine import Engine
from tests.testbed.pages import Command, commands_of, missing, run

TRUEUP = Path(sys.executable).parent
THIS_MACHINE = "unix:///var/run/docker.sock"


@pytest.fixture
def hosts(tmp_path: Path, engine: Engine, second_engine: Engine) -> Iterator[list[Engine]]:
    """Three of them: the first is the reader's own machine, and the first of the hosts far away too."""
    third = Engine.start(tmp_path / "third")
    for host in (engine, second_engine, third):
        host.image("busybox:1.36")
    yield [engine, second_engine, third]
    third.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_tutorial_print_what_it_says(hosts: list[Engine], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(GIT_CONFIGURATION, encoding="utf-8")
    place_examples(home / "examples", hosts)
    environment = {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "DOCKER_HOST": hosts[0].url,
        "TRUEUP_TARGETS": '{compose = {engines = ["*"]}}',
        "PATH": os.pathsep.join([str(TRUEUP), os.environ.get("PATH", os.defpath)]),
    }
    commands = [here(command, hosts[0]) for command in commands_of(ROOT / "docs" / "compose-tutorial.md")]
    try:
        outcomes = run(commands, home, environment)
    finally:
        end_everything(home)
    assert len(outcomes) == len(commands)
    for command, outcome in zip(commands, outcomes, strict=True):
        assert outcome.code == command.code, f"`{command.line}` ended with {outcome.code}\n{outcome.output}"
        assert not missing(command, outcome), f"`{command.line}` printed\n{outcome.output}"


def place_examples(folder: Path, hosts: list[Engine]) -> None:
    """The examples, for the engines of this test."""
    for name in ("compose", "compose-hosts"):
        shutil.copytree(ROOT / "examples" / name, folder / name)
        file = folder / name / "trueup.yaml"
        text = re.sub(r"runtime: compose\n(?!  engine)", f"runtime: compose\n  engine: {THIS_MACHINE}\n", file.read_text(encoding="utf-8"))
        for address, host in zip(dict.fromkeys(re.findall(r"engine: (\S+)", text)), hosts, strict=False):
            text = text.replace(f"engine: {address}\n", f"engine: {host.url}\n")
        file.write_text(text, encoding="utf-8")


def here(command: Command, host: Engine) -> Command:
    """The same, with the places of this test."""
    if command.line.startswith("export TRUEUP_TARGETS"):
        return Command("true", 0)
    return Command(command.line.replace("127.0.0.1", host.address), command.code, command.shown)
