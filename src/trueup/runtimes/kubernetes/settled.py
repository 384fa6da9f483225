"""What needs no second look: objects that were as Git says, and have not moved since."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trueup.model.contracts import Owner
from trueup.model.manifest import Key, digest_of
from trueup.runtimes.kubernetes.comparing import seen_of
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.wanted import Wanted

_SCHEMA = """
pragma journal_mode = wal; pragma synchronous = off;
create table if not exists settled (
    repository text not null, application text not null, key text not null, desired text not null, seen text not null,
    primary key (repository, application, key)
) without rowid;
"""
_BUSY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Note:
    """The digest of the manifest with the replicas that it named, and a digest of the rules and of what was seen then."""

    desired: str
    seen: str


class Settled:
    """Remembers how each object was when it was found or made true. Each note is a fact, whoever wrote it: it never grows wrong.

    ``file`` keeps the notes over a restart. It is a convenience: what cannot be read or written there is asked of the cluster again.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._notes: dict[tuple[Owner, Key], _Note] = {}
        self._unwritten: dict[tuple[Owner, Key], _Note | None] = {}
        self._file = file
        self._database: sqlite3.Connection | None = None
        self.namespaces: set[str] = set()
        """Namespaces that are there and not ours, as far as is known: no need to ask for them in each plan."""
        with self._opened() as database:
            owners: dict[tuple[str, str], Owner] = {}
            for repository, application, key, desired, seen in database.execute("select * from settled") if database else ():
                owner = owners.setdefault((repository, application), Owner(repository, application))
                self._notes[owner, Key.parse(key)] = _Note(desired, seen)

    def holds(self, wanted: Wanted, live: LiveObject) -> bool:
        """Whether neither Git nor the object moved: then not even a dry run can say anything new."""
        note = self._notes.get((wanted.marks.owner, wanted.key))
        return note is not None and note == _note(wanted, live)

    def scales_the_same(self, wanted: Wanted) -> bool | None:
        """Whether the object was last made true to this very manifest, or to one that names the same number of replicas, so that another
        number is nothing that Git said since; None when that is not remembered."""
        note = self._notes.get((wanted.marks.owner, wanted.key))
        if note is None:
            return None
        return note.desired == _said(wanted) or (bool(wanted.replicas) and note.desired.partition(" ")[2] == wanted.replicas)

    def note(self, wanted: Wanted, live: LiveObject) -> None:
        """The object is as Git says."""
        place, note = (wanted.marks.owner, wanted.key), _note(wanted, live)
        if self._notes.get(place) != note:
            self._notes[place] = self._unwritten[place] = note

    def forget(self, owner: Owner, key: Key) -> None:
        """The object is gone, or not as it was."""
        if self._notes.pop((owner, key), None) is not None:
            self._unwritten[owner, key] = None

    def keep(self) -> None:
        """Write down what is new."""
        changes, self._unwritten = self._unwritten, {}
        if not changes:
            return
        gone = [(owner.repository, owner.application, str(key)) for (owner, key), note in changes.items() if note is None]
        new = [(owner.repository, owner.application, str(key), note.desired, note.seen) for (owner, key), note in changes.items() if note]
        with self._opened() as database:
            if database is not None:
                with database:
                    database.executemany("delete from settled where repository = ? and application = ? and key = ?", gone)
                    database.executemany("insert or replace into settled values (?, ?, ?, ?, ?)", new)

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """The file, or None where there is none or it cannot be used. It stays open: each new application has something to note."""
        try:
            self._database = self._database or self._connected()
        except (OSError, sqlite3.Error):
            self._database = None
        try:
            yield self._database
        except sqlite3.Error:
            self.close()

    def _connected(self) -> sqlite3.Connection | None:
        if self._file is None:
            return None
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Opened by who opens the target, and then used by the loop alone.
        database = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            database.executescript(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database


def _note(wanted: Wanted, live: LiveObject) -> _Note:
    rules = [rule.model_dump(mode="json") for rule in wanted.rules]
    return _Note(_said(wanted), digest_of([rules, seen_of(live, wanted.marks.owner, wanted)]))


def _said(wanted: Wanted) -> str:
    return f"{wanted.digest} {wanted.replicas}".rstrip()
