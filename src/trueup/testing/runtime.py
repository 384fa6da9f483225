"""The contract of a runtime, as sentences."""

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
