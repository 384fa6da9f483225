"""What the operator sets: a TOML file and ``TRUEUP_*`` become one frozen ``Settings``.

The environment wins over the file, and what the command line says wins over both. A key that nobody knows is an error with its file and
line. Secrets are never written here: only the names of the environment variables or files that hold them.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails

from trueup.model.application import Duration
from trueup.model.errors import SettingsError
from trueup.model.secret import Secret
from trueup.model.source import Repository
from trueup.toolkit.git.remote import Credentials, Remote, identity, remote
from trueup.toolkit.sources.allowed import Allowed
from trueup.toolkit.wording import mending, told, worded

PREFIX: Final = "TRUEUP_"
OPTIONS: Final = frozenset({"TRUEUP_CONFIG", "TRUEUP_REPO", "TRUEUP_BRANCH", "TRUEUP_PATH", "TRUEUP_POLL", "TRUEUP_SERVER"})
"""What the command line reads by itself."""

HINT: Final = "the page `Settings` of the documentation says what may stand there"

TABLES: Final = frozenset({"repositories", "sources", "targets", "secrets"})
"""What a variable writes as a value of TOML."""

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, None: 1}
_TOML_PLACE = re.compile(r" \(at line (\d+), column \d+\)$")
_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if not match:
        raise ValueError("write a size such as 500KiB or 3MiB, or a number of bytes")
    return int(match[1]) * _UNITS[match[2]]


def _located(value: str, info: ValidationInfo) -> str:
    folder = Path((info.context or {}).get("folder", "."))
    return str((folder / Path(value).expanduser()).absolute()) if value else ""


Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
"""Bytes; written as ``3MiB``, ``500KiB`` or a number."""

FileName = Annotated[str, AfterValidator(_located)]
"""A file of this machine; ``~`` is the home folder, and a relative name starts at the folder of the settings file."""


class Setting(BaseModel):
    """What stands in the settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretSource(Setting):
    """Where a secret is: ``env`` names an environment variable, ``file`` a file. Exactly one of them."""

    env: str = ""
    file: FileName = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.env) == bool(self.file):
            raise ValueError("name either `env` or `file`")
        return self

    def read(self) -> Secret:
        """The secret. Raises SettingsError when it is not there or empty."""
        return _secret_in_file(self.file) if self.file else _secret_in_environment(self.env)


class TokenSetting(Setting):
    """A token by the name of the environment variable or of the file that holds it; both empty: there is none."""

    token_env: str = ""
    token_file: FileName = ""

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("name either `token_env` or `token_file`")
        return self

    def token(self) -> Secret | None:
        """The token; None when none is set. Raises SettingsError when it is set and not there."""
        if not self.token_env and not self.token_file:
            return None
        return SecretSource(env=self.token_env, file=self.token_file).read()


class RepositorySettings(TokenSetting):
    """A repository that is followed.

    ``poll`` is the pause between two looks, in seconds. ``rewind``: what to do when the branch was rewritten. ``signing_keys`` are OpenSSH
    public keys; where there are any, every commit must be signed with one of them.
    """

    url: str = Field(repr=False, min_length=1)
    branch: str = ""
    path: str = ""
    poll: Duration = Field(30.0, gt=0)
    rewind: Literal["hold", "follow"] = "hold"
    username: str = ""
    ssh_key: FileName = ""
    known_hosts: FileName = ""
    signing_keys: tuple[str, ...] = ()

    @property
    def repository(self) -> Repository:
        """The repository that is meant, by its identity."""
        return Repository(url=identity(self.url), branch=self.branch, path=self.path.strip("/"))

    def remote(self) -> Remote:
        """Where it lives and how one gets in. Raises SettingsError for an address that is not one, or a token that is not there."""
        token = self.token()
        if not (token or self.username or self.ssh_key or self.known_hosts):
            return remote(self.url)
        return remote(self.url, Credentials(self.username, token.reveal() if token else "", self.ssh_key, self.known_hosts))


class SourceSettings(TokenSetting):
    """What renders may take from outside of their repository: all whose address begins with ``url``, and how one gets in there."""

    url: str = Field(repr=False, pattern=r"^[a-z0-9+.-]+://")
    username: str = ""
    ssh_key: FileName = ""
    known_hosts: FileName = ""

    def allowed(self) -> Allowed:
        """As the cache of sources wants it. Raises SettingsError for a token that is not there."""
        token = self.token()
        if not (token or self.username or self.ssh_key or self.known_hosts):
            return Allowed(self.url)
        return Allowed(self.url, Credentials(self.username, token.reveal() if token else "", self.ssh_key, self.known_hosts))


class Limits(Setting):
    """How much at once and how large.

    ``concurrency``: applications that are walked at once, per target. ``fetches``: repositories that are fetched at once.
    ``render_workers``: threads for what computes, and programs that render at once. ``manifest_size``: of one file that a renderer reads.
    ``fetch_timeout``: of one fetch.
    """

    concurrency: int = Field(8, ge=1)
    fetches: int = Field(8, ge=1)
    render_workers: int = Field(4, ge=1)
    manifest_size: Size = 3 * 1024**2
    source_size: Size = 64 * 1024**2
    fetch_timeout: Duration = Field(1800.0, gt=0)


class Rendering(Setting):
    """How renderers that run a program run it: ``best`` confines it as far as this machine can, ``require`` runs it only confined.

    ``kustomize``, ``helm``: the program; empty: the one on PATH.
    """

    confine: Literal["best", "require"] = "best"
    kustomize: FileName = ""
    helm: FileName = ""


class Identity(Setting):
    """Who makes the commits of a rollback."""

    name: str = "Trueup"
    email: str = "trueup@localhost"


class Retention(Setting):
    """What the history keeps: of each application the newest ``runs``, and all that are younger than ``days``."""

    runs: int = Field(100, ge=1)
    days: int = Field(90, ge=1)


class Log(Setting):
    """How ``serve`` writes its log on standard error."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


def default_state(environment: Mapping[str, str]) -> Path:
    """``$XDG_STATE_HOME/trueup``, or ``~/.local/state/trueup``."""
    home = environment.get("XDG_STATE_HOME", "")
    # The XDG specification has a relative path ignored.
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "trueup"


class Settings(Setting):
    """Everything that the operator sets.

    ``state`` holds history, approvals, mirrors and caches. ``sources``: what renders may take from outside. ``targets``: a runtime's
    name -> what its targets may name, checked by the runtime. ``secrets``: a name -> where it is. ``listen`` is ``HOST:PORT``; empty:
    ``serve`` does not listen. ``trigger`` holds the token of the trigger.
    """

    state: Path
    repositories: tuple[RepositorySettings, ...] = ()
    sources: tuple[SourceSettings, ...] = ()
    targets: dict[str, dict[str, Any]] = {}
    secrets: dict[str, SecretSource] = {}
    limits: Limits = Limits()
    render: Rendering = Rendering()
    identity: Identity = Identity()
    retention: Retention = Retention()
    log: Log = Log()
    listen: str = "127.0.0.1:8420"
    trigger: TokenSetting = TokenSetting()

    @model_validator(mode="after")
    def _address(self) -> Self:
        self.address  # noqa: B018  (raises ValueError)
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen at; None when ``serve`` does not listen."""
        if not self.listen:
            return None
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("`listen` is written HOST:PORT, such as 127.0.0.1:8420")
        return host.strip("[]"), int(port)

    def secret(self, name: str) -> Secret:
        """The secret of this name. Raises SettingsError when it is not set, or not there."""
        if name not in self.secrets:
            hint = f'add [secrets] {name} = {{ env = "NAME" }} or {{ file = "PATH" }} to the settings'
            raise SettingsError(f"no secret named `{name}` is set", hint=hint)
        return self.secrets[name].read()

    def of_repository(self, repository: Repository) -> RepositorySettings:
        """What is set for a repository; the defaults when nothing is."""
        bare = RepositorySettings(url=repository.url, branch=repository.branch, path=repository.path)
        return next((each for each in self.repositories if each.repository == repository), bare)

    def with_repository(self, chosen: RepositorySettings) -> "Settings":
        """The same settings in which this repository is set as given."""
        others = tuple(each for each in self.repositories if each.repository != chosen.repository)
        return self.model_copy(update={"repositories": (chosen, *others)})


def load(file: Path | None, environment: Mapping[str, str], said: Mapping[str, Any]) -> Settings:
    """Settings from a TOML file, the environment, and what the command line said (``{"state": "/var/lib/trueup"}``), in rising order.

    Raises SettingsError with every fault.
    """
    text = _text(file) if file else ""
    written = _parsed(text, file)
    from_environment = _environment(environment, written)
    merged: dict[str, Any] = {"state": str(default_state(environment))}
    for layer in (written, *from_environment.values(), said):
        merged = _merged(merged, layer)
    folder = file.absolute().parent if file else Path.cwd()
    merged["state"] = str((Path.cwd() if "state" in said else folder) / Path(str(merged["state"])).expanduser())
    try:
        return Settings.model_validate(merged, context={"folder": folder})
    except ValidationError as error:
        places = _Places(text, str(file or ""), from_environment)
        raise _fault([places.told(*each) for each in worded(error.errors(include_url=False, include_input=False))]) from None


def _paths(model: type[BaseModel]) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        table = _table(field.annotation)
        yield from ((name, *below) for below in _paths(table)) if table else [(name,)]


def _table(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "_".join(path).upper()


def _environment(environment: Mapping[str, str], written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Variable -> what it sets, nested as in the file."""
    known = {_variable(path): path for path in _paths(Settings)}
    _refuse_mistyped(environment, known, repr(written))
    layers: dict[str, dict[str, Any]] = {}
    for variable, path in known.items():
        if variable in environment:
            text = environment[variable]
            value: Any = _value(variable, text) if path[0] in TABLES else text
            for name in reversed(path):
                value = {name: value}
            layers[variable] = value
    return layers


def _refuse_mistyped(environment: Mapping[str, str], known: Mapping[str, object], written: str) -> None:
    # People name variables of their own TRUEUP_SOMETHING too (the token that `token_env` names): only what reads like a slip is refused.
    for variable in environment:
        if not variable.startswith(PREFIX) or variable in known or variable in OPTIONS or variable in written:
            continue
        if close := difflib.get_close_matches(variable, [*known, *OPTIONS], 1, 0.9):
            raise SettingsError(f"nothing is set by `{variable}`", where=f"environment {variable}", hint=f"did you mean `{close[0]}`?")


def _value(variable: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        hint = f"write it as a value of TOML, such as {PREFIX}SECRETS='{{db = {{env = \"DB_PASSWORD\"}}}}'"
        raise SettingsError("this is no value of TOML", where=f"environment {variable}", hint=hint) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        told = f"the settings cannot be read: {error.strerror}"
        raise SettingsError(told, where=str(file), hint="name another file with --config or TRUEUP_CONFIG") from error
    except UnicodeDecodeError as error:
        raise SettingsError("the settings are not UTF-8", where=str(file), hint="save the file as UTF-8") from error


def _parsed(text: str, file: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _TOML_PLACE.search(message)
        where = f"{file}:{place[1]}" if place else str(file)
        told = f"this is no TOML: {_TOML_PLACE.sub('', message)}"
        raise SettingsError(told, where=where, hint="strings stand in quotes, tables begin with [name]") from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        result[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


class _Places:
    """Finds where a faulty setting was written."""

    def __init__(self, text: str, file: str, from_environment: Mapping[str, Mapping[str, Any]]) -> None:
        self._text = text
        self._file = file
        self._from_environment = from_environment

    def told(self, error: ErrorDetails, words: str) -> tuple[str, str, str]:
        """Message, place and hint; never the value, which may be a secret."""
        path = error["loc"]
        if error["type"] == "extra_forbidden":
            return f"unknown key `{path[-1]}`", self._place(path), _suggestion(path)
        name = ".".join(str(step) for step in path)
        return told(f"`{name}`" if name else "", words), self._place(path or ("listen",)), mending(error)

    def _place(self, path: tuple[int | str, ...]) -> str:
        for variable, layer in self._from_environment.items():
            value: Any = layer
            for step in path:
                value = value.get(step) if isinstance(value, dict) else value
            if value is not None:
                return f"environment {variable}"
        return f"{self._file}:{line}" if (line := _line_of(self._text, path)) else self._file


def _line_of(text: str, path: tuple[int | str, ...]) -> int:
    """The line that sets a path, or that opens the nearest table around it; 0 when it cannot be told."""
    names = [str(step) for step in path if isinstance(step, str)]
    wanted = next((step for step in path if isinstance(step, int)), 0)
    table: list[str] = []
    seen, nearest = -1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            seen += bool(names) and line.strip().startswith("[[") and table[0] == names[0]
            nearest = number if table == names[: len(table)] and seen in (-1, wanted) else nearest
            continue
        key = line.partition("=")[0].strip().strip("\"'")
        if names and [*table, *key.split(".")] == names and seen in (-1, wanted):
            return number
    return nearest


def _suggestion(path: tuple[int | str, ...]) -> str:
    within: dict[str, type[BaseModel]] = {"repositories": RepositorySettings, "sources": SourceSettings, "secrets": SecretSource}
    model = within.get(str(path[0]), Settings) if len(path) > 1 else Settings
    for step in path[:-1]:
        field = model.model_fields.get(str(step))
        model = (_table(field.annotation) if field else None) or model
    close = difflib.get_close_matches(str(path[-1]), model.model_fields, 1)
    return f"did you mean `{close[0]}`?" if close else f"known are {', '.join(model.model_fields)}"


def _fault(faults: list[tuple[str, str, str]]) -> SettingsError:
    if len(faults) == 1:
        return SettingsError(faults[0][0], where=faults[0][1], hint=faults[0][2] or HINT)
    # In the order of the file, as an editor walks through it.
    faults.sort(key=lambda fault: [int(part) if part.isdecimal() else 0 for part in fault[1].rsplit(":", 1)])
    lines = (f"  {where}: {message}" + (f" ({hint})" if hint else "") for message, where, hint in faults)
    return SettingsError("\n".join([f"the settings have {len(faults)} faults", *lines]))


def _secret_in_environment(name: str) -> Secret:
    value = os.environ.get(name, "")
    if not value:
        raise SettingsError(f"the environment variable {name} is not set", hint=f"set {name}, or name another one in the settings")
    return Secret(value, f"env:{name}")


def _secret_in_file(file: str) -> Secret:
    try:
        value = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"a secret cannot be read: {reason}", where=file, hint="check the file's name and who may read it") from None
    if not value:
        raise SettingsError("a secret is empty", where=file, hint="write it into the file")
    return Secret(value, f"file:{file}")
