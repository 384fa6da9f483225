"""What every kind of object has in common: it is looked at, put, judged and removed."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from trueup.model.contracts import Desired
from trueup.model.health import Health
from trueup.model.manifest import Key, Manifest
from trueup.model.plan import Change, Effect
from trueup.runtimes.host.manifests import Directory, Document, File
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
    def outside(self) -> bool:
        """Whether it writes outside of the application's own folder."""
        return isinstance(self.document, File | Directory) and self.document.spec.path.startswith("/")

    def ignores(self, field: str) -> bool:
        """Whether a field (``spec.content``) is left alone once it is there."""
        rules = self.desired.application.spec.ignore
        return any(fnmatchcase(str(self.key), rule.key) and _covers(rule.field, field) for rule in rules if not rule.manager)

    @property
    def application(self) -> str:
        """The application that declares it."""
        return self.desired.application.name


def _covers(rule: str, field: str) -> bool:
    """Whether a rule's field is this one, or one that this one is a part of."""
    return not rule or any(fnmatchcase(part, rule.removeprefix("/").replace("/", ".")) for part in (field, field.partition(".")[0]))


@dataclass(frozen=True, slots=True)
class Look:
    """What is there, against what is desired. ``seen``: a digest of it, empty when nothing is there. ``same``: nothing needs to be done.

    ``paths``: where the object is, or will be. ``version``, ``written``, ``algorithm``: what is to be recorded of it.
    """

    seen: str
    same: bool
    changes: tuple[Change, ...] = ()
    effect: Effect = Effect.NONE
    reason: str = ""
    paths: tuple[str, ...] = ()
    version: str = ""
    written: str = ""
    algorithm: str = "sha1"


class Member(Protocol):
    """One kind of object. Looking blocks on the disk and runs in a thread; acting waits, and is async."""

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        """Compare what is there with what is desired. Raises Refused."""

    def glance(self, owner: str, entry: Entry) -> Look:
        """What is there of an object that is no longer desired. Raises Refused."""

    async def put(self, wanted: Wanted, entry: Entry) -> None:
        """Make it so. Raises Refused, OSError."""

    async def remove(self, owner: str, entry: Entry) -> None:
        """Take it away. Raises Refused, OSError."""

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        """How it does, at that version where one is given."""
