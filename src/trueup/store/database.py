"""One SQLite file -> transactions. Whatever only SQLite understands is in this file; the statements elsewhere are PostgreSQL's too.

One connection, one lock: threads wait for each other's transactions, which are short. Processes wait for each other's writes up to
``BUSY_SECONDS``; readers wait for nobody (write-ahead log).
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trueup.model.errors import SettingsError, TrueupError, Unreachable, Unwritable
from trueup.store.folder import open_private

BUSY_SECONDS = 10.0
CHUNK = 500
"""How many values one statement names at most."""

# What a statement takes for one named parameter.
Value = str | int | float | bytes | None

_OLDEST = (3, 35, 0)  # the first with `returning`
_PRAGMAS = (
    f"pragma busy_timeout = {int(BUSY_SECONDS * 1000)}",
    "pragma synchronous = normal",  # what the last moments before a power cut wrote may be lost, the file stays whole
    "pragma foreign_keys = on",
    "pragma temp_store = memory",
    "pragma cache_size = -8000",
    "pragma journal_size_limit = 33554432",
)


class Transaction:
    """What can be done between beginning and commit. Parameters are named ``:name`` in the statements."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._repositories: dict[str, int] = {}

    def all(self, statement: str, parameters: Mapping[str, Value] | None = None) -> list[Any]:
        """Every row."""
        return self._connection.execute(statement, parameters or {}).fetchall()

    def one(self, statement: str, parameters: Mapping[str, Value] | None = None) -> Any:
        """The first row, or None."""
        return self._connection.execute(statement, parameters or {}).fetchone()

    def change(self, statement: str, parameters: Mapping[str, Value] | None = None) -> int:
        """Run a statement that writes. How many rows it changed."""
        return self._connection.execute(statement, parameters or {}).rowcount

    def change_each(self, statement: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Run it once for each row of parameters, which are taken as they come."""
        self._connection.executemany(statement, rows)

    def all_among(self, statement: str, values: Sequence[str], parameters: Mapping[str, Value]) -> Iterator[Any]:
        """Every row, where ``{values}`` in the statement stands for the list of values; many values take several statements."""
        for start in range(0, len(values), CHUNK):
            chunk = values[start : start + CHUNK]
            named = {f"v{place}": value for place, value in enumerate(chunk)}
            yield from self._connection.execute(statement.format(values=", ".join(f":{name}" for name in named)), {**parameters, **named})

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""
        return self.one("select 1 from sqlite_master where type = 'table' and name = :name", {"name": name}) is not None

    def repository(self, identity: str) -> int | None:
        """The number by which rows name this repository, when one does."""
        if identity not in self._repositories:
            row = self.one("select id from repository where identity = :identity", {"identity": identity})
            if row is None:
                return None
            self._repositories[identity] = row[0]
        return self._repositories[identity]

    def enter_repository(self, identity: str) -> int:
        """The same, and it is given a number if need be."""
        number = self.repository(identity)
        if number is not None:
            return number
        self.change("insert into repository (identity) values (:identity) on conflict (identity) do nothing", {"identity": identity})
        return self.enter_repository(identity)


class Database:
    """An open file. Raises SettingsError when it cannot be used (Unwritable: its disk is full); Unreachable when another process keeps it
    too long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._lock = threading.Lock()
        with _told(path):
            self._connection = _connect(path)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Look at one moment."""
        with self._transaction("begin") as transaction:
            yield transaction

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Change all of it or nothing."""
        with self._transaction("begin immediate") as transaction:
            yield transaction

    def moved(self) -> int:
        """A number that changes when another process has written; writes of this one do not change it."""
        with self._lock, _told(self._path):
            return int(self._connection.execute("pragma data_version").fetchone()[0])

    def written_at(self) -> float:
        """When somebody, this process included, wrote last, in seconds since the epoch. Asks the file system alone and waits for nobody."""
        try:
            return self._log.stat().st_mtime
        except OSError:
            return 0.0

    def close(self) -> None:
        """Let go of the file. Doing it twice is doing it once."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        with self._lock, _told(self._path):
            self._connection.execute(begin)
            try:
                yield Transaction(self._connection)
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    with suppress(sqlite3.Error):
                        self._connection.execute("rollback")
                raise


def _connect(path: Path) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise SettingsError(f"SQLite {sqlite3.sqlite_version} is too old", hint="use a Python whose SQLite is 3.35 or newer")
    os.close(open_private(path))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        _patiently(lambda: _keep_log(connection, path))
    except BaseException:
        connection.close()
        raise
    return connection


def _keep_log(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("pragma journal_mode = wal").fetchone()[0]
    if mode != "wal":
        raise SettingsError(
            "this file system cannot share the memory's log",
            where=str(path),
            hint="name a folder on a local disk, with --state or TRUEUP_STATE",
        )


def _patiently(action: Callable[[], None]) -> None:
    """Do it again while the file is busy: the change to the write-ahead log does not wait by itself when two processes make it at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if _code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors in our words. Faults of our own statements stay what they are."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        told = _error(_code(error), str(error), path)
        if told is None:
            raise
        raise told from error


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the number says which kind of it


def _error(code: int, text: str, path: Path) -> TrueupError | None:
    where = str(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return Unreachable(
            f"another process has kept the memory for {BUSY_SECONDS:.0f} seconds",
            where=where,
            hint="look which trueup process hangs, and end it",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return SettingsError(
            f"the memory is damaged: {text}",
            where=where,
            hint=f"stop every trueup and delete {path.name}, {path.name}-wal and {path.name}-shm there: "
            "history, approvals and holds are lost, what runs and who owns it is not",
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return Unwritable(
            f"the memory cannot be written: {text}",
            where=where,
            hint="make room on that disk; what was written before is whole, and trueup goes on from there",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return SettingsError(
            f"the memory cannot be opened: {text}",
            where=where,
            hint="give the folder and the files in it to the user that runs trueup, or name another folder with --state",
        )
    return None
