"""A fresh target to test on, and the hands that reach into it past the runtime."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from trueup.model.application import Application, ApplicationSpec, Ignore, Policy, Removal, Target, TargetSpec
from trueup.model.contracts import Desired, Owner, Place, Runtime, RuntimeKind
from trueup.model.errors import SettingsError
from trueup.model.manifest import WAVE_ANNOTATION, Body, Key, Manifest, Origin
from trueup.model.secret import Secret
from trueup.model.source import resolve_path
from trueup.testing.trees import FolderTree

OURS = "https://git.example.org/estate#main"
OTHERS = "https://git.example.org/elsewhere#main"


@dataclass(frozen=True, slots=True)
class Thing:
    """An object as the world has it: ``identity`` is another once it was made anew, ``content`` is whatever can be compared."""

    identity: str
    content: object
    half_made: bool = False
    """Whoever made it was interrupted before it could do anything: the next walk may make it anew."""


World = Mapping[Key, Thing]
"""Everything that is at a target, whoever it belongs to."""


class Ground(ABC):
    """What a runtime's author gives to the contract: how to open a fresh target, what may be put there, and how to reach into it by hand.

    A ground is made for each test, with an empty folder of its own. What a runtime cannot do is said by a hook that gives None.
    """

    kind: ClassVar[RuntimeKind]
    """The kind whose promises are tested."""

    hands_over: ClassVar[bool] = True
    """Whether two applications can name the same object at a target: the first of ``bodies``."""

    patience: ClassVar[float] = 60.0
    """Seconds in which what was applied is healthy, and what moved is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def bodies(self, version: int, prefix: str) -> list[Body]:
        """At least three objects whose names begin with ``prefix``, at version 1 or 2: the same objects, of which the first one differs.

        The first one can be changed and planted by hand, the first two can be deleted by hand.
        """

    @abstractmethod
    async def world(self) -> World:
        """Look at the target without the runtime: everything that is there, by complete key."""

    @abstractmethod
    async def tamper(self, owner: Owner, key: Key) -> None:
        """Change an object by hand, as a person would who does not know Trueup."""

    @abstractmethod
    async def remove(self, owner: Owner, key: Key) -> None:
        """Delete an object by hand."""

    @abstractmethod
    async def plant(self, owner: Owner, body: Body) -> None:
        """Make an object by hand that belongs to nobody, where this application would have it."""

    @abstractmethod
    def unreachable(self) -> AbstractAsyncContextManager[None] | None:
        """Make the target unreachable meanwhile; None where that cannot be."""

    def secret_bodies(self, secret: Secret, prefix: str) -> list[Body] | None:
        """Objects that hold a secret; None when this runtime has none."""
        return None

    async def expose(self, owner: Owner, key: Key, value: str) -> None:
        """Put a value by hand where an object of ``secret_bodies`` holds its secret."""
        raise NotImplementedError

    def refused_body(self, prefix: str) -> Body | None:
        """An object that the target refuses when it is applied; None when it takes everything."""
        return None

    def ignore(self, key: Key) -> Ignore | None:
        """The rule that leaves alone what ``tamper`` changes; None where it cannot be ignored."""
        return None

    def files(self) -> Mapping[str, bytes]:
        """The files of the repository; the application's folder is its name."""
        return {}

    def options(self) -> dict[str, object]:
        """What stands in the target's ``spec`` beside ``runtime``."""
        return {}

    async def open(self) -> Runtime:
        """Open the target."""
        return await self.kind.open(self.target(), self.place())

    @classmethod
    def clear(cls, folder: Path) -> None:
        """Stop what still runs of the grounds in this folder, once a test is over or has failed; nothing, unless a runtime needs it."""
        return

    def target(self) -> Target:
        """The declared target."""
        return Target(OURS, "somewhere", TargetSpec(runtime=self.kind.name, **self.options()), "targets/trueup.yaml")

    def place(self) -> Place:
        """What the operator gives to the runtime."""
        return Place(self.folder / "state", _no_secret)

    def desired(self, application: str, bodies: Sequence[Body], repository: str = OURS) -> Desired:
        """An application with these objects at some revision."""
        tree = FolderTree(self.files())
        declared = Application(repository, application, ApplicationSpec(target="somewhere"), f"{application}/trueup.yaml", 1)
        manifests = tuple(self._manifest(declared, body, number, tree) for number, body in enumerate(bodies, 1))
        return Desired(declared, "1" * 40, manifests, tree, run="0" * 20)

    def version(self, number: int, application: str = "shop") -> Desired:
        """The application at version 1 or 2: the revision is ``111..`` or ``222..``."""
        return as_of(self.desired(application, self.bodies(number, application)), str(number) * 40)

    def _manifest(self, application: Application, body: Body, line: int, tree: FolderTree) -> Manifest:
        file = f"{application.folder}/objects.yaml"
        wave = int(body["metadata"].get("annotations", {}).get(WAVE_ANNOTATION, 0))
        bare = Manifest(Key.of(body), body, Origin(file, line, "1" * 40), wave)
        paths = [resolve_path(application.folder, path, file, line) for path in self.kind.references(bare)]
        return dataclasses.replace(bare, sources={path: tree.object_id(path) or "" for path in paths})


@asynccontextmanager
async def opened(ground: Ground) -> AsyncIterator[Runtime]:
    """The runtime of a ground, closed at the end."""
    runtime = await ground.open()
    try:
        yield runtime
    finally:
        await runtime.close()


def as_of(desired: Desired, revision: str) -> Desired:
    """The same at another revision."""
    return dataclasses.replace(desired, revision=revision)


def under(desired: Desired, policy: Policy) -> Desired:
    """The same under another policy."""
    return _declared(desired, desired.application.spec.model_copy(update={"policy": policy}))


def ignoring(desired: Desired, rules: Iterable[Ignore]) -> Desired:
    """The same with fields that are left alone."""
    return _declared(desired, desired.application.spec.model_copy(update={"ignore": tuple(rules)}))


def without(desired: Desired, number: int) -> Desired:
    """The same without one of its manifests, counted from 0."""
    return dataclasses.replace(desired, manifests=desired.manifests[:number] + desired.manifests[number + 1 :])


def gone(desired: Desired) -> Desired:
    """The same once its declaration is gone, with its removal allowed."""
    return dataclasses.replace(under(desired, Policy(removal=Removal.DELETE)), manifests=(), removed=True)


def owner_of(desired: Desired) -> Owner:
    """Who it is at a target."""
    return Owner(desired.application.repository, desired.application.name)


def keys_of(desired: Desired) -> list[Key]:
    """Its objects, in the order of the manifests."""
    return [manifest.key for manifest in desired.manifests]


def _declared(desired: Desired, spec: ApplicationSpec) -> Desired:
    return dataclasses.replace(desired, application=msgspec.structs.replace(desired.application, spec=spec))


def _no_secret(name: str) -> Secret:
    raise SettingsError(f"no secret is named {name}", hint="set it in the settings")
