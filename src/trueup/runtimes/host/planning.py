"""What is desired against what is there, object by object."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from trueup.model.application import Removal
from trueup.model.contracts import Desired, Owner
from trueup.model.manifest import Key
from trueup.model.plan import Action, Change, Effect, Verb
from trueup.runtimes.host.member import Look, Member, Wanted
from trueup.runtimes.host.reading import after, wanted_of
from trueup.runtimes.host.record import Entry, Record, Records
from trueup.toolkit.waves import removal_waves


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the actions for one application."""

    records: Records
    members: Mapping[str, Member]
    desired: Desired

    def actions(self) -> list[Action]:
        """Every object that is desired or owned. Raises Refused with every refusal."""
        wanted = wanted_of(self.desired)
        record = self.records.load(owner_of(self.desired))
        others = [each for each in self.records.all() if each.owner != record.owner]
        record = _without_taken(record, others)
        put = [self._put(each, wanted, record, others) for each in wanted]
        left = [entry for entry in record.entries if entry.key not in {each.key for each in wanted}]
        waves = removal_waves((action.wave for action in put), (entry.wave for entry in left))
        return put + [self._removal(entry, waves[entry.wave], left) for entry in left]

    def _put(self, wanted: Wanted, all_: list[Wanted], record: Record, others: list[Record]) -> Action:
        entry = record.entry(wanted.key)
        look = self.members[wanted.key.kind].look(wanted, entry)
        owner = owner_in(others, record.owner, wanted.key, look)
        foreign = bool(owner) or (bool(look.seen) and not _explained(entry, look))
        return Action(
            verb=_verb(look, entry, foreign),
            key=wanted.key,
            wave=wanted.manifest.wave,
            after=after(wanted, all_),
            effect=look.effect if entry and not foreign else Effect.NONE,
            reason=_reason(look, entry, wanted, foreign),
            changes=look.changes,
            origin=wanted.manifest.origin,
            seen=look.seen,
            desired=wanted.manifest.digest,
            owner=owner,
            foreign=foreign,
        )

    def _removal(self, entry: Entry, wave: int, left: list[Entry]) -> Action:
        if keeps(self.desired):
            change = Change("metadata.owner", self.desired.application.name, None)
            return Action(verb=Verb.UPDATE, key=entry.key, wave=wave, reason="leaves Git, stays", changes=(change,))
        look = self.members[entry.key.kind].glance(self.desired.application.name, entry)
        reason = "the application is no longer declared here" if self.desired.removed else "no longer in Git"
        after_ = _users(entry, left)
        return Action(verb=Verb.DELETE, key=entry.key, wave=wave, after=after_, reason=reason, changes=look.changes, seen=look.seen)


def owner_of(desired: Desired) -> Owner:
    """The application as an owner."""
    return Owner(desired.application.repository, desired.application.name)


def keeps(desired: Desired) -> bool:
    """Whether objects that leave Git stay, without our mark."""
    policy = desired.application.policy
    return not policy.prune or (desired.removed and policy.removal is Removal.KEEP)


def owner_in(others: list[Record], owner: Owner, key: Key, look: Look) -> str:
    """Whom an object belongs to, when it is another application: one of the same name and another repository has the same places, and any
    may have written a path that is outside of its own folder."""
    for record in others:
        same_folder = record.owner.application == owner.application and record.entry(key) is not None
        same_path = any(path in entry.paths for entry in record.entries for path in look.paths)
        if same_folder or same_path:
            return record.owner.application if record.owner.repository == owner.repository else str(record.owner)
    return ""


def _without_taken(record: Record, others: list[Record]) -> Record:
    """The record without what another application took over while we were away."""
    taken = {entry.key for other in others for entry in other.entries if entry.taken == str(record.owner)}
    return record.lacking(*taken)


def _explained(entry: Entry | None, look: Look) -> bool:
    """Whether what is there is ours: recorded, at these very paths."""
    return entry is not None and all(path in entry.paths or not os.path.lexists(path) for path in look.paths)


def _verb(look: Look, entry: Entry | None, foreign: bool) -> Verb:
    if foreign:
        return Verb.ADOPT
    if look.same:
        return Verb.UNCHANGED
    if entry is None or (not look.seen and look.paths):
        return Verb.CREATE
    return Verb.UPDATE


def _reason(look: Look, entry: Entry | None, wanted: Wanted, foreign: bool) -> str:
    if look.same and not foreign:
        return ""
    if foreign:
        return "it exists and is not this application's"
    if look.reason:
        return look.reason
    if entry and entry.desired == wanted.manifest.digest:
        return "it was removed at the target" if not look.seen else "it was changed at the target"
    return ""


def _users(entry: Entry, left: list[Entry]) -> tuple[Key, ...]:
    """What must go before: services and jobs before the files that they run on."""
    if entry.key.kind in ("Service", "Job"):
        return ()
    return tuple(each.key for each in left if each.key.kind in ("Service", "Job") and each.wave == entry.wave)
