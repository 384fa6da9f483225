"""What the engine needs of a memory: the queue, the catalog (what Git says), the standings (what runs), the history, and what waits.

Everything here is synchronous and quick; the engine calls it through one thread. Each method is one transaction: it happens whole or not
at all, also when the process is killed in the middle. Two processes may use one memory at a time.
Losing it loses history and approvals, never ownership: that is written at the targets.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from trueup.model.application import Application, Target
from trueup.model.errors import Fault
from trueup.model.health import HealthReport
from trueup.model.manifest import Key
from trueup.model.plan import Change, Hold, Plan
from trueup.model.run import Outcome, Run, Status, Trigger
from trueup.model.source import Repository

CALM: Final = 120.0
"""Drift that was not undone for so long (seconds) starts afresh; the first few times in a row it is undone at once."""
FREE_HEALS: Final = 3


class Address(msgspec.Struct, frozen=True, order=True):
    """The name of a row in the queue: one application at one target, or a repository (the other two empty) that is to be fetched.

    ``repository`` is the repository's identity.
    """

    repository: str
    application: str = ""
    target: str = ""


class Lease(msgspec.Struct, frozen=True):
    """Who walks: host, boot id, process id and its start time; so that an owner that is provably dead loses its leases at once."""

    host: str
    boot: str
    pid: int
    started: int


class Row(msgspec.Struct, frozen=True):
    """A claimed row of the queue. ``want`` is what it was when it was claimed; times are seconds since the epoch."""

    address: Address
    want: int
    due: float
    trigger: Trigger
    attempts: int
    lease_until: float


class Queue(Protocol):
    """One row per name. A wake-up raises ``want`` and lowers ``due``; finishing deletes the row unless ``want`` grew meanwhile."""

    def wake(self, addresses: Iterable[Address], trigger: Trigger, due: float = 0.0, priority: int = 0) -> None:
        """Ask for a walk. Rows that exist keep the earlier ``due``, the higher priority, and the trigger of the higher priority.
        A due of 0 is at once. A leased row is marked too: its walker's ``finish`` will leave it."""

    def claim(self, lease: Lease, now: float, limit: int, kind: str = "application", without: Sequence[tuple[str, str]] = ()) -> list[Row]:
        """Take due rows that nobody holds, most urgent first, for 60 seconds. ``kind``: application or repository.
        ``without``: repository and name of targets whose rows are left."""

    def claim_one(self, address: Address, lease: Lease, now: float) -> Row | None:
        """Take this row, made if need be, whatever its ``due``; None when somebody else holds it."""

    def renew(self, row: Row, lease: Lease, now: float) -> bool:
        """Hold it for 60 seconds more. False: the lease was lost, the walk must stop."""

    def finish(self, row: Row, lease: Lease) -> bool:
        """Delete the row; when ``want`` grew meanwhile, free it and leave it due. True when it is gone."""

    def postpone(self, row: Row, lease: Lease, due: float, attempts: int) -> None:
        """Free the row until ``due``; at once when ``want`` grew meanwhile."""

    def free(self, lease: Lease) -> int:
        """Give back all rows of this owner, due at once (a graceful stop). How many there were."""

    def free_dead(self, alive: Lease) -> int:
        """Give back the rows of owners that are provably dead: of this host with another boot id, or whose process is gone or is
        another one."""

    def next_due(self, kind: str = "application", after: float = -1.0) -> float | None:
        """When the next free row is due that is due after this moment; None when there is none."""

    def pending(self, repository: str = "") -> list[Address]:
        """Every row that is there."""

    def waiting(self) -> int:
        """How many applications have a row; none of them is read for it."""

    def moved(self) -> int:
        """A number that changes when another process has written (SQLite: ``PRAGMA data_version``)."""

    def written_at(self) -> float:
        """When anybody wrote last, this process included (seconds since the epoch); costs next to nothing, and waits for nobody."""


class Input(msgspec.Struct, frozen=True):
    """One input of an application's render. ``kind``: file, folder (its listing), absent, whole (a folder with all below it), mode (of a
    file that objects take along), link (one on the way to another input; its ``object_id`` is the place where it leads), or target (what
    its target offered; its ``path`` is ``//target/NAME``, which no file has)."""

    kind: str
    path: str
    object_id: str = ""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """An application as the catalog knows it.

    ``revision`` is the application's revision as of the head; ``exact`` is false until the walk of the history has found it.
    ``digest`` covers all inputs and the declaration; the render cache is keyed by it. ``keys`` are what it renders to, and ``renderer``
    says by what: the renderer, or its program, and the version.
    ``faults``: its declaration or its render is wrong at the head; everything else then is as it was when it last was right.
    ``absent``: it is not declared any more, but nothing may be concluded from that yet.
    """

    application: Application
    revision: str
    exact: bool = True
    digest: str = ""
    renderer: str = ""
    keys: tuple[Key, ...] = ()
    faults: tuple[Fault, ...] = ()
    absent: bool = False


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that is followed.

    ``commit`` is the head that the catalog describes; ``head`` is the newest commit that was seen, which a hold keeps out.
    ``reference`` is the full name of the branch or tag; ``faults`` are all that are in the declarations at ``commit``.
    ``error`` says why the last fetch failed, and is empty when it did not.
    """

    repository: Repository
    commit: str = ""
    head: str = ""
    reference: str = ""
    faults: tuple[Fault, ...] = ()
    hold: Hold | None = None
    error: str = ""
    fetched_at: float = 0.0
    inexact: bool = False
    """The history is longer than was walked: some applications have the head as their revision until the rest of it was."""
    awaits: bool = False
    """Something that a render takes from outside of the repository could not be had: the next look tries it again."""


class Advance(msgspec.Struct, kw_only=True):
    """The step of a catalog to a new head, all of it in one transaction.

    ``files``: declaration file -> blob id, None when it is gone. ``applications``: new or changed, each with its inputs.
    ``revisions``: name -> (revision, exact) of those for which nothing else changes. ``removed``: names that are not declared any more.
    ``targets`` are written, ``removed_targets`` forgotten; ``repointed``: target -> the name of what it meant before, where everything
    that stands at it stands too from now on, and is walked at both; ``wake`` is put into the queue.
    """

    followed: Followed
    files: dict[str, str | None] = {}
    applications: list[tuple[Declared, tuple[Input, ...]]] = []
    revisions: dict[str, tuple[str, bool]] = {}
    removed: list[str] = []
    targets: list[Target] = []
    removed_targets: list[str] = []
    repointed: dict[str, str] = {}
    wake: list[Address] = []
    trigger: Trigger = Trigger.POLL
    replace: bool = False
    """Everything that the catalog knew of this repository is dropped first."""


class Outline(msgspec.Struct, frozen=True):
    """As much of a declared application as checks across files need."""

    name: str
    file: str
    target: str
    depends_on: tuple[str, ...] = ()
    absent: bool = False
    faulty: bool = False


class Catalog(Protocol):
    """What Git says, as of the commit that the catalog describes. Reads cost what they return."""

    def follow(self, followed: Followed) -> None:
        """Write the repository's row, and nothing else of it."""

    def followed(self, repository: str) -> Followed | None:
        """The repository's row."""

    def repositories(self) -> list[Followed]:
        """All that were ever followed with this memory."""

    def advance(self, step: Advance) -> None:
        """Step to a new head."""

    def files(self, repository: str) -> dict[str, str]:
        """Declaration file -> blob id."""

    def touched(self, repository: str, paths: Sequence[str]) -> list[tuple[str, Input]]:
        """(application, input) for every input at one of these paths."""

    def inputs(self, repository: str, application: str) -> tuple[Input, ...]:
        """All inputs of an application."""

    def declared(self, repository: str, application: str) -> Declared | None:
        """One application."""

    def applications(self, repository: str, names: Sequence[str] | None = None, after: str = "", limit: int = 0) -> list[Declared]:
        """Applications by name, in the order of names; ``after`` and ``limit`` page (0: all)."""

    def outlines(self, repository: str) -> list[Outline]:
        """Every application, in outline."""

    def dependents(self, repository: str, application: str) -> list[Address]:
        """Who names it in ``dependsOn``."""

    def target(self, repository: str, name: str) -> Target | None:
        """One target."""

    def targets(self, repository: str) -> list[Target]:
        """All targets."""

    def declaring(self, repository: str, target: str, keys: Sequence[Key]) -> dict[Key, tuple[str, ...]]:
        """Which applications of the repository render which of these keys for that target. A key in ``ANY_NAMESPACE`` stands for all that
        name one."""

    def rendered(self, digest: str) -> bytes | None:
        """What the render of this digest gave, when it is remembered."""

    def remember_render(self, digest: str, manifests: bytes) -> None:
        """Keep a render that holds no secret. Old ones that no application refers to are dropped now and then."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one application stands at one target.

    ``application`` is as it was last applied: its policy rules what becomes of it when its declaration goes. ``revision`` and ``digest``
    are what was last applied; ``versions`` name what the last run wrote, by key (empty: whatever is there); ``drift`` is what differs and
    is not undone; ``applied`` is true once everything of ``revision`` was applied without a failure; ``deadline`` (seconds since the
    epoch) is when the active run must be healthy.
    """

    application: Application
    status: Status
    digest: str = ""
    applied: bool = False
    versions: dict[str, str] = {}
    health: HealthReport = HealthReport()
    drift: tuple["Drifted", ...] = ()
    deadline: float = 0.0
    good: str = ""
    """The last revision at which a run was healthy."""
    refusals: int = 0
    """How often the target refused something of the run that has not ended."""
    refused: str = ""
    rests_until: float = 0.0
    """The repository's commit when something was refused last, and until when (seconds since the epoch) only another commit or a person has
    it tried again."""
    heals: int = 0
    healed_at: float = 0.0
    """How often drift was undone in a row, and when last (seconds since the epoch): two who fight over an object are slowed down."""

    def healed_lately(self, now: float) -> bool:
        """Whether drift that comes now is one more in a row."""
        # A clock that was set back may have the last time in the future.
        return 0 <= now - self.healed_at < CALM

    def heal_pause(self, now: float) -> float:
        """How long drift is left before it is undone again, in seconds: nothing for the first three in a row."""
        if not self.healed_lately(now) or self.heals < FREE_HEALS:
            return 0.0
        wait: float = min(0.5 * 2.0 ** (self.heals - FREE_HEALS), CALM / 2)
        return max(0.0, self.healed_at + wait - now)


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """An object that differs from what was last applied, though Git did not change. ``since`` is RFC 3339;
    ``by`` is who, when it is known."""

    key: Key
    changes: tuple[Change, ...] = ()
    by: str = ""
    since: str = ""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that a person made or can lift. Empty ``target``: at every target; empty ``application``: the whole repository.

    ``kind``: paused, approval, bad revision, rewound, unsigned, removal. ``digest`` is what an approval is for;
    ``revision`` the bad one and ``good`` the one that stays meanwhile; ``commit`` the revert commit, when one was pushed.
    """

    repository: str
    application: str = ""
    target: str = ""
    kind: str
    reason: str = ""
    digest: str = ""
    revision: str = ""
    good: str = ""
    commit: str = ""
    run: str = ""
    actor: str = ""
    at: str = ""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a walk of one address starts from, read at one moment."""

    followed: Followed | None
    declared: Declared | None
    standing: Standing | None
    run: Run | None
    """The run that has not ended."""
    plan: Plan | None
    """Its plan."""
    holds: tuple[Waiting, ...] = ()
    approvals: frozenset[str] = frozenset()
    """The digests that were approved."""
    target: Target | None = None
    """The declaration of the target that is walked."""


class History(Protocol):
    """What was done, how things stand, and what waits."""

    def known(self, address: Address) -> Known:
        """Everything that a walk of this address starts from."""

    def begin(self, run: Run, plan: Plan | None, standing: Standing | None = None) -> None:
        """Remember a run, and the standing with it; its plan is kept until it ends."""

    def add_outcomes(self, run: str, outcomes: Sequence[Outcome], standing: Standing | None = None) -> None:
        """Remember outcomes, and the standing with them; a later one of the same key and verb replaces the earlier."""

    def conclude(self, run: Run, standing: Standing | None = None, waiting: Waiting | None = None) -> None:
        """Write the run as it is given (its outcomes too), and with it the standing and the hold that it ended with. A run that has ended
        loses its plan's keeping."""

    def stand(self, standing: Standing) -> None:
        """Write how an application stands."""

    def fall(self, address: Address) -> None:
        """Forget how it stood there: nothing of it is left at that target."""

    def standing(self, address: Address) -> Standing | None:
        """How one application stands."""

    def counts(self) -> list[tuple[str, str, int]]:
        """How many applications stand in each way: (sync, health, how many)."""

    def standings(self, repository: str = "", after: Address | None = None, limit: int = 0) -> list[Standing]:
        """How applications stand, in the order of addresses; pages by ``after`` and ``limit`` (0: all)."""

    def run(self, run: str) -> Run | None:
        """One run, by its id or an unambiguous beginning of it."""

    def runs(self, repository: str = "", application: str = "", before: str = "", limit: int = 50) -> list[Run]:
        """Runs, newest first; ``before`` is the id of the last one of the page before."""

    def hold(self, waiting: Waiting) -> None:
        """Put a hold; one of the same repository, application, target and kind is replaced."""

    def holds(self, repository: str = "", application: str | None = None) -> list[Waiting]:
        """What waits."""

    def lift(self, repository: str, application: str, kinds: Sequence[str], target: str | None = None) -> int:
        """Take away holds of these kinds, at one target or wherever they are. How many there were."""

    def approve(self, address: Address, digest: str, actor: str) -> None:
        """A person approves one plan, by its digest."""

    def withdraw(self, address: Address) -> None:
        """Approvals of this address end: the plan was carried out, or is not needed any more."""

    def retain(self, runs: int, days: int) -> int:
        """Drop ended runs beyond the newest ``runs`` of each application and older than ``days``. How many were dropped."""


class Memory(Queue, Catalog, History, Protocol):
    """All of it, opened."""

    def close(self) -> None:
        """Let go of it."""
