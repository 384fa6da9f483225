"""What needs no second look: objects that were as Git says, and have not moved since."""

from dataclasses import dataclass

from trueup.model.contracts import Owner
from trueup.model.manifest import Key, digest_of
from trueup.runtimes.kubernetes.comparing import seen_of
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.wanted import Wanted


@dataclass(frozen=True, slots=True)
class _Note:
    """What was desired, under which rules, and the digest of what was seen then."""

    desired: str
    rules: str
    seen: str


class Settled:
    """Remembers, for as long as the target is open, how each object was when it was found or made true."""

    def __init__(self) -> None:
        self._notes: dict[tuple[Owner, Key], _Note] = {}

    def holds(self, wanted: Wanted, live: LiveObject) -> bool:
        """Whether neither Git nor the object moved: then not even a dry run can say anything new."""
        note = self._notes.get((wanted.marks.owner, wanted.key))
        return note is not None and note == self._note(wanted, live)

    def wants_the_same(self, wanted: Wanted) -> bool:
        """Whether the object was last made true to this very manifest, so that a difference is drift."""
        note = self._notes.get((wanted.marks.owner, wanted.key))
        return note is not None and note.desired == wanted.digest

    def note(self, wanted: Wanted, live: LiveObject) -> None:
        """The object is as Git says."""
        self._notes[wanted.marks.owner, wanted.key] = self._note(wanted, live)

    def forget(self, owner: Owner, key: Key) -> None:
        """The object is gone, or not as it was."""
        self._notes.pop((owner, key), None)

    def _note(self, wanted: Wanted, live: LiveObject) -> _Note:
        rules = digest_of([rule.model_dump(mode="json") for rule in wanted.rules]) if wanted.rules else ""
        return _Note(wanted.digest, rules, seen_of(live, wanted.marks.owner, wanted))
