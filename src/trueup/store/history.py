"""The history: runs with their outcomes, how applications stand, what waits, and what was approved."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from trueup.model.memory import Address, Known, Standing, Waiting
from trueup.model.plan import Plan
from trueup.model.run import Outcome, Run, RunState
from trueup.store.body import read, write
from trueup.store.catalog import drop_renders, read_declared, read_followed, read_target
from trueup.store.database import Database, Transaction, Value
from trueup.store.standing import named, write_standing

_DAY = 86400.0

_RUN_ROW = """
    insert into run (id, repository, application, target, state, finished_at, body)
    values (:id, :repository, :application, :target, :state, :finished_at, :body)
    on conflict (id) do update set state = excluded.state, finished_at = excluded.finished_at, body = excluded.body
"""
_AT = "repository = :repository and application = :application and target = :target"

# Literally `running`: the index of what has not ended holds nothing else.
_UNFINISHED = f"select id, body from run where {_AT} and state = 'running' order by id desc limit 1"
_HELD_HERE = """
    select body from hold
    where repository = :repository and application in ('', :application) and target in ('', :target)
    order by application, target, kind
"""
# What has not ended has no `finished_at`, and stays.
_BEYOND = """
    select id from (
        select id, finished_at, row_number() over (partition by repository, application order by id desc) as place from run
    ) as ranked
    where place > :runs and finished_at < :before
"""


class StoredHistory:
    """``trueup.model.memory.History`` in tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, address: Address) -> Known:
        with self._database.reading() as transaction:
            at = named(transaction.repository(address.repository), address)
            run, plan = _unfinished(transaction, at)
            return Known(
                followed=read_followed(transaction, address.repository),
                declared=read_declared(transaction, transaction.repository(address.repository), address.application),
                standing=_standing(transaction, at),
                run=run,
                plan=plan,
                holds=tuple(read(body, Waiting) for (body,) in transaction.all(_HELD_HERE, at)),
                approvals=frozenset(digest for (digest,) in transaction.all(f"select digest from approval where {_AT}", at)),
                target=read_target(transaction, transaction.repository(address.repository), address.target),
            )

    def begin(self, run: Run, plan: Plan | None, standing: Standing | None = None) -> None:
        with self._database.writing() as transaction:
            _write_run(transaction, run)
            if standing is not None:
                write_standing(transaction, standing)
            if plan is not None:
                transaction.change(
                    "insert into kept_plan (run, body) values (:run, :body) on conflict (run) do update set body = excluded.body",
                    {"run": run.id, "body": write(plan)},
                )

    def add_outcomes(self, run: str, outcomes: Sequence[Outcome], standing: Standing | None = None) -> None:
        with self._database.writing() as transaction:
            if standing is not None:
                write_standing(transaction, standing)
            (last,) = transaction.one("select coalesce(max(place), 0) from outcome where run = :run", {"run": run})
            transaction.change_each(
                "insert into outcome (run, object_key, verb, place, body) values (:run, :object_key, :verb, :place, :body)"
                " on conflict (run, object_key, verb) do update set body = excluded.body",
                (
                    {"run": run, "object_key": str(each.key), "verb": each.verb.value, "place": place, "body": write(each)}
                    for place, each in enumerate(outcomes, last + 1)
                ),
            )

    def conclude(self, run: Run, standing: Standing | None = None, waiting: Waiting | None = None) -> None:
        with self._database.writing() as transaction:
            _write_run(transaction, run)
            if waiting is not None:
                _write_hold(transaction, waiting)
            if run.state is not RunState.RUNNING:
                transaction.change("delete from kept_plan where run = :run", {"run": run.id})
            if standing is not None:
                write_standing(transaction, standing)

    def stand(self, standing: Standing) -> None:
        with self._database.writing() as transaction:
            write_standing(transaction, standing)

    def fall(self, address: Address) -> None:
        with self._database.writing() as transaction:
            transaction.change(f"delete from standing where {_AT}", named(transaction.repository(address.repository), address))

    def standing(self, address: Address) -> Standing | None:
        with self._database.reading() as transaction:
            return _standing(transaction, named(transaction.repository(address.repository), address))

    def counts(self) -> list[tuple[str, str, int]]:
        """How many applications stand in each way: (sync, health, how many)."""
        with self._database.reading() as transaction:
            rows = transaction.all("select sync, health, count(*) from standing group by sync, health order by sync, health")
        return [(str(sync), str(health), int(number)) for sync, health, number in rows]

    def standings(self, repository: str = "", after: Address | None = None, limit: int = 0) -> list[Standing]:
        found: list[Standing] = []
        with self._database.reading() as transaction:
            identities = (
                [repository] if repository else [row[0] for row in transaction.all("select identity from repository order by identity")]
            )
            for identity in identities:
                if after is not None and identity < after.repository:
                    continue
                passed = after if after is not None and identity == after.repository else Address(identity)
                found += _standings(transaction, passed, limit - len(found) if limit else 0)
                if limit and len(found) >= limit:
                    break
        return found

    def run(self, run: str) -> Run | None:
        if not run:
            return None
        with self._database.reading() as transaction:
            # Ids are hexadecimal: `~` comes after all that may follow.
            rows = transaction.all(
                "select id, body from run where id >= :run and id < :end order by id limit 2", {"run": run, "end": run + "~"}
            )
            exact = [row for row in rows if row[0] == run]
            chosen = exact or rows
            return _runs(transaction, chosen)[0] if len(chosen) == 1 else None

    def runs(self, repository: str = "", application: str = "", before: str = "", limit: int = 50) -> list[Run]:
        conditions = {"repository": "repository = :repository", "application": "application = :application", "before": "id < :before"}
        with self._database.reading() as transaction:
            asked: dict[str, Value] = {"application": application, "before": before}
            asked["repository"] = (transaction.repository(repository) or -1) if repository else 0
            wanted = {name: value for name, value in asked.items() if value}
            where = "where " + " and ".join(conditions[name] for name in wanted) if wanted else ""
            page = f"select id, body from run {where} order by id desc" + (" limit :limit" if limit else "")
            return _runs(transaction, transaction.all(page, {**wanted, "limit": limit} if limit else wanted))

    def hold(self, waiting: Waiting) -> None:
        with self._database.writing() as transaction:
            _write_hold(transaction, waiting)

    def holds(self, repository: str = "", application: str | None = None) -> list[Waiting]:
        conditions = ["repository.identity = :identity"] if repository else []
        conditions += ["hold.application = :application"] if application is not None else []
        asked: dict[str, Value] = {"identity": repository} if repository else {}
        asked |= {"application": application} if application is not None else {}
        where = "where " + " and ".join(conditions) if conditions else ""
        with self._database.reading() as transaction:
            rows = transaction.all(
                f"select hold.body from hold join repository on repository.id = hold.repository {where}"
                " order by repository.identity, hold.application, hold.target, hold.kind",
                asked,
            )
        return [read(body, Waiting) for (body,) in rows]

    def lift(self, repository: str, application: str, kinds: Sequence[str], target: str | None = None) -> int:
        statement = "delete from hold where repository = :repository and application = :application and kind = :kind"
        statement += " and target = :target" if target is not None else ""
        with self._database.writing() as transaction:
            asked: dict[str, Value] = {"repository": transaction.repository(repository), "application": application}
            asked |= {"target": target} if target is not None else {}
            return sum(transaction.change(statement, {**asked, "kind": kind}) for kind in set(kinds))

    def approve(self, address: Address, digest: str, actor: str) -> None:
        with self._database.writing() as transaction:
            at = named(transaction.enter_repository(address.repository), address)
            transaction.change(
                "insert into approval (repository, application, target, digest, actor, approved_at)"
                " values (:repository, :application, :target, :digest, :actor, :now)"
                " on conflict (repository, application, target, digest) do update"
                " set actor = excluded.actor, approved_at = excluded.approved_at",
                {**at, "digest": digest, "actor": actor, "now": time.time()},
            )

    def withdraw(self, address: Address) -> None:
        with self._database.writing() as transaction:
            transaction.change(f"delete from approval where {_AT}", named(transaction.repository(address.repository), address))

    def retain(self, runs: int, days: int) -> int:
        now = time.time()
        with self._database.reading() as transaction:  # the long look keeps nobody from writing; what it finds has ended for good
            old = transaction.all(_BEYOND, {"runs": runs, "before": now - days * _DAY})
        with self._database.writing() as transaction:
            transaction.change_each("delete from run where id = :id", ({"id": run} for (run,) in old))
            drop_renders(transaction, now)
        return len(old)


def _seconds(time_of_day: datetime | None) -> float | None:
    return time_of_day.timestamp() if time_of_day else None


def _write_run(transaction: Transaction, run: Run) -> None:
    """The run as it is given; outcomes that were added one by one are part of it now."""
    ended = run.state is not RunState.RUNNING
    at = named(transaction.enter_repository(run.repository), Address(run.repository, run.application, run.target))
    finished_at = _seconds(run.finished_at or run.started_at) if ended else None
    transaction.change(_RUN_ROW, {**at, "id": run.id, "state": run.state.value, "finished_at": finished_at, "body": write(run)})
    transaction.change("delete from outcome where run = :run", {"run": run.id})


def _runs(transaction: Transaction, rows: list[tuple[str, str]]) -> list[Run]:
    """Runs with the outcomes that were added since they were written."""
    added: dict[str, list[Outcome]] = {}
    statement = "select run, body from outcome where run in ({values}) order by run, place"
    for run, body in transaction.all_among(statement, [run for run, _ in rows], {}):
        added.setdefault(run, []).append(read(body, Outcome))
    return [_with_outcomes(read(body, Run), added.get(run)) for run, body in rows]


def _with_outcomes(run: Run, added: list[Outcome] | None) -> Run:
    if not added:
        return run
    merged = {(outcome.key, outcome.verb): outcome for outcome in (*run.outcomes, *added)}
    return msgspec.structs.replace(run, outcomes=tuple(merged.values()))


def _unfinished(transaction: Transaction, at: dict[str, Value]) -> tuple[Run | None, Plan | None]:
    row = transaction.one(_UNFINISHED, at)
    if row is None:
        return None, None
    kept = transaction.one("select body from kept_plan where run = :run", {"run": row[0]})
    return _runs(transaction, [row])[0], read(kept[0], Plan) if kept else None


def _write_hold(transaction: Transaction, waiting: Waiting) -> None:
    at = named(transaction.enter_repository(waiting.repository), Address(waiting.repository, waiting.application, waiting.target))
    transaction.change(
        "insert into hold (repository, application, target, kind, body) values (:repository, :application, :target, :kind, :body)"
        " on conflict (repository, application, target, kind) do update set body = excluded.body",
        {**at, "kind": waiting.kind, "body": write(waiting)},
    )


def _standing(transaction: Transaction, at: dict[str, Value]) -> Standing | None:
    row = transaction.one(f"select body from standing where {_AT}", at)
    return read(row[0], Standing) if row else None


def _standings(transaction: Transaction, after: Address, limit: int) -> list[Standing]:
    """Those of one repository that come after an address."""
    page = """
        select body from standing where repository = :repository and (application, target) > (:application, :target)
        order by application, target
    """
    asked = named(transaction.repository(after.repository), after)
    rows: list[Any] = transaction.all(page + " limit :limit", {**asked, "limit": limit}) if limit else transaction.all(page, asked)
    return [read(body, Standing) for (body,) in rows]
