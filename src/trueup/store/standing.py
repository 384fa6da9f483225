"""How applications stand, as rows that the catalog and the history share."""

import msgspec

from trueup.model.memory import Address, Standing
from trueup.store.body import read, write
from trueup.store.database import Transaction, Value


def named(repository: int | None, address: Address) -> dict[str, Value]:
    """The columns that name an address."""
    return {"repository": repository, "application": address.application, "target": address.target}


def write_standing(transaction: Transaction, standing: Standing) -> None:
    """Write how an application stands."""
    status = standing.status
    at = named(transaction.enter_repository(status.repository), Address(status.repository, status.application, status.target))
    transaction.change(
        "insert into standing (repository, application, target, sync, health, body)"
        " values (:repository, :application, :target, :sync, :health, :body) on conflict (repository, application, target)"
        " do update set sync = excluded.sync, health = excluded.health, body = excluded.body",
        {**at, "sync": status.sync.value, "health": status.health.value, "body": write(standing)},
    )


def copy_standings(transaction: Transaction, repository: int, target: str, former: str) -> list[Address]:
    """Whatever was applied at a target stands, under another name, at what it meant before too; both places of each."""
    places: list[Address] = []
    statement = "select body from standing where repository = :repository and target = :target"
    for (body,) in transaction.all(statement, {"repository": repository, "target": target}):
        standing = read(body, Standing)
        if not standing.status.revision and not standing.versions:
            continue  # nothing was ever written there, as at an address that was mistyped
        status = msgspec.structs.replace(standing.status, target=former)
        write_standing(transaction, msgspec.structs.replace(standing, status=status))
        places += [Address(status.repository, status.application, name) for name in (target, former)]
    return places
