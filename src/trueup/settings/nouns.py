"""The operator's settings as nouns: frozen, checked, and with no secret in them but by its name."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from trueup.model.application import Duration
from trueup.model.errors import SettingsError
from trueup.model.secret import Secret
from trueup.model.source import Repository
from trueup.toolkit.git.remote import Credentials, Remote, identity, remote
from trueup.toolkit.sources.allowed import Allowed

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, None: 1}


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


class EntrySetting(TokenSetting):
    """How one gets in somewhere: by a name and a token, or by an SSH key with the hosts that are known."""

    username: str = ""
    ssh_key: FileName = ""
    known_hosts: FileName = ""

    def credentials(self) -> Credentials | None:
        """All of it; None where nothing is set. Raises SettingsError for a token that is not there."""
        token = self.token()
        if not (token or self.username or self.ssh_key or self.known_hosts):
            return None
        return Credentials(self.username, token.reveal() if token else "", self.ssh_key, self.known_hosts)


class RepositorySettings(EntrySetting):
    """A repository that is followed.

    ``poll`` is the pause between two looks, in seconds. ``rewind``: what to do when the branch was rewritten. ``signing_keys`` are OpenSSH
    public keys; where there are any, every commit must be signed with one of them.
    """

    url: str = Field(repr=False, min_length=1)
    branch: str = ""
    path: str = ""
    poll: Duration = Field(30.0, gt=0)
    rewind: Literal["hold", "follow"] = "hold"
    signing_keys: tuple[str, ...] = ()

    @property
    def repository(self) -> Repository:
        """The repository that is meant, by its identity."""
        return Repository(url=identity(self.url), branch=self.branch, path=self.path.strip("/"))

    def remote(self) -> Remote:
        """Where it lives and how one gets in. Raises SettingsError for an address that is not one, or a token that is not there."""
        return remote(self.url, self.credentials())


class SourceSettings(EntrySetting):
    """What renders may take from outside of their repository: all whose address begins with ``url``, and how one gets in there."""

    url: str = Field(repr=False, pattern=r"^[a-z0-9+.-]+://")

    def allowed(self) -> Allowed:
        """As the cache of sources wants it. Raises SettingsError for a token that is not there."""
        return Allowed(self.url, self.credentials())


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
