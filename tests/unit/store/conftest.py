"""A memory in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trueup.model.memory import Memory
from trueup.store import open_memory


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder; it is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def memory(state: Path) -> Iterator[Memory]:
    """An empty memory in the state folder."""
    opened = open_memory(state)
    yield opened
    opened.close()
