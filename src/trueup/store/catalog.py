"""The catalog: what Git says, as of the head of each repository."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from trueup.model.application import Application, Target
from trueup.model.errors import Fault
from trueup.model.manifest import ANY_NAMESPACE, Key
from trueup.model.memory import Address, Advance, Declared, Followed, Input, Outline
from trueup.store.body import read, write
from trueup.store.database import Database, Transaction, Value
from trueup.store.queue import wake_rows
from trueup.store.standing import copy_standings

RENDER_SECONDS: Final = 86400.0
"""How long a render is kept that no application refers to."""

_PRUNE_EVERY = 1000
_NOTHING = "[]"

_APPLICATION_ROW = """
    insert into application
        (repository, name, target, file, revision, exact, digest, renderer, absent, depends_on, object_keys, faults, body)
    values (:repository, :name, :target, :file, :revision, :exact, :digest, :renderer, :absent, :depends_on, :object_keys, :faults, :body)
    on conflict (repository, name) do update set
        target = excluded.target, file = excluded.file, revision = excluded.revision, exact = excluded.exact, digest = excluded.digest,
        absent = excluded.absent, depends_on = excluded.depends_on, object_keys = excluded.object_keys, faults = excluded.faults,
        renderer = excluded.renderer, body = excluded.body
"""
_DECLARED = "select revision, exact, digest, renderer, absent, object_keys, faults, body from application"
_OF_APPLICATION = ("input", "object_key", "dependency")
_OF_REPOSITORY = ("application", "target", "declaration_file")


class StoredCatalog:
    """``trueup.model.memory.Catalog`` in tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered = 0

    def follow(self, followed: Followed) -> None:
        with self._database.writing() as transaction:
            _follow(transaction, followed)

    def followed(self, repository: str) -> Followed | None:
        with self._database.reading() as transaction:
            return read_followed(transaction, repository)

    def repositories(self) -> list[Followed]:
        with self._database.reading() as transaction:
            rows = transaction.all("select followed from repository where followed is not null order by identity")
        return [read(body, Followed) for (body,) in rows]

    def advance(self, step: Advance) -> None:
        with self._database.writing() as transaction:
            repository = _follow(transaction, step.followed)
            if step.replace:
                for table in _OF_REPOSITORY:
                    transaction.change(f"delete from {table} where repository = :repository", {"repository": repository})
            _write_files(transaction, repository, step.files)
            _forget(transaction, repository, "application", step.removed)
            _write_applications(transaction, repository, step)
            _write_revisions(transaction, repository, step.revisions)
            _forget(transaction, repository, "target", step.removed_targets)
            _write_targets(transaction, repository, step.targets)
            copied = [each for name, former in step.repointed.items() for each in copy_standings(transaction, repository, name, former)]
            wake_rows(transaction, [*step.wake, *copied], step.trigger)

    def files(self, repository: str) -> dict[str, str]:
        with self._database.reading() as transaction:
            statement = "select path, object_id from declaration_file where repository = :repository order by path"
            return dict(transaction.all(statement, {"repository": transaction.repository(repository)}))

    def touched(self, repository: str, paths: Sequence[str]) -> list[tuple[str, Input]]:
        statement = "select application, kind, path, object_id from input where repository = :repository and path in ({values})"
        with self._database.reading() as transaction:
            rows = transaction.all_among(statement, list(dict.fromkeys(paths)), {"repository": transaction.repository(repository)})
            return [(application, Input(kind, path, object_id)) for application, kind, path, object_id in rows]

    def inputs(self, repository: str, application: str) -> tuple[Input, ...]:
        statement = (
            "select kind, path, object_id from input where repository = :repository and application = :application order by path, kind"
        )
        with self._database.reading() as transaction:
            asked: dict[str, Value] = {"repository": transaction.repository(repository), "application": application}
            return tuple(Input(*row) for row in transaction.all(statement, asked))

    def declared(self, repository: str, application: str) -> Declared | None:
        with self._database.reading() as transaction:
            return read_declared(transaction, transaction.repository(repository), application)

    def applications(self, repository: str, names: Sequence[str] | None = None, after: str = "", limit: int = 0) -> list[Declared]:
        with self._database.reading() as transaction:
            asked: dict[str, Value] = {"repository": transaction.repository(repository)}
            if names is None:
                page = f"{_DECLARED} where repository = :repository and name > :after order by name" + (" limit :limit" if limit else "")
                rows = transaction.all(page, {**asked, "after": after, "limit": limit} if limit else {**asked, "after": after})
            else:
                rows = _by_name(transaction, asked, sorted(name for name in set(names) if name > after), limit)
        return [_declared(row) for row in rows]

    def outlines(self, repository: str) -> list[Outline]:
        statement = "select name, file, target, depends_on, absent, faults from application where repository = :repository order by name"
        with self._database.reading() as transaction:
            rows = transaction.all(statement, {"repository": transaction.repository(repository)})
        return [
            Outline(name, file, target, () if needed == _NOTHING else read(needed, tuple[str, ...]), bool(absent), faults != _NOTHING)
            for name, file, target, needed, absent, faults in rows
        ]

    def dependents(self, repository: str, application: str) -> list[Address]:
        statement = """
            select application.name, application.target from dependency
            join application on application.repository = dependency.repository and application.name = dependency.application
            where dependency.repository = :repository and dependency.needed = :needed order by application.name
        """
        with self._database.reading() as transaction:
            rows = transaction.all(statement, {"repository": transaction.repository(repository), "needed": application})
        return [Address(repository, name, target) for name, target in rows]

    def target(self, repository: str, name: str) -> Target | None:
        with self._database.reading() as transaction:
            return read_target(transaction, transaction.repository(repository), name)

    def targets(self, repository: str) -> list[Target]:
        statement = "select body from target where repository = :repository order by name"
        with self._database.reading() as transaction:
            rows = transaction.all(statement, {"repository": transaction.repository(repository)})
        return [read(body, Target) for (body,) in rows]

    def declaring(self, repository: str, target: str, keys: Sequence[Key]) -> dict[Key, tuple[str, ...]]:
        statement = """
            select object_key, application from object_key
            where repository = :repository and target = :target and object_key in ({values}) order by application
        """
        names: dict[str, list[str]] = {}
        with self._database.reading() as transaction:
            asked: dict[str, Value] = {"repository": transaction.repository(repository), "target": target}
            exact = [str(key) for key in dict.fromkeys(keys) if key.namespace != ANY_NAMESPACE]
            for key, application in transaction.all_among(statement, exact, asked):
                names.setdefault(key, []).append(application)
            for any_of in {key for key in keys if key.namespace == ANY_NAMESPACE}:
                # Between `Kind.group/` and what sorts next: the names of one kind.
                kind = str(any_of).partition("/")[0]
                between = "repository = :repository and target = :target and object_key > :low and object_key < :high"
                asked_for = {**asked, "low": f"{kind}/", "high": f"{kind}0"}
                rows = transaction.all(f"select object_key, application from object_key where {between} order by application", asked_for)
                among = [application for key, application in rows if _is_in_a_namespace(Key.parse(key), any_of)]
                if among:
                    names[str(any_of)] = list(dict.fromkeys(among))
        return {Key.parse(key): tuple(applications) for key, applications in names.items()}

    def rendered(self, digest: str) -> bytes | None:
        with self._database.reading() as transaction:
            row = transaction.one("select manifests from render where digest = :digest", {"digest": digest})
        return row[0] if row else None

    def remember_render(self, digest: str, manifests: bytes) -> None:
        now = time.time()
        with self._database.writing() as transaction:
            transaction.change(
                "insert into render (digest, manifests, kept_at) values (:digest, :manifests, :now)"
                " on conflict (digest) do update set manifests = excluded.manifests, kept_at = excluded.kept_at",
                {"digest": digest, "manifests": manifests, "now": now},
            )
            self._remembered += 1
            if self._remembered % _PRUNE_EVERY == 0:
                drop_renders(transaction, now)


def _is_in_a_namespace(key: Key, any_of: Key) -> bool:
    return bool(key.namespace) and (key.kind, key.group, key.name) == (any_of.kind, any_of.group, any_of.name)


def read_followed(transaction: Transaction, repository: str) -> Followed | None:
    """The repository's row."""
    row = transaction.one("select followed from repository where identity = :identity", {"identity": repository})
    return read(row[0], Followed) if row and row[0] else None


def read_target(transaction: Transaction, repository: int | None, name: str) -> Target | None:
    """A target's declaration, as part of a larger look."""
    statement = "select body from target where repository = :repository and name = :name"
    row = transaction.one(statement, {"repository": repository, "name": name})
    return read(row[0], Target) if row else None


def read_declared(transaction: Transaction, repository: int | None, application: str) -> Declared | None:
    """One application."""
    row = transaction.one(f"{_DECLARED} where repository = :repository and name = :name", {"repository": repository, "name": application})
    return _declared(row) if row else None


def drop_renders(transaction: Transaction, now: float) -> None:
    """Forget old renders that no application refers to."""
    transaction.change(
        "delete from render where kept_at < :before and not exists (select 1 from application where application.digest = render.digest)",
        {"before": now - RENDER_SECONDS},
    )


def _by_name(transaction: Transaction, asked: dict[str, Value], names: list[str], limit: int) -> list[tuple[Any, ...]]:
    """Rows of these names, which are sorted: so are the chunks in which they are asked for."""
    rows: list[tuple[Any, ...]] = []
    for row in transaction.all_among(f"{_DECLARED} where repository = :repository and name in ({{values}}) order by name", names, asked):
        rows.append(row)
        if len(rows) == limit:
            break
    return rows


def _declared(row: tuple[Any, ...]) -> Declared:
    revision, exact, digest, renderer, absent, keys, faults, body = row
    return Declared(
        application=read(body, Application),
        revision=revision,
        exact=bool(exact),
        digest=digest,
        renderer=renderer,
        keys=() if keys == _NOTHING else tuple(map(Key.parse, msgspec.json.decode(keys))),
        faults=() if faults == _NOTHING else read(faults, tuple[Fault, ...]),
        absent=bool(absent),
    )


def _follow(transaction: Transaction, followed: Followed) -> int:
    repository = transaction.enter_repository(followed.repository.identity)
    transaction.change("update repository set followed = :followed where id = :id", {"followed": write(followed), "id": repository})
    return repository


def _write_files(transaction: Transaction, repository: int, files: dict[str, str | None]) -> None:
    transaction.change_each(
        "delete from declaration_file where repository = :repository and path = :path",
        ({"repository": repository, "path": path} for path, object_id in files.items() if object_id is None),
    )
    transaction.change_each(
        "insert into declaration_file (repository, path, object_id) values (:repository, :path, :object_id)"
        " on conflict (repository, path) do update set object_id = excluded.object_id",
        ({"repository": repository, "path": path, "object_id": object_id} for path, object_id in files.items() if object_id is not None),
    )


def _forget(transaction: Transaction, repository: int, table: str, names: list[str]) -> None:
    """What hangs on an application goes with it."""
    statement = f"delete from {table} where repository = :repository and name = :name"
    transaction.change_each(statement, ({"repository": repository, "name": name} for name in names))


def _write_applications(transaction: Transaction, repository: int, step: Advance) -> None:
    transaction.change_each(_APPLICATION_ROW, (_application_row(repository, declared) for declared, _ in step.applications))
    if not step.replace:
        for table in _OF_APPLICATION:
            transaction.change_each(
                f"delete from {table} where repository = :repository and application = :application",
                ({"repository": repository, "application": declared.application.name} for declared, _ in step.applications),
            )
    transaction.change_each(
        "insert into input (repository, application, path, kind, object_id) values (:repository, :application, :path, :kind, :object_id)"
        " on conflict (repository, application, path, kind) do update set object_id = excluded.object_id",
        _input_rows(repository, step),
    )
    transaction.change_each(
        "insert into object_key (repository, application, target, object_key) values (:repository, :application, :target, :object_key)"
        " on conflict (repository, application, object_key) do nothing",
        _key_rows(repository, step),
    )
    transaction.change_each(
        "insert into dependency (repository, application, needed) values (:repository, :application, :needed)"
        " on conflict (repository, application, needed) do nothing",
        _dependency_rows(repository, step),
    )


def _application_row(repository: int, declared: Declared) -> dict[str, Value]:
    application = declared.application
    return {
        "repository": repository,
        "name": application.name,
        "target": application.target,
        "file": application.file,
        "revision": declared.revision,
        "exact": int(declared.exact),
        "digest": declared.digest,
        "renderer": declared.renderer,
        "absent": int(declared.absent),
        "depends_on": write(application.spec.depends_on),
        "object_keys": write(declared.keys),
        "faults": write(declared.faults),
        "body": write(application),
    }


def _input_rows(repository: int, step: Advance) -> Iterator[dict[str, Value]]:
    for declared, inputs in step.applications:
        name = declared.application.name
        for each in inputs:
            yield {"repository": repository, "application": name, "path": each.path, "kind": each.kind, "object_id": each.object_id}


def _key_rows(repository: int, step: Advance) -> Iterator[dict[str, Value]]:
    for declared, _ in step.applications:
        name, target = declared.application.name, declared.application.target
        for key in declared.keys:
            yield {"repository": repository, "application": name, "target": target, "object_key": str(key)}


def _dependency_rows(repository: int, step: Advance) -> Iterator[dict[str, Value]]:
    for declared, _ in step.applications:
        name = declared.application.name
        for needed in declared.application.spec.depends_on:
            yield {"repository": repository, "application": name, "needed": needed}


def _write_revisions(transaction: Transaction, repository: int, revisions: dict[str, tuple[str, bool]]) -> None:
    transaction.change_each(
        "update application set revision = :revision, exact = :exact where repository = :repository and name = :name",
        (
            {"repository": repository, "name": name, "revision": revision, "exact": int(exact)}
            for name, (revision, exact) in revisions.items()
        ),
    )


def _write_targets(transaction: Transaction, repository: int, targets: list[Target]) -> None:
    transaction.change_each(
        "insert into target (repository, name, body) values (:repository, :name, :body)"
        " on conflict (repository, name) do update set body = excluded.body",
        ({"repository": repository, "name": target.name, "body": write(target)} for target in targets),
    )
