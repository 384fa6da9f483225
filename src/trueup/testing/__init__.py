"""The promises of runtimes and renderers as tests, for whoever writes one. Needs ``pip install trueup[testing]``.

::

    from trueup.testing import Ground, RuntimeContract

    class SpaceshipGround(Ground):
        kind = spaceship
        ...

    class TestSpaceship(RuntimeContract):
        ground = SpaceshipGround
"""

import pytest

pytest.register_assert_rewrite(*(f"trueup.testing.{name}" for name in ("keeping_apart", "keeping_true", "renderer", "telling", "walking")))

from trueup.testing.ground import OTHERS, OURS, Ground, Thing, World, as_of, gone, ignoring, opened, owner_of, under, without  # noqa: E402
from trueup.testing.renderer import RendererContract, Sample  # noqa: E402
from trueup.testing.runtime import RuntimeContract  # noqa: E402
from trueup.testing.trees import FolderTree, Overlooked  # noqa: E402
from trueup.testing.walking import carry_out, walk  # noqa: E402

__all__ = [
    "OTHERS",
    "OURS",
    "FolderTree",
    "Ground",
    "Overlooked",
    "RendererContract",
    "RuntimeContract",
    "Sample",
    "Thing",
    "World",
    "as_of",
    "carry_out",
    "gone",
    "ignoring",
    "opened",
    "owner_of",
    "under",
    "walk",
    "without",
]
