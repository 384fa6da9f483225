"""The commands of the Kubernetes tutorial run against a real cluster and print what the page says."""

import os
import sys
from pathlib import Path

import pytest

from scripts.playground import GIT_CONFIGURATION, ROOT, end_everything
from tests.testbed import programs
from tests.testbed.kubernetes.cluster import Cluster
from tests.testbed.pages import commands_of, missing, run

TRUEUP = Path(sys.executable).parent


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_tutorial_print_what_it_says(second_cluster: Cluster, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(GIT_CONFIGURATION, encoding="utf-8")
    (home / "examples").symlink_to(ROOT / "examples")
    path = os.pathsep.join([str(TRUEUP), str(programs.kubernetes()["kubectl"].parent), os.environ.get("PATH", os.defpath)])
    environment = {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "KUBECONFIG": str(second_cluster.kubeconfig),
        "PATH": path,
    }
    commands = commands_of(ROOT / "docs" / "kubernetes-tutorial.md")
    try:
        outcomes = run(commands, home, environment)
    finally:
        end_everything(home)
    assert len(outcomes) == len(commands)
    for command, outcome in zip(commands, outcomes, strict=True):
        assert outcome.code == command.code, f"`{command.line}` ended with {outcome.code}\n{outcome.output}"
        assert not missing(command, outcome), f"`{command.line}` printed\n{outcome.output}"
