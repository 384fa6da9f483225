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

from trueup.model.manifest import Key

FORMER: Final = "@"
"""Stands between a target's name and the commit up to which it meant another place."""
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


def duration_of(seconds: float) -> str:
    """The other way around: in the largest unit that gives a whole number."""
    thousandths = round(seconds * 1000)
    for unit, size in reversed(_UNITS.items()):
        if thousandths and thousandths % round(size * 1000) == 0:
            return f"{thousandths // round(size * 1000)}{unit}"
    return "0s"


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
    """What a file declares: frozen, written in camelCase, and an unknown key is a fault. What stands below a field is shown by editors."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)


class Metadata(Declared):
    """Name and labels of a declaration."""

    name: Name
    """Unique in its repository: lower-case letters, digits, ``-`` and ``.``, at most 63."""
    labels: dict[str, str] = {}
    """To select by: ``trueup plan -l team=shop``."""
    annotations: dict[str, str] = {}
    """For people and other tools."""


class Ignore(Declared):
    """Fields that are left alone, in plan and in apply."""

    key: str = "*"
    """A glob over the keys of objects, such as ``Deployment.apps/*/web``."""
    field: str = ""
    """The field's path, such as ``spec.replicas``, or a JSON pointer."""
    manager: str = ""
    """Who sets the fields, where the target knows it."""


class DeleteLimit(Declared):
    """A plan is held when it deletes more than ``count`` objects, or more than ``percent`` of at least 4 owned ones."""

    count: int = Field(10, ge=0)
    """The most objects that one plan may delete without an approval."""
    percent: int = Field(50, ge=0, le=100)
    """The most of what the application owns, where it owns at least 4 objects."""


class Retry(Declared):
    """How a target that refused is asked again. One that does not answer is tried for ever."""

    limit: int = Field(5, ge=0)
    """How many refusals are tried again."""
    pause: Duration = Field(5.0, alias="from")
    """The first pause; it doubles from try to try."""
    to: Duration = 300.0
    """The longest pause."""

    def pause_before(self, attempts: int) -> float:
        """How long to wait before the next try, in seconds, when there were so many."""
        return float(min(self.pause * 2 ** min(attempts, 20), self.to))


class Removal(StrEnum):
    """What happens to the objects of an application whose declaration is gone."""

    HOLD = "hold"
    DELETE = "delete"
    KEEP = "keep"


class Policy(Declared):
    """What Trueup may do by itself."""

    sync: Literal["auto", "manual"] = "auto"
    """``manual``: plan, and wait for an approval."""
    prune: bool = True
    """``false``: objects that leave Git stay, Trueup's mark on them goes."""
    self_heal: bool | Literal["strict"] = True
    """``false``: drift is reported, not undone. ``strict``: what a hand added beside what Git says goes too (on Kubernetes)."""
    adopt: bool = False
    """``true``: take over objects that exist and belong to nobody."""
    delete_limit: DeleteLimit = DeleteLimit()
    """A plan that deletes more is held until somebody approves it."""
    removal: Removal = Removal.HOLD
    """What happens when the application's declaration is gone: wait for an approval, ``delete`` its objects, or ``keep`` them."""
    timeout: Duration = 300.0
    """How long it may take until it is healthy."""
    retry: Retry = Retry()
    """How a target that refused is asked again."""
    rollback: Literal["manual", "auto"] = "manual"
    """``auto``: revert when a new revision turns degraded or misses its timeout."""


class Render(BaseModel):
    """Which renderer, and its options: those belong to the renderer, which checks them (``RendererKind.Options``)."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, use_attribute_docstrings=True)

    renderer: str = Field("", alias="with")
    """The renderer. Left out: by what the folder holds (kustomization.yaml, Chart.yaml, compose.yaml, *.jsonnet), else ``plain``."""

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the renderer's name."""
        return dict(self.__pydantic_extra__ or {})


class ApplicationSpec(Declared):
    """What is applied where, and how."""

    target: Name
    """The name of a Target of the same repository."""
    path: str = "."
    """The folder of the manifests, relative to this file; ``/x`` is from the repository's root."""
    namespace: str = ""
    """For namespaced objects that name none."""
    create_namespace: bool = False
    """Declare that namespace too."""
    render: Render = Render()
    """How the folder becomes manifests."""
    depends_on: tuple[Name, ...] = ()
    """Applications of the same repository, on any target, that must be applied and healthy first."""
    ignore: tuple[Ignore, ...] = ()
    """Fields that are left alone, in plan and in apply."""
    policy: Policy = Policy()
    """What Trueup may do by itself."""


class TargetSpec(BaseModel):
    """The runtime; what follows belongs to the runtime, which checks it (``RuntimeKind.Specification``)."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    runtime: str
    """The kind of place; what else may stand here belongs to it."""

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the runtime's name."""
        return dict(self.__pydantic_extra__ or {})


class ApplicationDocument(Declared):
    """A folder of the repository that is rendered to manifests and applied to one target."""

    api_version: Literal["trueup.dev/v1"]
    """Later versions of Trueup read it for ever."""
    kind: Literal["Application"]
    """What is declared."""
    metadata: Metadata
    """Its name, and labels to select it by."""
    spec: ApplicationSpec
    """What is applied where, and how."""


class TargetDocument(Declared):
    """A place where applications run: a cluster, a Docker host, a server, a state backend."""

    api_version: Literal["trueup.dev/v1"]
    """Later versions of Trueup read it for ever."""
    kind: Literal["Target"]
    """What is declared."""
    metadata: Metadata
    """Its name, and labels."""
    spec: TargetSpec
    """Which runtime, and what it must know."""


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

    def names_of(self, key: Key) -> tuple[str, str]:
        """How a rule may name an object: as its manifest does, and in the namespace that it is given."""
        return str(key), str(Key(key.kind, key.name, key.group, key.namespace or self.spec.namespace))


class Target(msgspec.Struct, frozen=True):
    """A declared target. Two repositories may both name a target ``prod``: it is known by repository and name."""

    repository: str
    name: str
    spec: TargetSpec
    file: str
    line: int = 0
    labels: dict[str, str] = {}

    @property
    def home(self) -> str:
        """The name by which a place of its own is found, also of what the target meant before it was pointed elsewhere."""
        return self.name.partition(FORMER)[0]

    def as_of(self, commit: str) -> "Target":
        """What it means up to this commit, under a name of its own that no declaration can have: something of ours still is there."""
        return msgspec.structs.replace(self, name=f"{self.home}{FORMER}{commit[:7]}", file="")

    @property
    def runtime(self) -> str:
        """The name of the runtime that knows this kind of target."""
        return self.spec.runtime
