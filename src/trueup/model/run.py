"""One walk of one application at one revision, and how things stand."""

import os
import time
from datetime import datetime
from enum import StrEnum

import msgspec

from trueup.model.health import HealthReport, State
from trueup.model.manifest import Key
from trueup.model.plan import Hold, Verb


class RunState(StrEnum):
    """Where a run is; only ``running`` is not an end."""

    RUNNING = "running"
    HELD = "held"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolledBack"


class Trigger(StrEnum):
    """Why a walk began."""

    PUSH = "push"
    POLL = "poll"
    DRIFT = "drift"
    PERSON = "person"
    RETRY = "retry"
    ROLLBACK = "rollback"
    DEPENDENCY = "dependency"


class Sync(StrEnum):
    """How an application stands to Git."""

    SYNCED = "synced"
    OUT_OF_SYNC = "outOfSync"
    PROGRESSING = "progressing"
    HELD = "held"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Outcome(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one action. ``state``: done, failed, skipped. ``version`` names what was written, for health to be judged of it.

    ``final``: trying it again does harm and changes nothing; it waits for a new revision or a person.
    """

    key: Key
    verb: Verb
    state: str
    message: str = ""
    seconds: float = 0.0
    version: str = ""
    outdated: bool = False
    unreachable: bool = False
    final: bool = False


class Run(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One walk of one application at one revision: plan, outcomes, health, times, who and why.

    ``of`` is the run that this one answers (the bad run of a rollback, the run that a retry repeats).
    ``health`` is the application's; of a run that undoes drift it is that of what it wrote.
    ``actor`` is the person or ``trueup``. ``renderer`` is what made the manifests, with its version: ``helm v4.1.4``.
    """

    api_version: str = "trueup.dev/v1"
    kind: str = "Run"
    id: str
    repository: str
    application: str
    target: str
    revision: str
    revision_exact: bool = True
    author: str = ""
    subject: str = ""
    actor: str = ""
    trigger: Trigger = Trigger.POLL
    of: str = ""
    plan: str = ""
    renderer: str = ""
    state: RunState = RunState.RUNNING
    message: str = ""
    hold: Hold | None = None
    started_at: datetime
    finished_at: datetime | None = None
    outcomes: tuple[Outcome, ...] = ()
    health: HealthReport = HealthReport()


class Status(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How one application stands: one line of ``trueup status``."""

    repository: str
    application: str
    target: str
    revision: str = ""
    desired_revision: str = ""
    sync: Sync = Sync.UNKNOWN
    health: State = State.UNKNOWN
    message: str = ""
    last_run: str = ""


def new_run_id(now: float | None = None) -> str:
    """An id that sorts by time: 12 hexadecimal digits of milliseconds and 8 of chance."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    return f"{milliseconds:012x}{os.urandom(4).hex()}"
