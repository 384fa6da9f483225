"""Which fields become ours that others set: when an object is taken over from kubectl, and later what a hand added, if that is undone.

Server-side apply takes away what one owned and no longer says. So a field becomes ours in the object's records first, then goes with it.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import msgspec

from trueup.runtimes.kubernetes.client.request import Refusal
from trueup.runtimes.kubernetes.comparing import is_hand
from trueup.runtimes.kubernetes.concealing import LAST_APPLIED
from trueup.runtimes.kubernetes.fields import MANAGER, Fields, Managed, leaves, minus, plus
from trueup.runtimes.kubernetes.hooks import Merging
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import annotations
from trueup.runtimes.kubernetes.paths import Steps, below, path_of, pointer
from trueup.runtimes.kubernetes.wanted import Wanted
from trueup.toolkit.difference import resolve

_KUBECTL_APPLY: Final = ("kubectl-client-side-apply", "before-first-apply")
# What these set was there before the object was ours.
_BEFORE: Final = ("kubectl-create", "before-first-apply")
_NEVER_DRIFT: Final = frozenset(
    {
        below("spec.template.metadata.annotations", "kubectl.kubernetes.io/restartedAt"),
        below("metadata.annotations", LAST_APPLIED),
    }
)


def applied_by_kubectl(live: LiveObject) -> Fields:
    """What ``kubectl apply`` (the client-side one) manages of an object: the fields of its manager that its own note names."""
    try:
        noted = msgspec.json.decode(str(annotations(live.body).get(LAST_APPLIED, "")))
    except msgspec.DecodeError:
        return {}
    note = below("metadata.annotations", LAST_APPLIED)
    taken: Fields = {}
    for each in live.managers:
        if each.manager in _KUBECTL_APPLY and each.operation == "Update":
            taken = plus(taken, selected(each.fields_v1, live.body, lambda path: path == note or resolve(noted, path)[0]))
    return taken


def added_by_hand(live: LiveObject, declared: Fields) -> Fields:
    """What a person's kubectl set and Git does not declare. A restart, and what came through a subresource, is no such thing."""
    added: Fields = {}
    for fields in hands(live, declared).values():
        added = plus(added, fields)
    return added


def hands(live: LiveObject, declared: Fields) -> dict[str, Fields]:
    """The same for each of those who did it."""
    found: dict[str, Fields] = {}
    for each in live.managers:
        if is_hand(each) and each.manager not in _BEFORE and not each.ours:
            fields = selected(minus(each.fields_v1, declared), live.body, lambda path: path not in _NEVER_DRIFT)
            found.update({each.manager: plus(found.get(each.manager, {}), fields)} if fields else {})
    return found


def set_by(live: LiveObject, managers: Collection[str]) -> Fields:
    """Everything that these managers set, but for what came through a subresource."""
    found: Fields = {}
    for each in live.managers:
        if each.manager in managers and not each.subresource and not each.ours:
            found = plus(found, selected(each.fields_v1, live.body, lambda path: not path.startswith("status.")))
    return found


def in_the_way(live: LiveObject, refusal: Refusal) -> Fields:
    """Items that a person's kubectl put into lists of which the server says that they cannot be so.

    An item is known by its key. A hand that changed the key (the port of a Service) has taken ours away and added one of its own, and the
    server, which merges both, may not take them together.
    """
    lists = {_list_of(cause.field) for cause in refusal.causes if cause.field}
    found: Fields = {}
    for each in live.managers:
        if is_hand(each) and not each.ours:
            found = plus(found, selected(each.fields_v1, live.body, lambda path: _unplaced(path).startswith(tuple(lists))))
    return found


def taken_fields(wanted: Wanted, live: LiveObject, declared: Fields, strict: bool) -> Fields:
    """The fields that others set and that become ours before the apply."""
    if wanted.options.merging is Merging.MERGE:
        return {}
    taken = plus({} if wanted.marks.claims(live.body) else applied_by_kubectl(live), set_by(live, wanted.take_over))
    return plus(taken, added_by_hand(live, declared)) if strict else taken


def going(taken: Fields, live: LiveObject, declared: Fields, managers: Collection[str] = ()) -> Fields:
    """The fields that go once ``taken`` is ours: what Git does not declare, and nobody else owns; ``managers`` are nobody then."""
    rest = minus(taken, declared)
    for each in live.managers:
        taken_over = each.manager in (*_KUBECTL_APPLY, *managers) and not each.subresource
        if not each.ours and not is_hand(each) and not taken_over:
            rest = minus(rest, each.fields_v1)
    return rest


def removal(gone: Fields, live: LiveObject) -> list[dict[str, Any]]:
    """The edit that takes these fields out of the object; later items of a list first, so that the others keep their places."""
    steps = sorted(_cuts(gone, live.body), key=lambda each: [(isinstance(step, int), step) for step in each], reverse=True)
    return [{"op": "remove", "path": pointer(each)} for each in steps]


def _cuts(fields: Fields, body: Any) -> Iterator[Steps]:
    """Where to cut: an item that was put into a list goes as a whole."""
    for name, under in fields.items():
        step = next((each[0] for each in leaves({name: {}}, body)), None) if name != "." else None
        if step is None:
            continue
        if not under or (name.startswith("k:") and "." in under):
            yield (step,)
        else:
            yield from ((step, *rest) for rest in _cuts(under, body[step]))


def transfer(live: LiveObject, taken: Fields) -> list[dict[str, Any]]:
    """The edit of the object's records that makes these fields ours."""
    ours = next((each for each in live.managers if each.ours), None)
    kept = [_encoded(_without(each, taken)) for each in live.managers if not each.ours and _owns_more(each, taken)]
    mine = Managed(MANAGER, "Apply", str(live.body["apiVersion"]), ours.time if ours else "", "FieldsV1", plus(live.ours, taken))
    return [{"op": "replace", "path": "/metadata/managedFields", "value": [*kept, _encoded(mine)]}]


def selected(fields: Fields, body: Any, wanted: Callable[[str], bool]) -> Fields:
    """The part of a set whose fields, by their paths in this object, are wanted."""
    return _selected(fields, body, body, (), wanted)


def _selected(fields: Fields, root: Any, body: Any, way: tuple[str | int, ...], wanted: Callable[[str], bool]) -> Fields:
    chosen: Fields = {}
    for name, under in fields.items():
        steps = next(iter(leaves({name: {}}, body)), None) if name != "." else None
        if steps is None:
            continue
        if not under:
            if wanted(path_of(root, (*way, *steps))):
                chosen[name] = {}
        elif part := _selected(under, root, body[steps[0]], (*way, *steps), wanted):
            # An item of a list goes as a whole only when its being there is ours too; that a map is there is no matter of ours.
            chosen[name] = {**({".": {}} if "." in under and name.startswith("k:") else {}), **part}
    return chosen


def _list_of(field: str) -> str:
    """The innermost list that a field is in, or that it is."""
    path = _unplaced(field)
    return path[: path.rindex("[]") + 2] if "[]" in path else f"{path}[]"


def _unplaced(path: str) -> str:
    """The same for every item of a list."""
    return re.sub(r"\[[^\]]*\]", "[]", path)


def _owns_more(manager: Managed, taken: Fields) -> bool:
    """Whether anything but that a map is there is left of what a manager owns."""
    rest = minus(manager.fields_v1, taken)
    return _says_something(rest) if rest != manager.fields_v1 else bool(rest)


def _says_something(fields: Fields) -> bool:
    return any(name.startswith("k:") or not under or _says_something(under) for name, under in fields.items() if name != ".")


def _without(manager: Managed, taken: Fields) -> Managed:
    # What came through a subresource is never taken.
    return manager if manager.subresource else msgspec.structs.replace(manager, fields_v1=minus(manager.fields_v1, taken))


def _encoded(manager: Managed) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "manager": manager.manager,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": manager.fields_v1,
    }
    return {
        **encoded,
        **({"time": manager.time} if manager.time else {}),
        **({"subresource": manager.subresource} if manager.subresource else {}),
    }
