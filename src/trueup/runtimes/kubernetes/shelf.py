"""What a watch knows of one kind: every object with our label, packed small, and what a new state of one means."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from trueup.model.health import State
from trueup.model.manifest import Body, Key, digest_of
from trueup.runtimes.kubernetes.concealing import concealed
from trueup.runtimes.kubernetes.live import LiveObject, comparable
from trueup.runtimes.kubernetes.marks import PART_OF, labels

_QUICK: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One object. ``compared`` is a digest of the part that plans compare; ``state`` is its health; ``part_of`` the set it is in."""

    packed: bytes
    resource_version: str
    part_of: str
    compared: str
    state: State

    @property
    def live(self) -> LiveObject:
        """The object itself."""
        return LiveObject(msgspec.json.decode(zlib.decompress(self.packed)))


class Shelf:
    """The objects of one kind. ``judge`` says how well one does."""

    def __init__(self, judge: Callable[[Body], State]) -> None:
        self._judge = judge
        self._entries: dict[Key, Entry] = {}
        self._sets: dict[str, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> LiveObject | None:
        """One object; None when there is none with our label."""
        entry = self._entries.get(key)
        return entry.live if entry else None

    def version(self, key: Key) -> str:
        """The version that is known of an object; empty when none is."""
        entry = self._entries.get(key)
        return entry.resource_version if entry else ""

    def of_set(self, part_of: str) -> Iterator[LiveObject]:
        """The members of a set."""
        for key in sorted(self._sets.get(part_of, ())):
            yield self._entries[key].live

    def put(self, live: LiveObject) -> bool:
        """Take in an object as it is now; whether it moved: in what a plan compares, or in its health. An older state changes nothing."""
        old = self._entries.get(live.key)
        if old is not None and not _is_newer(live.resource_version, old.resource_version):
            return False
        packed = zlib.compress(msgspec.json.encode(live.body), _QUICK)
        compared = digest_of([live.uid, live.leaving, concealed(comparable(live.body))])
        entry = Entry(packed, live.resource_version, str(labels(live.body).get(PART_OF, "")), compared, self._judge(live.body))
        self._forget(live.key)
        self._entries[live.key] = entry
        self._sets.setdefault(entry.part_of, set()).add(live.key)
        return old is None or (old.compared, old.state) != (entry.compared, entry.state)

    def drop(self, key: Key) -> bool:
        """An object is gone; whether it was there."""
        return self._forget(key) is not None

    def without(self, keys: Iterable[Key]) -> list[Key]:
        """Every object that is not among these."""
        there = set(keys)
        return [key for key in self._entries if key not in there]

    def _forget(self, key: Key) -> Entry | None:
        old = self._entries.pop(key, None)
        if old is not None:
            members = self._sets[old.part_of]
            members.discard(key)
            if not members:
                del self._sets[old.part_of]
        return old


def _is_newer(version: str, than: str) -> bool:
    # Versions of one kind are numbers that grow; where a server of another make has none, every state counts as new.
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than
