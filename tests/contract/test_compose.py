"""The Compose runtime keeps the promises of a runtime, on a real engine."""

import pytest

from tests.contract.compose_ground import ComposeGround
from tests.testbed.docker.engine import Engine
from trueup.testing import RuntimeContract


class TestCompose(RuntimeContract):
    """Joined by one line, and an engine."""

    ground = ComposeGround

    @pytest.fixture(autouse=True)
    def on_an_engine(self, engine: Engine) -> None:
        """One that is empty."""
        ComposeGround.engine = engine
