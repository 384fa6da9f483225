"""What holds for every test: it sees neither the settings nor the Git configuration of the person who runs it."""

import os
from pathlib import Path

import pytest

from tests.order import in_order
from tests.testbed.docker import fixtures as docker
from tests.testbed.docker.fixtures import (
    engine,
    lasting_engine,
    lasting_newest_engine,
    lasting_podman,
    newest_engine,
    podman,
    registry,
    second_engine,
    second_lasting_engine,
)
from tests.testbed.kubernetes import fixtures as kubernetes
from tests.testbed.kubernetes.fixtures import cluster, second_cluster

__all__ = [
    "cluster",
    "engine",
    "lasting_engine",
    "lasting_newest_engine",
    "lasting_podman",
    "newest_engine",
    "podman",
    "registry",
    "second_cluster",
    "second_engine",
    "second_lasting_engine",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several workers, what takes long begins at once."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers > 1:
        items[:] = in_order(items, workers)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What takes minutes is made before the first test's clock runs."""
    kubernetes.build_before(session.items)
    docker.build_before(session.items)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A home of its own, no `TRUEUP_*`, and Git with a person but without any configuration of the machine."""
    for name in [name for name in os.environ if name.startswith(("TRUEUP_", "GIT_", "OTEL_", "XDG_"))]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    configuration = home / ".gitconfig"
    configuration.write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n[commit]\n\tgpgSign = false\n"
        "[core]\n\tfsync = none\n[maintenance]\n\tauto = false\n",  # half of the time
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's folder."""
    return Path(__file__).parent.parent
