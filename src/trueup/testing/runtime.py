"""The contract of a runtime, as sentences."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trueup.testing.ground import Ground
from trueup.testing.keeping_apart import KeepsApart
from trueup.testing.keeping_true import KeepsTrue
from trueup.testing.telling import Tells


@pytest.mark.asyncio
class RuntimeContract(KeepsTrue, KeepsApart, Tells):
    """What every runtime promises. A runtime joins by a class of its own::

    class TestSpaceship(RuntimeContract):
        ground = SpaceshipGround
    """

    ground: type[Ground]

    @pytest.fixture(autouse=True)
    def cleared(self, tmp_path: Path) -> Iterator[None]:
        """Nothing that a test started outlives it."""
        yield
        self.ground.clear(tmp_path)
