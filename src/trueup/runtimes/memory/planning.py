"""What is desired and what is there become actions. Pure: everything was read before."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trueup.model.application import Ignore, Removal
from trueup.model.contracts import Desired, Owner
from trueup.model.manifest import WAVE_ANNOTATION, Body, Key, digest_of
from trueup.model.plan import Action, Change, Verb
from trueup.model.secret import MASK, Secret
from trueup.runtimes.memory.fields import ignored_fields, pruned
from trueup.runtimes.memory.wanted import Wanted, mapping
from trueup.runtimes.memory.world import Record
from trueup.toolkit.difference import changes
from trueup.toolkit.waves import removal_waves


def actions_of(desired: Desired, wanted: Mapping[Key, Wanted], live: Mapping[Key, Record], leaving: Sequence[Record]) -> Iterator[Action]:
    """One action for each object: what is desired first, then what leaves, in the reverse of the order in which it came."""
    owner = Owner(desired.application.repository, desired.application.name)
    for key, each in wanted.items():
        yield _action(owner, each, live.get(key))
    waves = removal_waves((each.manifest.wave for each in wanted.values()), map(_wave, leaving))
    for record in reversed(leaving):
        yield _leaving(desired, record, waves[_wave(record)])


def seen_of(live: Record | None, rules: Sequence[Ignore]) -> str:
    """A digest of what a plan compares of a live object, its identity and its owner; empty when it is not there."""
    if live is None:
        return ""
    ignored = ignored_fields(live.key, rules, live.entry.touches)
    body = pruned(live.entry.body, ignored) if ignored else live.entry.body
    return digest_of([live.entry.uid, str(live.owner or ""), body, live.entry.sources])


def changes_of(before: Body, after: Body) -> tuple[Change, ...]:
    """The fields that differ. A secret shows as ``(secret)`` on both sides."""
    return tuple(Change(each.path, _shown(each.before), _shown(each.after)) for each in changes(before, after))


def _action(owner: Owner, wanted: Wanted, live: Record | None) -> Action:
    foreign = live is not None and live.owner != owner
    verb, reason = _verb(wanted, live, foreign)
    return Action(
        verb=verb,
        key=wanted.key,
        wave=wanted.manifest.wave,
        reason=reason if not foreign or live is None else owner.reason_to_adopt(live.owner),
        changes=_changes(wanted, live) if verb is not Verb.UNCHANGED else (),
        origin=wanted.manifest.origin,
        seen=seen_of(live, wanted.rules),
        desired=wanted.digest,
        owner=owner.name_of(live.owner) if foreign and live and live.owner else "",
        foreign=foreign,
        allowed=wanted.may_be_replaced,
    )


def _verb(wanted: Wanted, live: Record | None, foreign: bool) -> tuple[Verb, str]:
    if live is None:
        return Verb.CREATE, "it is not there"
    if foreign:
        return Verb.ADOPT, ""
    if not wanted.differs(live):
        return Verb.UNCHANGED, ""
    return (Verb.REPLACE, "spec.immutable cannot change") if wanted.remakes(live) else (Verb.UPDATE, "")


def _leaving(desired: Desired, record: Record, wave: int) -> Action:
    policy = desired.application.policy
    stays = not policy.prune or (desired.removed and policy.removal is Removal.KEEP)
    return Action(
        verb=Verb.UPDATE if stays else Verb.DELETE,
        key=record.key,
        wave=wave,
        reason="leaves Git, stays" if stays else "leaves Git",
        seen=seen_of(record, desired.application.spec.ignore),
    )


def _changes(wanted: Wanted, live: Record | None) -> tuple[Change, ...]:
    fields = changes_of(live.entry.body if live else {}, wanted.beside(live))
    before, after = live.entry.sources if live else {}, wanted.sources
    paths = sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
    return fields + tuple(Change(f'sources["{path}"]', before.get(path), after.get(path)) for path in paths)


def _shown(value: Any) -> Any:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value


def _wave(record: Record) -> int:
    annotation = mapping(mapping(record.entry.body.get("metadata")).get("annotations")).get(WAVE_ANNOTATION, 0)
    try:
        return int(str(annotation))
    except ValueError:
        return 0
