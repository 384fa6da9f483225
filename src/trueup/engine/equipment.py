"""What the engine works with: put together once by ``assembly``, handed to whoever walks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from trueup.engine.fetch import Rules
from trueup.engine.offers import TargetOffers
from trueup.engine.render import Renders
from trueup.engine.targets import Targets
from trueup.model.contracts import Kinds
from trueup.model.memory import Lease, Memory
from trueup.model.source import Repository
from trueup.toolkit.clock import SteadyClock
from trueup.toolkit.door import Door
from trueup.toolkit.git.draft import Person
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Following:
    """One repository as the engine works with it: its mirror and what the operator demands of it."""

    repository: Repository
    mirror: Mirror
    rules: Rules
    poll: float = 30.0


@dataclass(frozen=True, slots=True)
class Equipment:
    """The memory behind its one thread (``store``), threads for what computes of an application (``work``) and of a whole repository
    (``steps``; a large one holds up no walk), and everything else that a walk needs.

    ``clock`` says until when a run has time (seconds since the epoch). ``lacking`` finds out, and blocks, what this machine cannot give
    although the operator requires it; ``weaker`` what it gives in a weaker way than it might.
    """

    memory: Memory
    store: Door
    work: Door
    steps: Door
    kinds: Kinds
    renders: Renders
    targets: Targets
    telemetry: Telemetry
    lease: Lease
    following: Callable[[Repository], Following]
    person: Person
    offers: TargetOffers
    clock: Callable[[], float] = field(default_factory=SteadyClock)
    lacking: Callable[[], tuple[str, ...]] = lambda: ()
    weaker: Callable[[], tuple[str, ...]] = lambda: ()
