"""The memory runtime keeps the promises of a runtime."""

from tests.contract.memory_ground import MemoryGround
from trueup.testing import RuntimeContract


class TestMemory(RuntimeContract):
    """Joined by one line."""

    ground = MemoryGround
