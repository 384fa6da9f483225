"""pytest fixtures: `cluster`, which all tests of a run share, and `second_cluster`, which a process has to itself."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.components import missing
from tests.testbed import golang, programs
from tests.testbed.kubernetes.cluster import Cluster
from tests.testbed.kubernetes.given import Given

FIXTURES = {"cluster", "second_cluster"}


def build_before(items: list[pytest.Item]) -> None:
    """Build what the chosen tests need now: inside a test it would run into the test's time limit."""
    if any(FIXTURES.intersection(getattr(item, "fixturenames", ())) for item in items):
        with suppress(golang.Missing):  # told by the fixture, as a skip or a failure
            programs.kubernetes()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that the tests of all processes of this run share. Take a namespace of your own, and leave the API server running."""
    if programs.KUBECONFIG:
        given = Given(Path(programs.KUBECONFIG), tmp_path_factory.mktemp("given"))
        yield given
        given.stop()
        return
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    with (folder / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shared = Cluster.join(folder / "cluster") or _started(folder / "cluster")
    yield shared
    shared.leave()


@pytest.fixture(scope="session")
def second_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Another cluster, of this process alone: its API server may be stopped and started again."""
    second = _started(tmp_path_factory.mktemp("second") / "cluster")
    yield second
    second.stop()


def _started(folder: Path) -> Cluster:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        return Cluster.start(folder)
    except golang.Missing as error:
        missing(str(error))
