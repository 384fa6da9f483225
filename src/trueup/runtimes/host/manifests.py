"""What the host runtime's manifests say, and what is wrong in one as far as it can be told without a target."""

import difflib
import posixpath
import re
import signal
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from trueup.model.application import Declared, Duration, Name
from trueup.model.contracts import Objection
from trueup.model.manifest import Body, Key, Manifest
from trueup.model.secret import Secret
from trueup.toolkit.wording import mending, speaks_of_field, wording

API_VERSION: Final = "host.trueup.dev/v1"

_SIZE = re.compile(r"(\d+)(B|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _path(value: str) -> str:
    normal = posixpath.normpath(value)
    if not value or "\0" in value or normal == ".." or normal.startswith("../"):
        raise ValueError("the path leaves the application's folder")
    return normal


def _file_path(value: str) -> str:
    if value.endswith("/") or _path(value) == ".":
        raise ValueError("name a file or a folder below the application's folder")
    return _path(value)


def _mode(value: object) -> object:
    if isinstance(value, int):
        raise ValueError('write the mode as text, such as "0640"')
    return value


def _signal(value: str) -> str:
    name = value if value.startswith("SIG") else f"SIG{value}"
    if name not in signal.Signals.__members__:
        raise ValueError(f"`{value}` is not a signal")
    return name


def _size(value: object) -> object:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * _UNITS[found[2] or ""] if found else value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"it is not a regular expression: {error}") from None
    return value


def _key(value: str) -> str:
    kind, _, name = value.partition("/")
    if kind not in KINDS or not name:
        raise ValueError("write Kind/name, such as File/settings")
    return value


def _text(value: object) -> str | Secret:
    if not isinstance(value, str | Secret):
        raise ValueError("write text: in quotes when it looks like a number or a boolean")
    return value


Text = Annotated[str | Secret, PlainValidator(_text)]
FilePath = Annotated[str, AfterValidator(_file_path)]
Signal = Annotated[str, AfterValidator(_signal)]
Command = Annotated[tuple[str, ...], Field(min_length=1)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=4096)]
Globs = tuple[str, ...]


class Spec(Declared):
    """What the ``spec`` of every kind has in common: a ``Secret`` may stand where text does."""

    model_config = ConfigDict(arbitrary_types_allowed=True)


class DirectorySpec(Spec):
    """A folder of the repository, as a whole. Files in it that are not in Git are drift, except what ``keep`` matches."""

    source: str
    path: FilePath
    keep: Globs = ()


class FileSpec(Spec):
    """One file, with its content here or from a file of the repository."""

    path: FilePath
    content: Text | None = None
    source: str | None = None
    mode: Annotated[str, BeforeValidator(_mode), Field(pattern=r"^0?[0-7]{3,4}$")] | None = None
    secret: bool = False

    @model_validator(mode="after")
    def _one(self) -> "FileSpec":
        if (self.content is None) == (self.source is None):
            raise ValueError("a File needs either `content` or `source`")
        return self

    @property
    def hidden(self) -> bool:
        """Whether its content must never be shown."""
        return self.secret or isinstance(self.content, Secret)

    @property
    def bits(self) -> int:
        """The file's mode. What is secret is for its owner alone, unless the manifest says otherwise."""
        return int(self.mode, 8) if self.mode else 0o600 if self.hidden else 0o644


class NamedSecret(Spec):
    """A value that the operator set under a name."""

    secret: str


Entry = Annotated[
    Annotated[Text, Tag("text")] | Annotated[NamedSecret, Tag("named")],
    Discriminator(lambda value: "named" if isinstance(value, dict | NamedSecret) else "text"),
]
"""An entry of an environment: text, or ``{secret: NAME}``."""


class Use(Spec):
    """An object that a service needs, and what a change of it does to the service."""

    object: Annotated[str, AfterValidator(_key)]
    on_change: Literal["restart", "reload"] = "restart"
    signal: Signal = "SIGHUP"


def _use(value: object) -> object:
    return {"object": value} if isinstance(value, str) else value


Uses = tuple[Annotated[Use, BeforeValidator(_use)], ...]


class Readiness(Spec):
    """When a service is ready; one of ``http``, ``tcp``, ``command``, ``logLine``, or none: when it has run for a second."""

    http: str | None = None
    tcp: str | int | None = None
    command: Command | None = None
    log_line: Annotated[str, AfterValidator(_pattern)] | None = None
    interval: Annotated[Duration, Field(ge=0.05)] = 0.5
    timeout: Annotated[Duration, Field(gt=0)] = 30.0

    @model_validator(mode="after")
    def _one(self) -> "Readiness":
        if len([way for way in (self.http, self.tcp, self.command, self.log_line) if way is not None]) > 1:
            raise ValueError("a readiness has one of `http`, `tcp`, `command` and `logLine`")
        self.address()
        return self

    def address(self) -> tuple[str, int, str] | None:
        """Host, port (0: the service's own ``port: auto``) and path of what is asked; None when nothing is. Raises ValueError."""
        if self.http is not None:
            return _http_address(self.http)
        return None if self.tcp is None else _tcp_address(str(self.tcp))


def _http_address(text: str) -> tuple[str, int, str]:
    parts = urlsplit(re.sub(r"\$(PORT|\{PORT\})", "0", text))
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("`http` takes an http URL of this machine, such as http://127.0.0.1:8080/; for https use `tcp` or `command`")
    port = 80 if parts.port is None else parts.port
    return parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _tcp_address(text: str) -> tuple[str, int, str]:
    host, _, port = re.sub(r"\$(PORT|\{PORT\})", "0", text).rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ValueError("`tcp` takes a port or an address, such as 127.0.0.1:5432")
    return host.strip("[]") or "127.0.0.1", int(port), ""


class Stop(Spec):
    """How a service is asked to end, and how long it may take before it is killed."""

    signal: Signal = "SIGTERM"
    timeout: Annotated[Duration, Field(ge=0)] = 10.0


class Logs(Spec):
    """How much of a log is kept: the present file and ``keep`` older ones, of ``size`` bytes each."""

    size: Size = 10 * 2**20
    keep: Annotated[int, Field(ge=0, le=100)] = 2


class Run(Spec):
    """What a service and a job have in common."""

    command: Command
    working_directory: FilePath | Literal["."] = "."
    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Entry] = Field(default_factory=dict)
    user: str | None = None
    uses: Uses = ()
    stop: Stop = Stop()
    log: Logs = Logs()


class ServiceSpec(Run):
    """A process that is kept running."""

    readiness: Readiness = Readiness()
    update: Literal["stopFirst", "startFirst"] = "stopFirst"
    port: Literal["auto"] | None = None
    restart: Literal["always", "onFailure", "never"] = "always"

    @model_validator(mode="after")
    def _fits(self) -> "ServiceSpec":
        own_sign = self.readiness.command is not None or self.readiness.log_line is not None
        if self.update == "startFirst" and not own_sign and not self.port:
            raise ValueError("startFirst needs readiness by `command` or `logLine`, or `port: auto` with the number from $PORT")
        address = self.readiness.address()
        if address and address[1] == 0 and not self.port:
            raise ValueError("$PORT in a readiness needs `port: auto`")
        return self


class JobSpec(Run):
    """A command that runs once per content."""

    timeout: Annotated[Duration, Field(gt=0)] = 300.0
    retry_unknown: bool = False


class Metadata(Spec):
    """The name, and what is said about the object."""

    name: Name
    namespace: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Directory(Spec):
    """A folder of the repository, exchanged atomically."""

    api_version: Literal["host.trueup.dev/v1"]
    kind: Literal["Directory"]
    metadata: Metadata
    spec: DirectorySpec


class File(Spec):
    """One file."""

    api_version: Literal["host.trueup.dev/v1"]
    kind: Literal["File"]
    metadata: Metadata
    spec: FileSpec


class Service(Spec):
    """A process that is kept running."""

    api_version: Literal["host.trueup.dev/v1"]
    kind: Literal["Service"]
    metadata: Metadata
    spec: ServiceSpec


class Job(Spec):
    """A command that runs once per content."""

    api_version: Literal["host.trueup.dev/v1"]
    kind: Literal["Job"]
    metadata: Metadata
    spec: JobSpec


Document = Directory | File | Service | Job
KINDS: Final[dict[str, type[Document]]] = {"Directory": Directory, "File": File, "Service": Service, "Job": Job}


def read(manifest: Manifest) -> Document:
    """The manifest as one of our kinds. Raises ValidationError, or KeyError for a kind that we do not know."""
    return KINDS[manifest.body["kind"]].model_validate(manifest.body)


def objections(manifest: Manifest) -> list[Objection]:
    """Every fault of one manifest, with the field's path."""
    version, kind = manifest.body.get("apiVersion"), manifest.body.get("kind")
    if version != API_VERSION:
        return [Objection(("apiVersion",), f"`{version}` is not known on a host", f"write `apiVersion: {API_VERSION}`")]
    if kind not in KINDS:
        return [
            Objection(("kind",), f"`{kind}` is not a kind of {API_VERSION}", f"the kinds are {', '.join(KINDS)}{_meant(str(kind), KINDS)}")
        ]
    try:
        read(manifest)
    except ValidationError as error:
        return [_objection(KINDS[kind], fault) for fault in error.errors(include_url=False, include_input=False)]
    return []


def references(manifest: Manifest) -> list[str]:
    """The file or folder of the repository that the object takes along."""
    spec = manifest.body.get("spec")
    source = spec.get("source") if isinstance(spec, dict) and manifest.body.get("kind") in ("File", "Directory") else None
    return [source] if isinstance(source, str) and source else []


def secrets(body: Body) -> list[tuple[str, ...]]:
    """The fields that must never be shown: the content of a File with ``secret: true``."""
    spec = body.get("spec")
    hidden = body.get("kind") == "File" and isinstance(spec, dict) and spec.get("secret") is True and "content" in spec
    return [("spec", "content")] if hidden else []


def used(document: Document) -> dict[Key, Use]:
    """What a service or a job needs, by key."""
    uses: Uses = document.spec.uses if isinstance(document, Service | Job) else ()
    return {Key.parse(use.object): use for use in uses}


def _objection(model: type[BaseModel], fault: ErrorDetails) -> Objection:
    path = tuple(step for step in fault["loc"] if not _is_branch(step))
    if fault["type"] == "extra_forbidden":
        name = str(path[-1])
        known = _fields(model, path[:-1])
        return Objection(
            path, f"`{name}` is not known here", _meant(name, known, "did you mean `{}`?") or f"known are {', '.join(sorted(known))}"
        )
    if fault["type"] == "missing":
        return Objection(path, f"`{path[-1]}` is missing", "")
    words = wording(fault)
    return Objection(path, f"`{path[-1]}` {words}" if path and speaks_of_field(words) else words, mending(fault))


def _is_branch(step: str | int) -> bool:
    """Whether a step is pydantic's name for one branch of a choice, and no field of the manifest."""
    return isinstance(step, str) and (step in ("text", "named", "str", "int", "[key]") or "[" in step)


def _fields(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that are known at a path of a model."""
    for step in path:
        found = next((field for name, field in model.model_fields.items() if step in (name, field.alias)), None)
        below = _model_in(found.annotation) if found else None
        model = below or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _model_in(argument):
            return found
    return None


def _meant(word: str, known: Iterable[str], text: str = "; did you mean `{}`?") -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return text.format(near[0]) if near else ""
