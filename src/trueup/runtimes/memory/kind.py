"""The kind of target that remembers, before one is opened."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from trueup.model.application import Declared, Duration, Target, seconds_of
from trueup.model.contracts import Objection, Place
from trueup.model.errors import SettingsError
from trueup.model.health import State
from trueup.model.manifest import Body, Manifest
from trueup.runtimes.memory.runtime import MemoryRuntime
from trueup.runtimes.memory.world import World, secret_fields

OWN_GROUP = "memory.trueup.dev"


class Specification(Declared):
    """What may stand in the ``spec`` of a memory target."""

    model_config = ConfigDict(title="memory target")

    file: str = Field("", examples=["shared.memory"])
    """Where it is remembered, below the runtime's own folder in the state; two targets that name the same file share a world. Left out: a
    file for each target."""
    delay: Duration = 0.0
    """What each write takes."""

    @field_validator("file")
    @classmethod
    def _stays_below(cls, file: str) -> str:
        path = Path(file)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("write a file name, or a path below the runtime's own folder")
        return file


class Memory:
    """Takes manifests of any kind; their ``spec.health``, ``healthyAfter``, ``refuse`` and ``immutable`` steer what becomes of them."""

    name = "memory"
    Specification: type[BaseModel] = Specification

    def check(self, manifest: Manifest) -> list[Objection]:
        """What is wrong with the fields that mean something here; all others are taken as they come."""
        specification = manifest.body.get("spec")
        if not isinstance(specification, dict):
            return []
        return [*_health_objections(specification), *_duration_objections(specification)]

    def references(self, manifest: Manifest) -> list[str]:
        """``spec.source`` of an object of our own group."""
        specification = manifest.body.get("spec")
        group = str(manifest.body.get("apiVersion", "")).partition("/")[0]
        source = specification.get("source") if isinstance(specification, dict) and group == OWN_GROUP else None
        return [source] if isinstance(source, str) and source else []

    def namespaced(self, body: Body) -> bool:
        """Everything, but the namespaces themselves."""
        return not (body.get("kind") == "Namespace" and body.get("apiVersion") == "v1")

    def secrets(self, body: Body) -> list[tuple[str, ...]]:
        """Every value of a Secret."""
        return secret_fields(body)

    def place_of(self, target: Target) -> str:
        """Its file."""
        return Specification.model_validate(target.spec.options).file or f"{target.home}.memory"

    def permitted(self, target: Target, place: Place) -> None:
        """Raises SettingsError when the file leads out of the runtime's folder by a link."""
        file = _file(target, place)
        if not file.resolve().is_relative_to(place.folder.resolve()):
            message = f"target {target.name} names a file outside of {place.folder}"
            raise SettingsError(message, where=target.file, hint="name a file below the runtime's folder")

    async def open(self, target: Target, place: Place) -> MemoryRuntime:
        """Open the target, which is made when it is not there. Raises Unreachable."""
        specification = Specification.model_validate(target.spec.options)
        return MemoryRuntime(target, World(_file(target, place), target.name), specification.delay)


def _file(target: Target, place: Place) -> Path:
    named = Specification.model_validate(target.spec.options).file
    return place.folder / (named or f"{target.home}.memory")


def _health_objections(specification: dict[str, Any]) -> list[Objection]:
    state = specification.get("health")
    if state is None or state in list(State):
        return []
    return [Objection(("spec", "health"), f"`{state}` is no health", f"write one of {', '.join(State)}")]


def _duration_objections(specification: dict[str, Any]) -> list[Objection]:
    try:
        seconds_of(specification.get("healthyAfter", "0s"))
    except ValueError as error:
        return [Objection(("spec", "healthyAfter"), "`healthyAfter` is no duration", str(error))]
    return []


memory = Memory()
"""What the entry point names. It holds no state: that is in the files of the targets."""
