"""What is seen of an object that is desired or ours, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trueup.model.contracts import Owner
from trueup.model.manifest import Body, Key, digest_of
from trueup.model.plan import Change, Effect
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.images import Image
from trueup.runtimes.compose.labels import Marks
from trueup.runtimes.compose.service import Service


class Deed(StrEnum):
    """What is done to one container, from the least to the most that is felt of it."""

    LEAVE = "leave"
    ADJUST = "adjust"
    """Its networks, limits or restart policy are set while it runs."""
    SIGNAL = "signal"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    CREATE = "create"
    REMOVE = "remove"
    RECREATE = "recreate"


EFFECTS: Mapping[Deed, Effect] = {
    Deed.SIGNAL: Effect.SIGNAL,
    Deed.START: Effect.RESTART,
    Deed.STOP: Effect.RESTART,
    Deed.RESTART: Effect.RESTART,
    Deed.RECREATE: Effect.RECREATE,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One container of a service: its number, its name to be, what is there, what is done, and why."""

    number: int
    name: str
    container: Container | None
    deed: Deed
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """One object. ``seen`` is empty when nothing is there; ``same`` says that it is ours and as Git says.

    ``ids`` are what it is made of at the engine. ``version`` names what is there, for its health to be told of that very version.
    """

    key: Key
    seen: str = ""
    same: bool = False
    owner: Owner | None = None
    mine: bool = False
    changes: tuple[Change, ...] = ()
    effect: Effect = Effect.NONE
    reason: str = ""
    ids: tuple[str, ...] = ()
    version: str = ""
    refusal: str = ""
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class ServiceLook(Look):
    """A service: as it is to be (what is left alone is as it is), its image, and what is done to each container."""

    service: Service | None = None
    image: Image | None = None
    steps: tuple[Step, ...] = ()

    @property
    def containers(self) -> tuple[Container, ...]:
        """What is there of it."""
        return tuple(step.container for step in self.steps if step.container)


@dataclass(frozen=True, slots=True)
class Thing:
    """A network or volume at the engine."""

    identity: str
    body: Body
    marks: Marks


def version_of(ids: tuple[str, ...], marks: Marks) -> str:
    """Names what is there: another one once it was made anew, or changed in place."""
    return digest_of([sorted(ids), marks.digest]) if ids else ""
