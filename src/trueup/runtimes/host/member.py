"""What every kind of object has in common: it is looked at, put, judged and removed."""

from dataclasses import dataclass
from typing import Protocol

from trueup.model.contracts import Desired
from trueup.model.health import Health
from trueup.model.manifest import Key, Manifest
from trueup.model.plan import Change, Effect
from trueup.runtimes.host.manifests import Document
from trueup.runtimes.host.record import Entry


@dataclass(frozen=True, slots=True)
class Wanted:
    """One desired object of an application: as it was written, and as it was understood. ``uses`` are the objects that it needs."""

    desired: Desired
    manifest: Manifest
    document: Document
    uses: "tuple[Wanted, ...]" = ()

    @property
    def key(self) -> Key:
        """Its key."""
        return self.manifest.key

    @property
    def application(self) -> str:
        """The application that declares it."""
        return self.desired.application.name


@dataclass(frozen=True, slots=True)
class Look:
    """What is there, against what is desired. ``seen``: a digest of it, empty when nothing is there. ``same``: nothing needs to be done.

    ``paths``: where the object is, or will be. ``foreign``: something is there that no entry of ours explains.
    """

    seen: str
    same: bool
    changes: tuple[Change, ...] = ()
    effect: Effect = Effect.NONE
    reason: str = ""
    paths: tuple[str, ...] = ()


class Member(Protocol):
    """One kind of object. Looking blocks on the disk and runs in a thread; acting waits, and is async."""

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        """Compare what is there with what is desired. Raises Refused."""

    def glance(self, owner: str, entry: Entry) -> Look:
        """What is there of an object that is no longer desired. Raises Refused."""

    async def put(self, wanted: Wanted, entry: Entry) -> Entry:
        """Make it so; gives what is to be recorded. Raises Refused, OSError."""

    async def remove(self, owner: str, entry: Entry) -> None:
        """Take it away. Raises Refused, OSError."""

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        """How it does, at that version where one is given."""
