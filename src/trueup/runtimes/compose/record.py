"""What a project's record volume remembers: under which policy and revision its applications were applied, and what labels cannot say.

Labels are written once. Whose an object is when it was adopted, handed over or let go of, and what was changed at it since it was made, is
here; without the record the labels count.
"""

from collections.abc import Container, Iterable

import msgspec
from msgspec.structs import replace

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.errors import Refused
from trueup.model.manifest import Key
from trueup.model.wire import decode, encode
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.labels import Marks

FILE = "record.json"


class Standing(msgspec.Struct, frozen=True):
    """How an application was last applied, and what was its own then: what takes the place of these is not another's."""

    owner: Owner
    revision: str
    policy: Policy
    keys: tuple[Key, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """What counts for an object instead of its labels, as long as it is made of these very things at the engine.

    ``ids``: containers, or the network or volume. Marks without an owner say that it was let go of.
    """

    key: Key
    ids: tuple[str, ...]
    marks: Marks


class Setback(msgspec.Struct, frozen=True):
    """A version of a service for which what ran was stopped, and which then gave way to it again. ``at`` is a time, for people."""

    key: Key
    version: str
    revision: str
    run: str
    message: str
    at: str


class Record(msgspec.Struct, frozen=True):
    """The record of one project."""

    standings: tuple[Standing, ...] = ()
    entries: tuple[Entry, ...] = ()
    setbacks: tuple[Setback, ...] = ()

    def standing(self, owner: Owner) -> Standing | None:
        """How this application was last applied."""
        return next((each for each in self.standings if each.owner == owner), None)

    def entry(self, key: Key) -> Entry | None:
        """What is said of an object."""
        return next((each for each in self.entries if each.key == key), None)

    def marks(self, key: Key, identity: str, labelled: Marks) -> Marks:
        """What counts for one thing at the engine."""
        entry = self.entry(key)
        return entry.marks if entry and identity in entry.ids else labelled

    def setback(self, key: Key) -> Setback | None:
        """The version of a service that gave way last."""
        return next((each for each in self.setbacks if each.key == key), None)

    def having(self, entry: Entry) -> "Record":
        """The same with this entry."""
        others = [each for each in self.entries if each.key != entry.key]
        return replace(self, entries=tuple(sorted((*others, entry), key=lambda each: each.key)))

    def lacking(self, *keys: Key) -> "Record":
        """The same without what is said of these objects."""
        return replace(self.recovered(*keys), entries=tuple(each for each in self.entries if each.key not in keys))

    def set_back(self, setback: Setback) -> "Record":
        """The same with a version that gave way."""
        others = self.recovered(setback.key).setbacks
        return replace(self, setbacks=tuple(sorted((*others, setback), key=lambda each: each.key)))

    def recovered(self, *keys: Key) -> "Record":
        """The same without the versions of these services that gave way."""
        return replace(self, setbacks=tuple(each for each in self.setbacks if each.key not in keys))

    def standing_so(self, standing: Standing) -> "Record":
        """The same with how this application was applied."""
        others = [each for each in self.standings if each.owner != standing.owner]
        return replace(self, standings=tuple(sorted((*others, standing), key=lambda each: str(each.owner))))

    def without(self, owner: Owner) -> "Record":
        """The same without an application that is gone."""
        return replace(self, standings=tuple(each for each in self.standings if each.owner != owner))

    def still(self, there: Iterable[str], keys: Container[Key]) -> "Record":
        """The same without entries of which nothing is left at the engine, and without what is said of other services than these."""
        present = set(there)
        entries = tuple(each for each in self.entries if not present.isdisjoint(each.ids))
        return replace(self, entries=entries, setbacks=tuple(each for each in self.setbacks if each.key in keys))


async def load(carrier: Carrier) -> Record:
    """The record; an empty one when there is none. Raises Refused when it cannot be read."""
    content = await carrier.read(FILE)
    if not content:
        return Record()
    try:
        return decode(content, Record)
    except (msgspec.DecodeError, ValueError) as error:
        hint = f"delete {FILE} in the volume {carrier.volume}: what it says is found again in labels and in Git"
        raise Refused(f"the record in the volume {carrier.volume} cannot be read: {error}", where=carrier.volume, hint=hint) from error


async def save(carrier: Carrier, record: Record) -> None:
    """Write it."""
    await carrier.write(FILE, encode(record))
