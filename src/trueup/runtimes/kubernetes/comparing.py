"""Two states of an object -> what differs, and the digest of what was seen."""

from typing import Any

from trueup.model.contracts import Owner
from trueup.model.manifest import Body, digest_of
from trueup.model.plan import Change
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes.concealing import concealed, is_secret, secret_of, shown
from trueup.runtimes.kubernetes.fields import Managed, beyond, values
from trueup.runtimes.kubernetes.ignoring import Ignored, pruned
from trueup.runtimes.kubernetes.live import LiveObject, comparable
from trueup.runtimes.kubernetes.marks import owner_in
from trueup.runtimes.kubernetes.paths import items
from trueup.runtimes.kubernetes.wanted import Wanted
from trueup.toolkit.difference import changes

_HANDS = "kubectl"


def changes_between(before: Body | None, after: Body, known: frozenset[str]) -> tuple[Change, ...]:
    """The fields that differ. A secret shows as ``(secret)`` on both sides."""
    old = concealed(comparable(before), known) if before else {}
    found = changes(old, concealed(comparable(after), known))
    return tuple(Change(each.path, shown(each.before), shown(each.after)) for each in found)


def declared_changes(wanted: Wanted, live: LiveObject) -> tuple[Change, ...]:
    """What differs in the fields that Git declares, and what is ours and Git no longer says: as far as it can be told without the server's
    own knowledge of defaults and units."""
    known = wanted.known_values
    before, after = concealed(comparable(live.body), known), _by_value(comparable(wanted.body))
    ignored = wanted.ignored(live)
    found = [Change(each.path, shown(each.before), shown(each.after)) for each in changes(_beside(after, before), after)]
    told = {each.path for each in found}
    left = values(beyond(live.ours, wanted.configuration(live.revision, live)), before)
    found += [Change(path, shown(value), None) for path, value in left.items() if path not in told]
    return tuple(each for each in found if not (ignored and ignored(each.path)))


def seen_of(live: LiveObject | None, owner: Owner, wanted: Wanted | None) -> str:
    """A digest of what a plan compares of a live object, with its identity and owner; empty when it is not there.

    Of an object that is ours, what we own, what Git declares, and what a person's ``kubectl`` set; what controllers keep in fields that
    nobody declares (an autoscaler, a certificate injector) does not count, so that a plan which waits for a person stays valid.
    """
    if live is None:
        return ""
    for asked, by, told in live.seen:
        if asked == owner and by is wanted:
            return told
    told = _digest_of(live, owner, wanted)
    live.seen[:] = [(owner, wanted, told)]
    return told


def _digest_of(live: LiveObject, owner: Owner, wanted: Wanted | None) -> str:
    whose = owner_in(live.body)
    known = wanted.known_values if wanted else frozenset()
    # In which version of its kind the server gave it says nothing of the object.
    body = {**concealed(comparable(live.body), known), "apiVersion": ""}
    counted: Any = body if whose != owner else _compared(live, body, wanted, wanted.ignored(live) if wanted else None)
    # The value of a Secret is in no digest, from which it could be guessed: any write to it moves its version.
    lock = live.resource_version if is_secret(live.body) else ""
    return digest_of([live.uid, str(whose or ""), _without_secrets(counted) if lock else counted, lock])


def is_hand(manager: Managed) -> bool:
    """Whether a manager is a person with kubectl."""
    return manager.manager.startswith(_HANDS) and not manager.subresource


def _compared(live: LiveObject, body: Body, wanted: Wanted | None, ignored: Ignored | None) -> list[Any]:
    taken_over = wanted.take_over if wanted else ()
    owned: dict[str, Any] = {}
    for each in live.managers:
        if each.ours or is_hand(each) or each.manager in taken_over:
            owned.update(values(each.fields_v1, body))
    declared = _declared(wanted.body, body) if wanted else None
    if ignored is None:
        return [owned, declared]
    return [{path: value for path, value in owned.items() if not ignored(path)}, pruned(declared, ignored)]


def _declared(wanted: Any, live: Any) -> Any:
    """What is live where Git declares something; lists as a whole, since which item is which only the server knows."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {name: _declared(value, live.get(name)) for name, value in wanted.items() if name != "status"}
    return live


def _beside(wanted: Any, live: Any) -> Any:
    """What is live, without what Git does not speak of."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {name: _beside(value, live[name]) for name, value in wanted.items() if name in live}
    if isinstance(wanted, list) and isinstance(live, list):
        there = dict(items("", live))
        return [_beside(value, there[place]) for place, value in items("", wanted) if place in there] + [
            value for place, value in there.items() if place not in dict(items("", wanted))
        ]
    return live


def _by_value(value: Any) -> Any:
    """The same with secrets that are equal when their values are."""
    if isinstance(value, Secret):
        return secret_of(value.reveal())
    if isinstance(value, dict):
        return {name: _by_value(each) for name, each in value.items()}
    return [_by_value(each) for each in value] if isinstance(value, list) else value


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return None
    if isinstance(value, dict):
        return {name: _without_secrets(each) for name, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value
