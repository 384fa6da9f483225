"""What a watch knows of one kind: every object with our label, packed small, and what a new state of one means."""

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from trueup.model.health import State
from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.watching import body_of
from trueup.runtimes.kubernetes.comparing import seen_of
from trueup.runtimes.kubernetes.concealing import is_secret
from trueup.runtimes.kubernetes.live import LiveObject, comparable
from trueup.runtimes.kubernetes.marks import PART_OF, owner_in

_QUICK: Final = 1
# What was written or moved a moment ago is looked at several times until its application is at rest.
_RECENT: Final = 128


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}


class _Head(msgspec.Struct, frozen=True):
    """As much of an object as tells where it belongs: of fifty thousand, few are ever looked at again."""

    metadata: _Metadata


@dataclass(slots=True)
class Entry:
    """One object: as it was given while it is recent, and packed from then on. ``part_of`` is the set that it is in."""

    item: bytes
    resource_version: str
    part_of: str
    live: LiveObject | None = None
    packed: bytes = b""
    state: State | None = None
    """How well it did when it came, as soon as that was asked."""

    def pack(self) -> None:
        """Make it small."""
        self.packed, self.item, self.live = zlib.compress(self.item, _QUICK), b"", None


@dataclass(frozen=True, slots=True)
class Step:
    """One object before and after; before it was not there, there is None."""

    before: Entry | None
    after: Entry


class Shelf:
    """The objects of one kind. ``judge`` says how well one does."""

    def __init__(self, resource: Resource, judge: Callable[[Body], State]) -> None:
        self._resource = resource
        self._judge = judge
        self._entries: dict[Key, Entry] = {}
        self._recent: OrderedDict[Key, Entry] = OrderedDict()
        self._sets: dict[str, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> LiveObject | None:
        """One object; None when there is none with our label."""
        entry = self._entries.get(key)
        return self._unpacked(entry) if entry else None

    def of_set(self, part_of: str) -> Iterator[LiveObject]:
        """The members of a set."""
        for key in sorted(self._sets.get(part_of, ())):
            yield self._unpacked(self._entries[key])

    def key_of(self, item: bytes) -> Key:
        """The key of an object as a list or a watch gives it."""
        return self._key(msgspec.json.decode(item, type=_Head))

    def put(self, item: bytes, live: LiveObject | None = None) -> Step | None:
        """Take in an object as it is now; None when what is known is as new. What it means is asked apart: few are looked at.

        ``live``: the same, where it is at hand.
        """
        head = msgspec.json.decode(item, type=_Head)
        key, version = self._key(head), head.metadata.resource_version
        old = self._entries.get(key)
        if old is not None and not _is_newer(version, old.resource_version):
            return None
        entry = Entry(item, version, head.metadata.labels.get(PART_OF, ""), live)
        self._forget(key)
        self._entries[key] = self._recent[key] = entry
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)[1].pack()
        self._sets.setdefault(entry.part_of, set()).add(key)
        return Step(old, entry)

    def moved(self, step: Step) -> LiveObject | None:
        """The object, when it moved: when it is new, when what a plan sees of it changed, or its health."""
        after = self._unpacked(step.after)
        if step.before is None:
            return after
        before = self._unpacked(step.before)
        owner = owner_in(after.body) or owner_in(before.body)
        if owner is not None and _is_but_a_status(before, after):
            return after if self._state(step.before, before) is not self._state(step.after, after) else None
        if owner is None or (before.leaving, seen_of(before, owner, None)) != (after.leaving, seen_of(after, owner, None)):
            return after
        return after if self._state(step.before, before) is not self._state(step.after, after) else None

    def drop(self, key: Key) -> bool:
        """An object is gone; whether it was there."""
        return self._forget(key) is not None

    def without(self, keys: Iterable[Key]) -> list[Key]:
        """Every object that is not among these."""
        there = set(keys)
        return [key for key in self._entries if key not in there]

    def _key(self, head: _Head) -> Key:
        return Key(self._resource.kind, head.metadata.name, self._resource.group, head.metadata.namespace)

    def _unpacked(self, entry: Entry) -> LiveObject:
        if entry.live is not None:
            return entry.live
        live = LiveObject(body_of(entry.item or zlib.decompress(entry.packed), self._resource))
        if entry.item:
            entry.live = live
        return live

    def _state(self, entry: Entry, live: LiveObject) -> State:
        if entry.state is None:
            entry.state = self._judge(live.body)
        return entry.state

    def _forget(self, key: Key) -> Entry | None:
        old = self._entries.pop(key, None)
        if old is not None:
            self._recent.pop(key, None)
            members = self._sets[old.part_of]
            members.discard(key)
            if not members:
                del self._sets[old.part_of]
        return old


def _is_but_a_status(before: LiveObject, after: LiveObject) -> bool:
    """Whether only a controller's word on how the object does can have changed: nothing that a plan sees. Most of what is told is that."""
    if is_secret(after.body) or before.leaving != after.leaving or before.uid != after.uid:
        return False
    return comparable(before.body) == comparable(after.body) and _owned(before) == _owned(after)


def _owned(live: LiveObject) -> list[tuple[str, str, object]]:
    return [(each.manager, each.operation, each.fields_v1) for each in live.managers if not each.subresource]


def packed(live: LiveObject) -> bytes:
    """An object as a watch would give it."""
    return msgspec.json.encode(live.body)


def _is_newer(version: str, than: str) -> bool:
    # Versions of one kind are numbers that grow; where a server of another make has none, every state counts as new.
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than
