"""What a memory target holds: one SQLite file of objects, owners, and what moved.

Everything is in the file and nothing beside it, so two processes that open the same target see the same world, and what one of them
wrote outlives its death. A write takes one short transaction of a few rows, whatever the size of the world.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from trueup.model.application import Policy
from trueup.model.contracts import Moved, Owned, Owner, Touch
from trueup.model.errors import Unreachable
from trueup.model.manifest import Body, Key, digest_of
from trueup.model.secret import MASK, Secret

_KEPT_MOVES = 1000
_BUSY_SECONDS = 5.0

# A write of ours raises `stamp`; one by any other hand does not, and that is how the file itself tells them apart.
_SCHEMA = f"""
create table if not exists object (
    key text primary key, repository text not null default '', application text not null default '', entry blob not null,
    ready_at real not null default 0, stamp integer not null default 1, manager text not null default ''
) without rowid;
create index if not exists object_by_owner on object (repository, application);
create index if not exists object_by_ready on object (ready_at) where ready_at > 0;
create table if not exists owner (
    repository text not null, application text not null, revision text not null, policy text not null, primary key (repository, application)
) without rowid;
create table if not exists moved (
    number integer primary key autoincrement, key text not null, repository text not null, application text not null, manager text not null
);
create trigger if not exists edited after update of entry on object when new.stamp = old.stamp and old.repository <> '' begin
    insert into moved (key, repository, application, manager) values (old.key, old.repository, old.application, new.manager);
    delete from moved where number <= last_insert_rowid() - {_KEPT_MOVES};
end;
create trigger if not exists removed after delete on object when old.stamp <> 0 and old.repository <> '' begin
    insert into moved (key, repository, application, manager) values (old.key, old.repository, old.application, '');
    delete from moved where number <= last_insert_rowid() - {_KEPT_MOVES};
end;
"""

_COLUMNS = "key, repository, application, entry"


class Entry(msgspec.Struct, frozen=True):
    """What the target knows of an object beside its key and owner.

    ``uid`` is its identity: a new one means that it was made anew. ``generation`` counts our writes. ``revision`` is that of the last one.
    ``ready_at`` is in seconds since the epoch, 0 for at once. ``written`` counts all lines ever, of which ``lines`` are the last.
    """

    uid: str
    body: Body
    generation: int = 1
    revision: str = ""
    sources: dict[str, str] = {}
    ready_at: float = 0.0
    written: int = 0
    lines: tuple[str, ...] = ()
    touches: tuple[Touch, ...] = ()

    @property
    def version(self) -> str:
        """Names what we wrote last."""
        return f"{self.uid}.{self.generation}"

    @property
    def content(self) -> str:
        """A digest of what a manifest says of it."""
        return content_of(self.body, self.sources)


class Record(msgspec.Struct, frozen=True):
    """An object at the target; ``owner`` is None when it is nobody's."""

    key: Key
    owner: Owner | None
    entry: Entry


def content_of(body: Body, sources: dict[str, str]) -> str:
    """A digest of what a manifest says: its body, and the content that it takes along."""
    return digest_of([body, sources])


class World:
    """The file of one target. Every method raises Unreachable when the file cannot be had."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made by hand, so that nobody else can read it: SQLite would go by the umask.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connect()
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: what was read in it is still so when it is written."""
        with self._reached() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def find(self, keys: Iterable[Key]) -> dict[Key, Record]:
        """The objects of these keys that are there."""
        found: dict[Key, Record] = {}
        names = [str(key) for key in keys]
        with self._reached() as connection:
            for start in range(0, len(names), 500):
                part = names[start : start + 500]
                marks = ",".join("?" * len(part))
                rows = connection.execute(f"select {_COLUMNS} from object where key in ({marks})", part)
                found.update((record.key, record) for record in map(_record, rows))
        return found

    def belongings(self, owner: Owner) -> list[Record]:
        """The objects of an application, by key."""
        select = f"select {_COLUMNS} from object where repository = ? and application = ? order by key"
        with self._reached() as connection:
            return [_record(row) for row in connection.execute(select, (owner.repository, owner.application))]

    def owned(self) -> list[Owned]:
        """What carries our mark, by repository and application."""
        select = """select owner.repository, owner.application, owner.revision, policy, key from owner
            left join object on object.repository = owner.repository and object.application = owner.application
            order by owner.repository, owner.application, key"""
        policies: dict[str, Policy] = {}
        keys: dict[tuple[str, str, str, str], list[Key]] = {}
        with self._reached() as connection:
            for *mark, key in connection.execute(select):
                keys.setdefault(tuple(mark), []).extend([Key.parse(key)] if key else [])
        for _, _, _, text in keys:
            policies[text] = policies.get(text) or Policy.model_validate_json(text)
        return [Owned(Owner(mark[0], mark[1]), mark[2], tuple(owned), policies[mark[3]]) for mark, owned in keys.items()]

    def put(self, record: Record) -> None:
        """Write an object as ours, or as nobody's. Inside ``writing``."""
        repository, application = (record.owner.repository, record.owner.application) if record.owner else ("", "")
        self._connection.execute(
            """insert into object (key, repository, application, entry, ready_at, manager) values (?, ?, ?, ?, ?, 'trueup')
            on conflict (key) do update set repository = excluded.repository, application = excluded.application,
            entry = excluded.entry, ready_at = excluded.ready_at, manager = 'trueup', stamp = stamp + 1""",
            (str(record.key), repository, application, _encoded(record.entry), record.entry.ready_at),
        )

    def erase(self, key: Key) -> None:
        """Delete an object, as Trueup does it. Inside ``writing``."""
        self._connection.execute("update object set stamp = 0 where key = ?", (str(key),))
        self._connection.execute("delete from object where key = ?", (str(key),))

    def mark(self, owner: Owner, revision: str, policy: Policy) -> None:
        """Remember the application's revision and policy."""
        text = policy.model_dump_json(by_alias=True, exclude_defaults=True)
        with self.writing() as connection:
            connection.execute(
                """insert into owner (repository, application, revision, policy) values (?, ?, ?, ?)
                on conflict (repository, application) do update set revision = excluded.revision, policy = excluded.policy
                where revision <> excluded.revision or policy <> excluded.policy""",
                (owner.repository, owner.application, revision, text),
            )

    def forget(self, owner: Owner) -> None:
        """Take the application's mark off the target, unless something of it is still there."""
        with self.writing() as connection:
            connection.execute(
                """delete from owner where repository = :repository and application = :application
                and not exists (select 1 from object where repository = :repository and application = :application)""",
                {"repository": owner.repository, "application": owner.application},
            )

    def tamper(self, key: Key, body: Body | None, manager: str, touch: Touch | None) -> None:
        """Change an object by another hand than ours; None deletes it. What was not there becomes an object of nobody."""
        with self.writing() as connection:
            if body is None:
                connection.execute("delete from object where key = ?", (str(key),))
                return
            row = connection.execute(f"select {_COLUMNS} from object where key = ?", (str(key),)).fetchone()
            entry = _record(row).entry if row else Entry(os.urandom(6).hex(), body)
            entry = msgspec.structs.replace(entry, body=concealed(body), touches=(*entry.touches, *([touch] if touch else [])))
            connection.execute(
                """insert into object (key, entry, manager) values (?, ?, ?)
                on conflict (key) do update set entry = excluded.entry, manager = excluded.manager""",
                (str(key), _encoded(entry), manager),
            )

    def last_move(self) -> int:
        """The number of the last move; 0 when nothing ever moved."""
        with self._reached() as connection:
            row = connection.execute("select seq from sqlite_sequence where name = 'moved'").fetchone()
            return int(row[0]) if row else 0

    def moves(self, since: int) -> list[tuple[int, Moved]]:
        """What moved after that number, oldest first. Only the last thousand are kept: a gap in the numbers tells."""
        with self._reached() as connection:
            select = "select number, key, repository, application, manager from moved where number > ? order by number"
            rows = connection.execute(select, (since,)).fetchall()
            return [(row[0], Moved(Owner(row[2], row[3]), Key.parse(row[1]), row[4])) for row in rows]

    def ready_between(self, start: float, end: float) -> list[Moved]:
        """The objects that became ready after ``start``, until ``end``."""
        select = "select key, repository, application from object where ready_at > 0 and ready_at > ? and ready_at <= ?"
        with self._reached() as connection:
            return [Moved(Owner(row[1], row[2]), Key.parse(row[0])) for row in connection.execute(select, (start, end)) if row[1]]

    def _connect(self) -> None:
        self._connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection.executescript("pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -2000")
        self._identity = _identity(self.path)

    @contextlib.contextmanager
    def _reached(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            # An open file outlives its name: a world that was moved away must not be written to behind everybody's back.
            if _identity(self.path) != self._identity:
                self._connection.close()
                self._connect()
            yield self._connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Unreachable(
                f"target {self._name} does not answer: {error}", where=str(self.path), hint="look whether its file can be read and written"
            ) from error


def secret_fields(body: Body) -> list[tuple[str, ...]]:
    """The fields of an object that hold secrets: every value of a Secret. Data in a shape that it should not have is one as a whole."""
    if body.get("kind") != "Secret" or body.get("apiVersion") != "v1":
        return []
    parts = [(part, body.get(part)) for part in ("data", "stringData")]
    shaped = [(part, str(name)) for part, values in parts if isinstance(values, dict) for name in values]
    return shaped + [(part,) for part, values in parts if values is not None and not isinstance(values, dict)]


def concealed(body: Body) -> Body:
    """The object with every value of a Secret as one that never shows, whoever wrote it."""
    hidden = dict(body)
    for part, *names in secret_fields(body):
        value = body[part][names[0]] if names else body[part]
        if not isinstance(value, Secret):
            secret = Secret(str(value), f"value {digest_of(value)}")
            hidden[part] = {**hidden[part], names[0]: secret} if names else secret
    return hidden


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _record(row: tuple[str, str, str, bytes]) -> Record:
    entry = msgspec.json.decode(row[3], type=Entry, dec_hook=_from_file)
    body = concealed(_revived(entry.body) if MASK.encode() in row[3] else entry.body)
    owner = Owner(row[1], row[2]) if row[1] else None
    return Record(Key.parse(row[0]), owner, msgspec.structs.replace(entry, body=body))


# The file holds which secret it is, never the secret: nothing here runs that could need it.
def _encoded(entry: Entry) -> bytes:
    return msgspec.json.encode(entry, enc_hook=_to_file)


def _to_file(value: object) -> object:
    if isinstance(value, Secret):
        return {MASK: value.identity}
    raise NotImplementedError(f"a memory target cannot hold a {type(value).__name__}")


def _from_file(kind: type, value: object) -> object:
    raise NotImplementedError(f"{kind.__name__} is not read from a memory target")


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        return Secret(MASK, value[MASK]) if value.keys() == {MASK} else {name: _revived(each) for name, each in value.items()}
    return [_revived(each) for each in value] if isinstance(value, list) else value
