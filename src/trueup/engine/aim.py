"""What one walk is to make true: what is declared of an application at one target, and what people hold back. Pure."""

from trueup.model.application import FORMER, Application, Policy, Removal
from trueup.model.errors import Fault
from trueup.model.manifest import Key, meant
from trueup.model.memory import Address, Known, Waiting


class Aim:
    """What is wanted at one address. ``at``: a revision that somebody asked for instead of the application's own."""

    def __init__(self, address: Address, known: Known, at: str = "") -> None:
        self.address = address
        self.known = known
        self.at = at

    @property
    def removed(self) -> bool:
        """Its declaration is gone, or names another target."""
        declared = self.known.declared
        return declared is None or declared.application.target != self.address.target

    @property
    def application(self) -> Application | None:
        """As it is declared; when it is going, as it was last applied."""
        if self.removed:
            return self.known.standing.application if self.known.standing else None
        return self.known.declared.application if self.known.declared else None

    @property
    def policy(self) -> Policy:
        """What may be done by itself; of an application whose policy keeps its objects, pruning is off while it goes."""
        application = self.application
        policy = application.policy if application else Policy()
        if self.removed and policy.removal is Removal.KEEP:
            return policy.model_copy(update={"prune": False})
        if self.removed and self.known.declared is not None and not self.left_behind:
            # It moves to another target: what is left here goes once the new place is ready.
            return policy.model_copy(update={"removal": Removal.DELETE})
        return policy

    @property
    def elsewhere(self) -> frozenset[Key] | None:
        """Its objects at the target that it moves to; None when it does not move."""
        declared = self.known.declared
        return frozenset(declared.keys) if declared is not None and self.removed and not self.left_behind else None

    @property
    def left_behind(self) -> bool:
        """Whether it is at a place that its target no longer means. Git says nothing of what becomes of that place."""
        return FORMER in self.address.target

    @property
    def parting(self) -> str:
        """Why it goes, in words."""
        return f"{self.address.target.partition(FORMER)[0]} means another place now" if self.left_behind else "its declaration is gone"

    def waiting(self, kind: str) -> Waiting | None:
        """A hold of this kind on this application."""
        return next((hold for hold in self.known.holds if hold.kind == kind), None)

    @property
    def bad(self) -> Waiting | None:
        """The hold that keeps the application's present revision out."""
        hold = self.waiting("bad revision")
        declared = self.known.declared
        return hold if hold and declared and not self.removed and hold.revision == declared.revision else None

    @property
    def revision(self) -> str:
        """The revision that this walk makes true."""
        if self.at:
            return self.at
        if self.removed:
            return self.known.followed.commit if self.known.followed else ""
        if self.bad:
            return self.bad.good
        return self.known.declared.revision if self.known.declared else ""

    @property
    def digest(self) -> str:
        """The digest of what this walk makes true; empty for another revision than the application's own."""
        declared = self.known.declared
        return declared.digest if declared and not self.removed and self.revision == declared.revision else ""

    @property
    def settled(self) -> bool:
        """Whether what is wanted was applied already, so that any difference is drift."""
        standing = self.known.standing
        if standing is None or not standing.applied or self.removed:
            return False
        return standing.status.revision == self.revision and (not self.digest or standing.digest == self.digest)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong in its declaration or render."""
        declared = self.known.declared
        return declared.faults if declared and not self.removed else ()

    def key(self, text: str) -> Key:
        """The object that is meant: its whole key, or ``Kind/name`` where that is enough. Raises UsageError."""
        declared, standing = self.known.declared, self.known.standing
        there = map(Key.parse, standing.versions) if standing else ()
        return meant(text, {*(declared.keys if declared else ()), *there}, self.address.application)

    def is_overtaken_by(self, fresh: Known) -> bool:
        """Whether something else is wanted by now."""
        declared = fresh.declared
        if self.at:
            return False
        if self.removed:
            return declared is not None and declared.application.target == self.address.target and not declared.absent
        if declared is None or declared.faults:
            return False
        held_back = any(hold.kind == "bad revision" and hold.revision == self.revision for hold in fresh.holds)
        return held_back or (not self.bad and declared.revision != self.revision)

    @property
    def head(self) -> str:
        """The commit that the repository is at."""
        return self.known.followed.commit if self.known.followed else ""
