"""The same promises on the newest engine, which refuses what 20.10 speaks."""

import pytest

from tests.contract.compose_ground import ComposeGround
from tests.testbed.docker.engine import Engine
from trueup.testing import RuntimeContract


class TestNewest(RuntimeContract):
    """Engine 29."""

    ground = ComposeGround

    @pytest.fixture(autouse=True)
    def on_an_engine(self, newest_engine: Engine) -> None:
        """One that is empty."""
        ComposeGround.engine = newest_engine
