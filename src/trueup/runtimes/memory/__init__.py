"""The memory runtime: a target that remembers objects of any kind in one file, and runs nothing.

It is no mock: it keeps every promise of a runtime, so that the walk can be tried, tested and measured where nothing else is at hand.
"""

from trueup.runtimes.memory.kind import Memory, memory

__all__ = ["Memory", "memory"]
