"""What becomes of an object that is written."""

import os
import time
from datetime import UTC, datetime

import msgspec

from trueup.model.application import seconds_of
from trueup.model.contracts import Desired, Owner
from trueup.model.plan import Verb
from trueup.runtimes.memory.fields import lasting
from trueup.runtimes.memory.wanted import Wanted, mapping
from trueup.runtimes.memory.world import Entry, Record

_KEPT_LINES = 20
_PAST = {Verb.CREATE: "created", Verb.UPDATE: "updated", Verb.REPLACE: "replaced", Verb.ADOPT: "adopted"}


def written(desired: Desired, wanted: Wanted, verb: Verb, live: Record | None) -> Record:
    """The object after our write. It keeps its identity, unless it is made anew."""
    old = live.entry if live and verb is not Verb.REPLACE else None
    entry = Entry(
        uid=old.uid if old else os.urandom(6).hex(),
        body=wanted.beside(live),
        generation=old.generation + 1 if old else 1,
        revision=desired.revision,
        sources=wanted.sources,
        ready_at=_ready_at(wanted),
        touches=lasting(wanted.key, wanted.rules, old.touches if old else ()),
    )
    owner = Owner(desired.application.repository, desired.application.name)
    return Record(wanted.key, owner, _noted(entry, old, f"{_PAST.get(verb, verb)} at revision {desired.revision[:10]}"))


def unmarked(live: Record, revision: str) -> Record:
    """The object when we let go of it: as it is, and nobody's."""
    return Record(live.key, None, _noted(live.entry, live.entry, f"left alone since revision {revision[:10]}"))


def _noted(entry: Entry, old: Entry | None, text: str) -> Entry:
    line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}"
    lines = (*(old.lines if old else ()), line)[-_KEPT_LINES:]
    return msgspec.structs.replace(entry, lines=lines, written=(old.written if old else 0) + 1)


def _ready_at(wanted: Wanted) -> float:
    after = mapping(wanted.body.get("spec")).get("healthyAfter")
    return time.time() + seconds_of(after) if after else 0.0
