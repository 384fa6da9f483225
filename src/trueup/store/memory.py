"""Queue, catalog and history put together."""

from pathlib import Path
from typing import Final

from trueup.model.memory import Memory
from trueup.store.catalog import StoredCatalog
from trueup.store.database import Database
from trueup.store.folder import private_folder
from trueup.store.history import StoredHistory
from trueup.store.queue import StoredQueue
from trueup.store.schema import migrate

FILE: Final = "memory.db"


class StoredMemory(StoredQueue, StoredCatalog, StoredHistory):
    """``trueup.model.memory.Memory`` in one file. Threads may share it: they wait for each other."""

    def __init__(self, database: Database) -> None:
        StoredCatalog.__init__(self, database)

    def close(self) -> None:
        self._database.close()


def open_memory(folder: Path) -> Memory:
    """The memory below this state folder, made or brought up to date if need be.

    Raises SettingsError when it cannot be read or written, is damaged or was written by a newer Trueup; Unreachable when another process
    keeps it for itself.
    """
    database = Database(private_folder(folder) / FILE)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return StoredMemory(database)
