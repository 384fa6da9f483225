"""What would change at a target: ordered actions with a digest. A plan never holds manifests."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from trueup.model.manifest import Key, Origin, digest_of


class Verb(StrEnum):
    """What happens to one object.

    ``replace`` deletes it and makes it anew: identity or data is lost. ``adopt`` takes over an object that exists and is not
    this application's. A restart or a recreated container is an ``update`` with its effect.
    """

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    ADOPT = "adopt"
    DELETE = "delete"
    UNCHANGED = "unchanged"


class Effect(StrEnum):
    """What an update does to what runs."""

    NONE = "none"
    SIGNAL = "signal"
    RESTART = "restart"
    RECREATE = "recreate"


class When(StrEnum):
    """In which case an action is carried out. ``failed``: only once the run has failed, before it ends."""

    ALWAYS = "always"
    FAILED = "failed"


class Change(msgspec.Struct, frozen=True):
    """One field: what it is and what it would be; None where it is not there. A secret shows as ``(secret)``."""

    path: str
    before: Any = None
    after: Any = None


class Action(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One object's action.

    ``after`` are the keys of the same wave that it depends on. ``seen`` is the digest of the part of the live object that the plan
    compared, plus its identity; apply refuses (Outdated) when it differs. ``desired`` is the manifest's digest, empty for a delete.
    ``owner`` names the application that the live object belongs to, when it is another one; ``foreign`` is true when something is
    there that is not this application's. ``allowed`` is true when the object itself allows what guard would hold (a replace). ``own`` is
    true for what is in a place of the application's own, where another one's object of the same key is another object: it is never handed
    over. ``when`` says in which case it is carried out; what waits for a failure is no change of the plan.
    """

    verb: Verb
    key: Key
    when: When = When.ALWAYS
    wave: int = 0
    after: tuple[Key, ...] = ()
    effect: Effect = Effect.NONE
    verified: bool = True
    reason: str = ""
    changes: tuple[Change, ...] = ()
    origin: Origin = Origin()
    seen: str = ""
    desired: str = ""
    owner: str = ""
    foreign: bool = False
    allowed: bool = False
    own: bool = False

    @property
    def leaves(self) -> bool:
        """Whether the object is not this application's any more afterwards: it is deleted, or let go of and stays."""
        return self.verb is Verb.DELETE or (self.verb is Verb.UPDATE and not self.desired)


class Hold(msgspec.Struct, frozen=True):
    """Why something waits for a person. ``kind``: paused, approval, bad revision, rewound, unsigned, removal."""

    kind: str
    reason: str


class Summary(msgspec.Struct, frozen=True):
    """How many actions of each verb."""

    create: int = 0
    update: int = 0
    replace: int = 0
    adopt: int = 0
    delete: int = 0
    unchanged: int = 0

    @property
    def changes(self) -> int:
        """How many objects would change."""
        return self.create + self.update + self.replace + self.adopt + self.delete


class Plan(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The ordered actions that would make the target true for one application at one revision.

    ``removal``: the application goes from this target.
    """

    api_version: str = "trueup.dev/v1"
    kind: str = "Plan"
    application: str
    target: str
    repository: str
    revision: str
    removal: bool = False
    digest: str = ""
    held: Hold | None = None
    summary: Summary = Summary()
    actions: tuple[Action, ...] = ()

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something."""
        return tuple(action for action in self.actions if action.verb is not Verb.UNCHANGED and action.when is When.ALWAYS)

    @property
    def on_failure(self) -> tuple[Action, ...]:
        """What is done only once the run has failed."""
        return tuple(action for action in self.actions if action.when is When.FAILED)

    @property
    def differing(self) -> tuple[Action, ...]:
        """What differs from what was last applied: what would change, and what stays though something was added beside what Git says."""
        return tuple(
            action for action in self.actions if action.when is When.ALWAYS and (action.verb is not Verb.UNCHANGED or action.changes)
        )

    @property
    def empty(self) -> bool:
        """True when the target is as Git says."""
        return not self.changes


def plan_of(application: str, target: str, repository: str, revision: str, actions: Iterable[Action]) -> Plan:
    """Put actions together: ordered by wave, summed up, and with the digest.

    The digest covers application, target and per action verb, key, wave, ``seen`` and ``desired``; not revision, origin, reason or times.
    Unchanged objects are no part of it: they are not acted on.
    """
    ordered = tuple(sorted(actions, key=lambda action: action.wave))
    counts: dict[str, int] = {}
    for action in ordered:
        if action.when is When.ALWAYS:
            counts[action.verb] = counts.get(action.verb, 0) + 1
    acted = [[a.verb, a.key, a.wave, a.seen, a.desired] for a in ordered if a.verb is not Verb.UNCHANGED]
    acted.sort(key=lambda entry: str(entry[1]))
    return Plan(
        application=application,
        target=target,
        repository=repository,
        revision=revision,
        digest=digest_of([application, target, acted]),
        summary=Summary(**counts),
        actions=ordered,
    )
