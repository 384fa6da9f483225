"""pytest fixtures: `engine` and `second_engine`, hosts that a process of tests has to itself and that are cleared after each test."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.components import missing, require
from tests.testbed import golang
from tests.testbed.docker.engine import Engine
from tests.testbed.docker.images import IMAGES
from tests.testbed.docker.newest import newest
from tests.testbed.docker.podman import Podman
from tests.testbed.docker.registry import Registry


def build_before(items: list[pytest.Item]) -> None:
    """Build what the chosen tests need now: inside a test it would run into the test's time limit."""
    if any("newest_engine" in getattr(item, "fixturenames", ()) for item in items):
        with suppress(golang.Missing):  # told by the fixture, as a skip or a failure
            newest()


@pytest.fixture(scope="session")
def lasting_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Docker host that goes on from test to test."""
    yield from _furnished(Engine.start(tmp_path_factory.mktemp("docker") / "host"))


@pytest.fixture(scope="session")
def second_lasting_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Another one."""
    yield from _furnished(Engine.start(tmp_path_factory.mktemp("docker") / "host"))


@pytest.fixture
def engine(lasting_engine: Engine) -> Iterator[Engine]:
    """A Docker host with the images of `images.IMAGES` and nothing else; ports and everything else are this test's own."""
    yield lasting_engine
    lasting_engine.clear()


@pytest.fixture
def second_engine(second_lasting_engine: Engine) -> Iterator[Engine]:
    """Another host."""
    yield second_lasting_engine
    second_lasting_engine.clear()


def _furnished(started: Engine) -> Iterator[Engine]:
    for name, (instructions, files) in IMAGES.items():
        started.image(name, *instructions, files=files)
    yield started
    started.stop()


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Iterator[Registry]:
    """A registry of images that everybody may use, as `registry.name("web:1")` from all hosts."""
    with Registry.serving(tmp_path / "registry", engine.gateway) as serving:
        yield serving


@pytest.fixture(scope="session")
def lasting_podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A host with Podman that goes on from test to test."""
    yield from _furnished(Podman.serving(tmp_path_factory.mktemp("podman") / "host"))


@pytest.fixture
def podman(lasting_podman: Engine) -> Iterator[Engine]:
    """A host with Podman's service instead of a Docker engine."""
    yield lasting_podman
    lasting_podman.clear()


@pytest.fixture(scope="session")
def lasting_newest_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A host with engine 29 that goes on from test to test. What runs in it may make every system call."""
    require("gcc", "gcc")
    try:
        path = newest()
    except golang.Missing as error:
        missing(str(error))
    # 29.0 refused older versions of the API; later ones do when they are told to.
    configuration: Any = {"seccomp-profile": "unconfined", "min-api-version": "1.44"}
    yield from _furnished(Engine.start(tmp_path_factory.mktemp("newest") / "host", path=path, **configuration))


@pytest.fixture
def newest_engine(lasting_newest_engine: Engine) -> Iterator[Engine]:
    """A host with engine 29."""
    yield lasting_newest_engine
    lasting_newest_engine.clear()
