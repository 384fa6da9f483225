"""The queue: one row per name, claimed for a while by whoever walks.

Every statement about a claimed row names its owner and the claim (``claimed``), so that a walker that lost its lease changes nothing,
even when it lost it to another walk of its own process.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from trueup.model.memory import Address, Lease, Row
from trueup.model.run import Trigger
from trueup.store.database import Database, Transaction, Value
from trueup.store.lease import dead, owner_of, owner_text

LEASE_SECONDS: Final = 60.0

_APPLICATION = "application"
_REPOSITORY = "repository"

# A lease has taken up the trigger that the row had: what wakes it at the same priority meanwhile is the cause of the next walk.
_WAKE = """
    insert into queue (repository, application, target, kind, want, due, priority, cause, attempts)
    values (:repository, :application, :target, :kind, 1, :due, :priority, :cause, 0)
    on conflict (repository, application, target) do update set
        want = queue.want + 1,
        due = case when excluded.due < queue.due then excluded.due else queue.due end,
        priority = case when excluded.priority > queue.priority then excluded.priority else queue.priority end,
        cause = case
            when excluded.priority > queue.priority then excluded.cause
            when excluded.priority = queue.priority and queue.claimed = queue.want then excluded.cause
            else queue.cause end
"""

_FREE = "(lease_until is null or lease_until < :now)"

# With PostgreSQL the inner select takes `for update skip locked`.
_CLAIM = f"""
    update queue set owner = :owner, lease_until = :until, want = want + 1, claimed = want + 1
    where id in (
        select id from queue
        where kind = :kind and priority = :priority and due <= :now and {_FREE} {{without}}
        order by due limit :limit)
    returning (select identity from repository where id = queue.repository), application, target, want, due, cause, attempts, lease_until
"""

_CLAIM_ONE = f"""
    insert into queue (repository, application, target, kind, want, claimed, due, priority, cause, attempts, owner, lease_until)
    values (:repository, :application, :target, :kind, 1, 1, :now, 0, :cause, 0, :owner, :until)
    on conflict (repository, application, target) do update set
        owner = excluded.owner,
        lease_until = excluded.lease_until,
        want = queue.want + 1,
        claimed = queue.want + 1,
        due = case when excluded.due < queue.due then excluded.due else queue.due end
    where {_FREE.replace("lease_until", "queue.lease_until")}
    returning :identity, application, target, want, due, cause, attempts, lease_until
"""

_MINE = "repository = :repository and application = :application and target = :target and owner = :owner and claimed = :claimed"
_LET_GO = "owner = null, lease_until = null, claimed = null"


class StoredQueue:
    """``trueup.model.memory.Queue`` in tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wake(self, addresses: Iterable[Address], trigger: Trigger, due: float = 0.0, priority: int = 0) -> None:
        with self._database.writing() as transaction:
            wake_rows(transaction, addresses, trigger, due, priority)

    def claim(self, lease: Lease, now: float, limit: int, kind: str = _APPLICATION, without: Sequence[tuple[str, str]] = ()) -> list[Row]:
        asked: dict[str, Value] = {"kind": kind, "now": now}
        with self._database.reading() as transaction:  # an idle process does not ask for the write lock
            if not transaction.one(f"select 1 from queue where kind = :kind and due <= :now and {_FREE} limit 1", asked):
                return []
        asked |= {"owner": owner_text(lease), "until": now + LEASE_SECONDS}
        rows: list[Row] = []
        with self._database.writing() as transaction:
            condition, left = _without(transaction, without)
            asked |= left
            for priority in _priorities(transaction, kind):
                found = transaction.all(_CLAIM.format(without=condition), {**asked, "priority": priority, "limit": limit - len(rows)})
                rows += sorted(map(_row, found), key=lambda row: row.due)
                if len(rows) >= limit:
                    break
        return rows

    def claim_one(self, address: Address, lease: Lease, now: float) -> Row | None:
        with self._database.writing() as transaction:
            asked = _named(transaction.enter_repository(address.repository), address)
            asked |= {"identity": address.repository, "kind": _kind(address), "cause": Trigger.PERSON.value}
            asked |= {"owner": owner_text(lease), "until": now + LEASE_SECONDS, "now": now}
            found = transaction.one(_CLAIM_ONE, asked)
        return _row(found) if found else None

    def renew(self, row: Row, lease: Lease, now: float) -> bool:
        return self._change(f"update queue set lease_until = :until where {_MINE}", row, lease, {"until": now + LEASE_SECONDS}) == 1

    def finish(self, row: Row, lease: Lease) -> bool:
        with self._database.writing() as transaction:
            mine = _mine(transaction, row, lease)
            if transaction.change(f"delete from queue where {_MINE} and want = :claimed", mine):
                return True
            transaction.change(f"update queue set {_LET_GO}, attempts = 0 where {_MINE}", mine)
            return False

    def postpone(self, row: Row, lease: Lease, due: float, attempts: int) -> None:
        later = "due = case when want = :claimed then :due else due end"
        statement = f"update queue set {_LET_GO}, {later}, attempts = :attempts where {_MINE}"
        self._change(statement, row, lease, {"due": due, "attempts": attempts})

    def free(self, lease: Lease) -> int:
        with self._database.writing() as transaction:
            return _free(transaction, owner_text(lease))

    def free_dead(self, alive: Lease) -> int:
        with self._database.reading() as transaction:
            owners = [owner for (owner,) in transaction.all("select distinct owner from queue where owner is not null")]
        gone = [owner for owner in owners if dead(owner_of(owner), alive)]
        if not gone:
            return 0
        with self._database.writing() as transaction:
            return sum(_free(transaction, owner) for owner in gone)

    def next_due(self, kind: str = _APPLICATION, after: float = -1.0) -> float | None:
        select = "select due from queue where kind = :kind and owner is null and due > :after order by due limit 1"
        with self._database.reading() as transaction:
            row = transaction.one(select, {"kind": kind, "after": after})
        return row[0] if row else None

    def pending(self, repository: str = "") -> list[Address]:
        condition = "where repository.identity = :identity" if repository else ""
        with self._database.reading() as transaction:
            rows = transaction.all(
                "select repository.identity, queue.application, queue.target from queue"
                f" join repository on repository.id = queue.repository {condition} order by 1, 2, 3",
                {"identity": repository} if repository else {},
            )
        return [Address(*row) for row in rows]

    def waiting(self) -> int:
        with self._database.reading() as transaction:
            (number,) = transaction.one("select count(*) from queue where kind = :kind", {"kind": _APPLICATION})
        return int(number)

    def moved(self) -> int:
        return self._database.moved()

    def written_at(self) -> float:
        return self._database.written_at()

    def _change(self, statement: str, row: Row, lease: Lease, parameters: Mapping[str, Value]) -> int:
        with self._database.writing() as transaction:
            return transaction.change(statement, {**_mine(transaction, row, lease), **parameters})


def wake_rows(transaction: Transaction, addresses: Iterable[Address], trigger: Trigger, due: float = 0.0, priority: int = 0) -> None:
    """Put names into the queue, as part of a larger step."""
    numbered = [(transaction.enter_repository(address.repository), address) for address in addresses]
    asked: dict[str, Value] = {"due": due, "priority": priority, "cause": trigger.value}
    transaction.change_each(_WAKE, ({**_named(number, address), "kind": _kind(address), **asked} for number, address in numbered))


def _priorities(transaction: Transaction, kind: str) -> Iterable[int]:
    """The priorities that there are, highest first; each costs one look, however many rows wait for later."""
    highest = "select max(priority) from queue where kind = :kind"
    (priority,) = transaction.one(highest, {"kind": kind})
    while priority is not None:
        yield priority
        (priority,) = transaction.one(f"{highest} and priority < :below", {"kind": kind, "below": priority})


def _without(transaction: Transaction, targets: Sequence[tuple[str, str]]) -> tuple[str, dict[str, Value]]:
    """A condition that leaves the rows of these targets, with its parameters."""
    named: dict[str, Value] = {}
    for place, (repository, target) in enumerate(targets):
        named |= {f"repository{place}": transaction.repository(repository), f"target{place}": target}
    each = (f" and not (repository = :repository{place} and target = :target{place})" for place in range(len(targets)))
    return "".join(each), named


def _free(transaction: Transaction, owner: str) -> int:
    """A claimed row was due when it was claimed, so it is due at once."""
    return transaction.change(f"update queue set {_LET_GO} where owner = :owner", {"owner": owner})


def _kind(address: Address) -> str:
    return _APPLICATION if address.application else _REPOSITORY


def _named(repository: int | None, address: Address) -> dict[str, Value]:
    return {"repository": repository, "application": address.application, "target": address.target}


def _mine(transaction: Transaction, row: Row, lease: Lease) -> dict[str, Value]:
    named = _named(transaction.repository(row.address.repository), row.address)
    return {**named, "owner": owner_text(lease), "claimed": row.want}


def _row(found: tuple[Any, ...]) -> Row:
    identity, application, target, want, due, cause, attempts, lease_until = found
    return Row(Address(identity, application, target), want, due, Trigger(cause), attempts, lease_until)
