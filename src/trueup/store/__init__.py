"""The memory in SQLite: one file below the state folder, which several processes may use at a time."""

from trueup.store.lease import this_process
from trueup.store.lock import ServeLock, Serving
from trueup.store.memory import open_memory

__all__ = ["ServeLock", "Serving", "open_memory", "this_process"]
