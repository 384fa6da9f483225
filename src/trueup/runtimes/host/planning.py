"""What is desired against what is there, object by object."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from trueup.model.application import Removal
from trueup.model.contracts import Desired, Owner
from trueup.model.errors import TrueupError
from trueup.model.manifest import Key
from trueup.model.plan import Action, Change, Effect, Verb
from trueup.runtimes.host.fault import Fault, together
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
        others = others_for(self.records, self.desired, wanted)
        record = whole_record(self.records, self.desired, others)
        left = [entry for entry in record.entries if entry.key not in {each.key for each in wanted}]
        waves = removal_waves((each.manifest.wave for each in wanted), (entry.wave for entry in left))
        steps: list[tuple[Key, Callable[[], Action]]] = [
            *((each.key, partial(self._put, each, wanted, record, others)) for each in wanted),
            *((entry.key, partial(self._removal, entry, waves[entry.wave], left)) for entry in left),
        ]
        return _all_of(steps)

    def _put(self, wanted: Wanted, all_: list[Wanted], record: Record, others: list[Record]) -> Action:
        entry = record.entry(wanted.key)
        look = self.members[wanted.key.kind].look(wanted, entry)
        owners = owners_in(others, record.owner, wanted.key, look)
        foreign = bool(owners) or (bool(look.seen) and not explained(entry, look))
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
            owner=_named(owners[0][0].owner, record.owner) if owners else "",
            foreign=foreign,
        )

    def _removal(self, entry: Entry, wave: int, left: list[Entry]) -> Action:
        if keeps(self.desired):
            change = Change("metadata.owner", self.desired.application.name, None)
            return Action(verb=Verb.UPDATE, key=entry.key, wave=wave, reason="leaves Git, stays", changes=(change,))
        look = self.members[entry.key.kind].glance(self.desired.application.name, entry)
        reason = "the application is no longer declared here" if self.desired.removed else "no longer in Git"
        users = _users(entry, left)
        return Action(
            verb=Verb.DELETE,
            key=entry.key,
            wave=wave,
            after=users,
            reason=reason,
            changes=look.changes,
            seen=look.seen,
            own=all(path.startswith(self.home) for path in entry.paths),
        )

    @property
    def home(self) -> str:
        """The application's own folder, with a slash at its end."""
        return f"{self.records.root / self.desired.application.name}/"


def _all_of(steps: Iterable[tuple[Key, Callable[[], Action]]]) -> list[Action]:
    """Every action; what is wrong with several objects is told together."""
    actions: list[Action] = []
    faults: list[tuple[str, Fault]] = []
    for key, step in steps:
        try:
            actions.append(step())
        except (TrueupError, OSError) as error:
            faults.append((str(key), error))
    if faults:
        raise together(faults)
    return actions


def owner_of(desired: Desired) -> Owner:
    """The application as an owner."""
    return Owner(desired.application.repository, desired.application.name)


def keeps(desired: Desired) -> bool:
    """Whether objects that leave Git stay, without our mark."""
    policy = desired.application.policy
    return not policy.prune or (desired.removed and policy.removal is Removal.KEEP)


def others_for(records: Records, desired: Desired, wanted: Iterable[Wanted]) -> list[Record]:
    """The records that may name the same places: those of every application only when something is outside of this one's own folder."""
    owner = owner_of(desired)
    home = f"{records.root / owner.application}/"
    recorded = (path for entry in records.load(owner).entries for path in entry.paths)
    shared = any(each.outside for each in wanted) or any(not path.startswith(home) for path in recorded)
    return records.others(owner, namesakes_only=not shared)


def whole_record(records: Records, desired: Desired, others: list[Record]) -> Record:
    """The application's record, without what another one took over while its own was not yet brought up to date."""
    record = records.load(owner_of(desired))
    mine = [(other, entry) for other in others for entry in other.entries if entry.taken == str(record.owner)]
    namesakes = [other.owner.application == record.owner.application for other, _ in mine]
    gone = [entry.key for (_, entry), same in zip(mine, namesakes, strict=True) if _same_place(entry, record.entry(entry.key), same)]
    return record.lacking(*gone)


def owners_in(others: list[Record], owner: Owner, key: Key, look: Look) -> list[tuple[Record, Key]]:
    """Whom an object belongs to, when it is not ours: an application of the same name from another repository has the same places, and any
    may have written a path that is outside of its own folder. With the key that it has there."""
    return [
        (record, entry.key)
        for record in others
        for entry in record.entries
        if (record.owner.application == owner.application and entry.key == key) or any(path in entry.paths for path in look.paths)
    ]


def _same_place(taken: Entry, ours: Entry | None, same_folder: bool) -> bool:
    return ours is not None and not ours.taken and (same_folder or not set(ours.paths).isdisjoint(taken.paths))


def explained(entry: Entry | None, look: Look) -> bool:
    """Whether what is there is ours: recorded, at these very paths."""
    return entry is not None and all(path in entry.paths or not os.path.lexists(path) for path in look.paths)


def _named(owner: Owner, ours: Owner) -> str:
    return owner.application if owner.repository == ours.repository else str(owner)


def _verb(look: Look, entry: Entry | None, foreign: bool) -> Verb:
    if foreign:
        return Verb.ADOPT
    if look.same:
        return Verb.UNCHANGED
    return Verb.UPDATE if entry and look.seen else Verb.CREATE


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
