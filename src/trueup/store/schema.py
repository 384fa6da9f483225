"""The tables, as numbered steps: a step that was released is never changed, a new one is added.

A repository's identity is written once; every other row names it by number. What is searched is a column; the rest is one JSON document.
An ``id integer primary key`` numbers its rows by itself.
"""

from typing import Final

from trueup.model.errors import SettingsError
from trueup.store.database import Database, Transaction

_QUEUE = (
    "create table repository (id integer primary key, identity text not null unique, followed text)",
    # `claimed` is what `want` was when the row was claimed: it tells one claim from the next of the same owner.
    """create table queue (
        id integer primary key,
        repository integer not null references repository (id),
        application text not null,
        target text not null,
        kind text not null,
        want bigint not null,
        claimed bigint,
        due double precision not null,
        priority integer not null,
        cause text not null,
        attempts integer not null,
        owner text,
        lease_until double precision,
        unique (repository, application, target)
    )""",
    "create index queue_urgency on queue (kind, priority, due)",
    "create index queue_due on queue (kind, due)",
)

_CATALOG = (
    """create table declaration_file (
        repository integer not null references repository (id),
        path text not null,
        object_id text not null,
        primary key (repository, path)
    )""",
    """create table target (
        repository integer not null references repository (id),
        name text not null,
        body text not null,
        primary key (repository, name)
    )""",
    """create table application (
        repository integer not null references repository (id),
        name text not null,
        target text not null,
        file text not null,
        revision text not null,
        exact integer not null,
        digest text not null,
        absent integer not null,
        depends_on text not null,
        object_keys text not null,
        faults text not null,
        body text not null,
        primary key (repository, name)
    )""",
    "create index application_digest on application (digest)",
    """create table input (
        repository integer not null,
        application text not null,
        path text not null,
        kind text not null,
        object_id text not null,
        primary key (repository, application, path, kind),
        foreign key (repository, application) references application (repository, name) on delete cascade
    )""",
    "create index input_path on input (repository, path)",
    """create table object_key (
        repository integer not null,
        application text not null,
        target text not null,
        object_key text not null,
        primary key (repository, application, object_key),
        foreign key (repository, application) references application (repository, name) on delete cascade
    )""",
    "create index object_key_target on object_key (repository, target, object_key)",
    """create table dependency (
        repository integer not null,
        application text not null,
        needed text not null,
        primary key (repository, application, needed),
        foreign key (repository, application) references application (repository, name) on delete cascade
    )""",
    "create index dependency_needed on dependency (repository, needed)",
    "create table render (digest text primary key, manifests bytea not null, kept_at double precision not null)",
)

_HISTORY = (
    """create table standing (
        repository integer not null references repository (id),
        application text not null,
        target text not null,
        sync text not null,
        health text not null,
        body text not null,
        primary key (repository, application, target)
    )""",
    """create table run (
        id text primary key,
        repository integer not null references repository (id),
        application text not null,
        target text not null,
        state text not null,
        finished_at double precision,
        body text not null
    )""",
    "create index run_application on run (application, id)",
    "create index run_repository on run (repository, id)",
    "create index run_running on run (repository, application, target) where state = 'running'",
    "create table kept_plan (run text primary key references run (id) on delete cascade, body text not null)",
    """create table outcome (
        run text not null references run (id) on delete cascade,
        object_key text not null,
        verb text not null,
        place integer not null,
        body text not null,
        primary key (run, object_key, verb)
    )""",
    """create table hold (
        repository integer not null references repository (id),
        application text not null,
        target text not null,
        kind text not null,
        body text not null,
        primary key (repository, application, target, kind)
    )""",
    """create table approval (
        repository integer not null references repository (id),
        application text not null,
        target text not null,
        digest text not null,
        actor text not null,
        approved_at double precision not null,
        primary key (repository, application, target, digest)
    )""",
)

_RENDERER = ("alter table application add column renderer text not null default ''",)

# Counting how applications stand reads the index alone, and none of the documents.
_COUNTED = ("create index standing_way on standing (sync, health)",)

STEPS: Final[tuple[tuple[str, ...], ...]] = ((*_QUEUE, *_CATALOG, *_HISTORY), _RENDERER, _COUNTED)


def migrate(database: Database, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Bring the tables to the newest step, all at once or not at all; of two processes one does it and the other finds it done.

    Raises SettingsError when a newer Trueup has been here.
    """
    with database.reading() as transaction:
        if _version(transaction) == len(steps):
            return
    with database.writing() as transaction:
        transaction.change("create table if not exists schema_version (version integer not null)")
        version = _version(transaction)
        if version > len(steps):
            raise SettingsError(
                f"a newer Trueup wrote the memory: its tables have version {version}, this one knows {len(steps)}",
                hint="install that version again, or name another folder with --state",
            )
        for step in steps[version:]:
            for statement in step:
                transaction.change(statement)
        transaction.change("delete from schema_version")
        transaction.change("insert into schema_version (version) values (:version)", {"version": len(steps)})


def _version(transaction: Transaction) -> int:
    """Which step the tables are at; 0 for an empty file."""
    if not transaction.has_table("schema_version"):
        return 0
    row = transaction.one("select version from schema_version")
    return int(row[0]) if row else 0
