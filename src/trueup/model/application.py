"""What users declare: Applications and Targets, as they are written in ``trueup.yaml``.

The models are the schema: ``trueup schema`` publishes them, and every fault that they find has the path of the field it is about.
"""

import posixpath
import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

API_VERSION: Final = "trueup.dev/v1"
NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds_of(text: object) -> float:
    """``1h30m``, ``500ms`` or ``5s`` in seconds. Raises ValueError."""
    parts = _PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("write a duration such as 500ms, 30s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _duration(value: object) -> object:
    return value if isinstance(value, float) else seconds_of(value)


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(lambda seconds: f"{round(seconds * 1000)}ms", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["30s", "5m"]}),
]
"""Seconds; written as ``500ms``, ``30s``, ``5m``, ``1h30m``."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=63)]


class Declared(BaseModel):
    """What a file declares: frozen, written in camelCase, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Metadata(Declared):
    """Name and labels of a declaration."""

    name: Name
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Ignore(Declared):
    """Fields that are left alone, in plan and in apply. ``key`` and ``field`` are globs; ``manager`` names who sets them."""

    key: str = "*"
    field: str = ""
    manager: str = ""


class DeleteLimit(Declared):
    """A plan is held when it deletes more than ``count`` objects, or more than ``percent`` of at least 4 owned ones."""

    count: int = Field(10, ge=0)
    percent: int = Field(50, ge=0, le=100)


class Retry(Declared):
    """``limit`` counts refusals; the pause doubles from ``from`` up to ``to``."""

    limit: int = Field(5, ge=0)
    pause: Duration = Field(5.0, alias="from")
    to: Duration = 300.0


class Removal(StrEnum):
    """What happens to the objects of an application whose declaration is gone."""

    HOLD = "hold"
    DELETE = "delete"
    KEEP = "keep"


class Policy(Declared):
    """What Trueup may do by itself."""

    sync: Literal["auto", "manual"] = "auto"
    prune: bool = True
    self_heal: bool | Literal["strict"] = True
    adopt: bool = False
    delete_limit: DeleteLimit = DeleteLimit()
    removal: Removal = Removal.HOLD
    timeout: Duration = 300.0
    retry: Retry = Retry()
    rollback: Literal["manual", "auto"] = "manual"


class Render(BaseModel):
    """Which renderer, and its options: those belong to the renderer, which checks them (``RendererKind.Options``)."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    renderer: str = Field("", alias="with")

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the renderer's name."""
        return dict(self.__pydantic_extra__ or {})


class ApplicationSpec(Declared):
    """What is applied where, and how."""

    target: Name
    path: str = "."
    namespace: str = ""
    create_namespace: bool = False
    render: Render = Render()
    depends_on: tuple[Name, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    policy: Policy = Policy()


class TargetSpec(BaseModel):
    """The runtime; what follows belongs to the runtime, which checks it (``RuntimeKind.Specification``)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    runtime: str

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the runtime's name."""
        return dict(self.__pydantic_extra__ or {})


class ApplicationDocument(Declared):
    """A folder of the repository that is rendered to manifests and applied to one target."""

    api_version: Literal["trueup.dev/v1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationSpec


class TargetDocument(Declared):
    """A place where applications run: a cluster, a Docker host, a server, a state backend."""

    api_version: Literal["trueup.dev/v1"]
    kind: Literal["Target"]
    metadata: Metadata
    spec: TargetSpec


class Application(msgspec.Struct, frozen=True):
    """A declared application. ``file`` and ``line`` say where it is declared; ``repository`` is the repository's identity."""

    repository: str
    name: str
    spec: ApplicationSpec
    file: str
    line: int = 0
    labels: dict[str, str] = {}

    @property
    def folder(self) -> str:
        """The folder of its manifests, from the repository's root; empty for the root itself.
        May start with ``..``: the engine refuses that."""
        path = self.spec.path
        joined = posixpath.normpath(path.lstrip("/") or "." if path.startswith("/") else posixpath.join(posixpath.dirname(self.file), path))
        return "" if joined == "." else joined

    @property
    def target(self) -> str:
        """The name of its target."""
        return self.spec.target

    @property
    def policy(self) -> Policy:
        """What Trueup may do by itself with it."""
        return self.spec.policy


class Target(msgspec.Struct, frozen=True):
    """A declared target. Two repositories may both name a target ``prod``: it is known by repository and name."""

    repository: str
    name: str
    spec: TargetSpec
    file: str
    line: int = 0
    labels: dict[str, str] = {}

    @property
    def runtime(self) -> str:
        """The name of the runtime that knows this kind of target."""
        return self.spec.runtime
