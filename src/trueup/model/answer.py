"""What the engine answers to questions: faults, manifests, why a thing is as it is, what a rollback did."""

from datetime import datetime
from typing import Any

import msgspec

from trueup.model.contracts import Touch
from trueup.model.manifest import Key, Origin


class Rendered(msgspec.Struct, frozen=True):
    """One manifest as it would be applied, secrets masked."""

    key: Key
    origin: Origin
    manifest: Any


class Why(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Why an object, or one field of it, is as it is: which commit set it, which run applied it, who changed it since.

    ``exact`` is false when the search ended at ``--depth``: then it was set at or before ``commit``.
    """

    kind: str = "Why"
    application: str
    key: Key
    field: str = ""
    desired: Any = None
    live: Any = None
    commit: str = ""
    author: str = ""
    date: datetime | None = None
    subject: str = ""
    file: str = ""
    line: int = 0
    exact: bool = True
    run: str = ""
    applied_at: datetime | None = None
    changed_by: tuple[Touch, ...] = ()


class RolledBack(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a rollback did. ``commit`` is the revert commit; empty when none could be pushed: ``message`` then says how to finish.

    ``bad`` is empty when there was nothing to take back.
    """

    application: str
    bad: str
    good: str
    commit: str = ""
    branch: str = ""
    message: str = ""
    files: tuple[str, ...] = ()
