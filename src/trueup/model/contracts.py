"""What a plug-in promises, and what the engine needs of a memory. The engine and its plug-ins meet here and nowhere else.

A *kind* is what an entry point names (``trueup.renderers``, ``trueup.runtimes``): it checks and needs no target. ``RuntimeKind.open``
gives a *runtime* that speaks of one target.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel

from trueup.model.application import Application, Policy, Target
from trueup.model.health import Health
from trueup.model.manifest import Body, Key, Manifest
from trueup.model.plan import Action, Change, Plan
from trueup.model.run import Outcome
from trueup.model.secret import Secret


class Tree(Protocol):
    """The files of one revision, or of a clone as they lie on disk. Paths are POSIX, from the repository's root; ``""`` is the root.

    Every method raises DeclarationError for a link that leaves the tree.
    """

    def kind(self, path: str) -> str | None:
        """``file``, ``folder``, ``submodule``, or None when nothing is there. Links are followed."""

    def object_id(self, path: str) -> str | None:
        """The Git object id of a file, or of a folder with all that is below it; None when nothing is there."""

    def mode(self, path: str) -> int:
        """The Git mode: 0o100644, 0o100755, 0o40000; 0 when nothing is there."""

    def size(self, path: str) -> int:
        """The size of a file in bytes, without reading it where that can be had."""

    def names(self, path: str) -> list[str]:
        """The sorted names in a folder; empty when it is none."""

    def listing_id(self, path: str) -> str | None:
        """A digest of the names and kinds in a folder, not of their content; None when it is no folder."""

    def read(self, path: str, limit: int | None = None) -> bytes:
        """A file's content. Raises DeclarationError: not there, larger than ``limit`` bytes, a submodule, an LFS pointer."""

    def walk(self, path: str) -> Iterable[str]:
        """All files below a folder, sorted."""

    def places(self, path: str) -> tuple[str, ...]:
        """Every link on the way to a path, and at last the place where it leads; without a link only the path itself.
        What is there need not exist."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a render depends on.

    ``files``: path -> object id. ``folders``: path -> id of its listing. ``absent``: paths looked for in vain.
    ``whole``: folders that are taken along with all that is below them -> object id.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    whole: Mapping[str, str] = field(default_factory=dict)


class RendererKind(Protocol):
    """Family 1: files of an application -> manifests.

    One whose manifests depend on where they go is ``TakesFromTarget`` too; one that runs a program may have a property ``program``, which
    says which one, with its version, for the history.
    """

    name: str
    Options: type[BaseModel]
    """The options beside ``with`` in an application's ``render``."""

    @property
    def version(self) -> str:
        """Changes whenever the same inputs may make other manifests. Asked for after a render. May raise SettingsError."""

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        """Whether a folder with these file names, for a target of this runtime, is this renderer's when nothing is declared."""

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        """Which files, listings and absent paths a render of this application will look at. Raises DeclarationError."""

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        """The manifests, without ``sources``. ``tree`` holds the declared inputs and nothing else. Same inputs, same manifests.

        Raises DeclarationError with every fault found.
        """


@runtime_checkable
class TakesFromTarget(Protocol):
    """A renderer whose manifests may depend on the target: the versions of its API, for example."""

    def takes(self, application: Application, tree: Tree) -> frozenset[str]:
        """The options that this render is to be given by the target, where the target offers them. None that the application sets itself,
        and none that this render does not look at: a target that offers something new has every application rendered again that takes."""


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong in a manifest: the field's path in steps, the message, and what to do next.

    ``liftable``: the operator may allow it, without any change in Git, and so every look tries again.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    liftable: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """What Git says of one application at one revision, for one target.

    ``removed``: its declaration is gone (or names another target), and ``manifests`` is empty. ``application`` then is as it was last
    declared, and ``last`` is what it rendered to at the revision that was applied last, as far as that can be had still.
    ``tree`` reads the content of the manifests' sources. ``revision`` is the application's revision, ``run`` the run's id, and ``by_hand``
    says that a person asked for it.
    """

    application: Application
    revision: str
    manifests: tuple[Manifest, ...]
    tree: Tree
    removed: bool = False
    run: str = ""
    last: tuple[Manifest, ...] = ()
    by_hand: bool = False


class Owner(msgspec.Struct, frozen=True):
    """An application at a target: repository identity and name."""

    repository: str
    application: str

    def __str__(self) -> str:
        return f"{self.application} of {self.repository}"

    def name_of(self, other: "Owner") -> str:
        """How another owner is called among the applications of this repository."""
        return other.application if other.repository == self.repository else str(other)

    def reason_to_adopt(self, other: "Owner | None") -> str:
        """What is said of an object that is there already and is another's, or nobody's."""
        if other is None:
            return "exists and belongs to nobody"
        return f"moved from {other.application}" if other.repository == self.repository else f"belongs to {other}"


class Owned(msgspec.Struct, frozen=True):
    """What carries our mark at a target for one application: the revision last written, its objects, and the last declaration's policy."""

    owner: Owner
    revision: str
    keys: tuple[Key, ...]
    policy: Policy


class Moved(msgspec.Struct, frozen=True):
    """An object of an application moved at the target. ``manager`` says who did it, when the target can tell."""

    owner: Owner
    key: Key
    manager: str = ""


class Lost(msgspec.Struct, frozen=True):
    """The watch missed something: look at everything of this target once."""

    reason: str


class Live(msgspec.Struct, frozen=True):
    """An object as it is at the target: its fields in the shape of a manifest (secrets masked), when and by whom it was last written.

    ``untold``: fields of a manifest that this target keeps nothing of, so that nothing follows from their not being in ``body``.
    """

    body: dict[str, object]
    revision: str = ""
    changed_by: tuple["Touch", ...] = ()
    untold: tuple[str, ...] = ()


class Touch(msgspec.Struct, frozen=True):
    """A change at the target that did not come from Trueup: who, when (RFC 3339), and which fields."""

    manager: str
    at: str
    changes: tuple[Change, ...] = ()


class Runtime(Protocol):
    """Family 2: a place where applications run, opened for ONE target. Everything here speaks of that target."""

    async def owned(self) -> list[Owned]:
        """What carries our mark, by repository and application. Raises Unreachable."""

    async def plan(self, desired: Desired) -> Plan:
        """Say what would change; change nothing. Keys of the actions are complete (default namespace, scope).

        What is there and belongs to nobody, or to another application, becomes an action of verb ``adopt`` with ``foreign`` and
        ``owner`` set. Objects owned by the application and no longer desired become ``delete``, after all else (with ``policy.prune``
        false: verb ``update`` with reason ``leaves Git, stays``, which takes our mark off). Raises Unreachable; Refused with every refusal.
        """

    def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        """Carry out a batch of actions that do not depend on each other, and tell each outcome as it comes.
        Doing it twice is doing it once.

        Looks again before each write: an object whose digest is not ``Action.seen`` gives a failed outcome with ``outdated`` set. What was
        refused is a failed outcome with the reason. With no actions it only brings ownership records up to date. Raises Unreachable.
        """

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """The health of these objects, of that very version where one is given (empty: whatever is there); an object that another version
        replaced is never healthy. Looks, and never waits. Raises Unreachable."""

    def watch(self) -> AsyncIterator[Moved | Lost] | None:
        """What moves at the target, for as long as it is read. None when this target cannot tell: then the loop looks at intervals.

        It is called before the first walk there: from then on plans, health and ``owned`` may be answered by what the watch knows.
        """

    async def live(self, owner: Owner, key: Key) -> Live | None:
        """An object as a person wants to see it; None when it is not there."""

    def logs(self, owner: Owner, key: Key, follow: bool) -> AsyncIterator[str]:
        """The log lines of an object, oldest first; with ``follow`` they go on until the caller stops.
        Raises Refused when it keeps no log."""

    async def close(self) -> None:
        """Let go of connections and watches. What runs goes on."""


@runtime_checkable
class HasNamespaces(Protocol):
    """A runtime where an object may name no namespace and is in one all the same."""

    @property
    def namespace(self) -> str:
        """The namespace of an object whose manifest and application name none, so that it is known by another application's name too."""


@runtime_checkable
class Offers(Protocol):
    """A runtime that has something for renders (its kind names it in ``offers``)."""

    async def offers(self) -> dict[str, object]:
        """Option of a render -> what this target gives for it now, as plain data. Raises Unreachable or Refused.

        It is remembered: no render waits for a target that was reached before.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """What the operator gives to a runtime: a folder of its own below the state, the limits that bind targets, and a way to named secrets.

    ``secret`` raises SettingsError for a name that is not set. ``allowed`` holds the operator's settings for this runtime (TOML,
    plain data).
    """

    folder: Path
    secret: Callable[[str], Secret]
    allowed: Mapping[str, object] = field(default_factory=dict)


class RuntimeKind(Protocol):
    """What knows one kind of target, before one is opened.

    One whose targets have something for renders names it in an attribute ``offers``, the options of renders that ``Offers.offers`` gives.
    """

    name: str
    Specification: type[BaseModel]
    """What may stand in a Target's ``spec`` beside ``runtime``."""

    def check(self, manifest: Manifest) -> list[Objection]:
        """What is wrong in a manifest as far as it can be told without any target."""

    def references(self, manifest: Manifest) -> list[str]:
        """Files and folders of the repository that the object takes along, as the manifest writes them (relative to the
        application's folder, ``/x`` from the root). Pure."""

    def namespaced(self, body: Body) -> bool:
        """Whether an object of this kind lives in a namespace, so that ``application.spec.namespace`` completes its key. Pure."""

    def secrets(self, body: Body) -> list[tuple[str, ...]]:
        """The fields of an object that hold secrets, each as a path of keys. Pure; the engine masks them as soon as a render is done."""

    def permitted(self, target: Target, place: Place) -> None:
        """Raises SettingsError when the target names what the operator does not allow. Touches nothing."""

    async def open(self, target: Target, place: Place) -> Runtime:
        """Open the target. Raises Unreachable or SettingsError."""


@runtime_checkable
class HasPlaces(Protocol):
    """A kind of runtime that can tell by two declarations whether they mean the same place.

    What is left behind at a place that a target no longer means is looked after only where its kind can tell.
    """

    def place_of(self, target: Target) -> str:
        """Names the place that a target means: two that mean the same one give the same name. Pure. Raises SettingsError."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Every renderer and runtime that was found, by name."""

    renderers: Mapping[str, RendererKind]
    runtimes: Mapping[str, RuntimeKind]

    def mean_one_place(self, one: Target, other: Target) -> bool | None:
        """Whether two targets mean the same place; None when that cannot be told."""
        if one.runtime != other.runtime:
            return False
        try:
            kind: object = self.runtimes.get(one.runtime)
            return kind.place_of(one) == kind.place_of(other) if isinstance(kind, HasPlaces) else None
        except Exception:  # noqa: BLE001 - a plug-in that breaks, or is not to be had, must not keep a repository from going on
            return None
