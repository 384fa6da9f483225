"""An address as people write it becomes a remote: a name without secrets, and the credentials apart from it."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from trueup.model.errors import SettingsError

SCHEMES = frozenset({"file", "git", "http", "https", "ssh"})
"""What may be spoken. Git's own list is longer: ``ext::`` runs any program that a URL names."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::")
_SCP_LIKE = re.compile(r"(?:[^/@:\s]+@)?(?:[^/@:\s]+|\[[0-9A-Fa-f:]+\]):(?!//)\S")
_SECRET_IN_URL = re.compile(r"(?<=://)[^/\s]+@")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How one gets in. For http(s): ``password`` is a password or token; a username alone is for the helpers of the operator's
    Git. For ssh: a private key file and, when the operator keeps them apart, the file of known hosts. Nothing secret of it is ever
    part of a URL, a command line or an error.
    """

    username: str = field(default="", repr=False)  # https://TOKEN@host is a habit of some
    password: str = field(default="", repr=False)
    key_file: str = ""
    known_hosts: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a repository lives. ``url`` is its identity: an absolute path, a URL without credentials, or ``user@host:path``."""

    url: str
    credentials: Credentials | None = None

    @property
    def scheme(self) -> str:
        """One of the schemes that may be spoken; ``file`` for a path, ``ssh`` for ``user@host:path``."""
        return _scheme(self.url)


def identity(url: str, folder: str | None = None) -> str:
    """The name of a repository: ``file://`` and paths as an absolute path, URLs without credentials, all without a trailing slash.

    A relative path starts at ``folder`` (left out: the working folder). The user of an ssh address stays: it is part of the address,
    and no secret.
    """
    scheme = _scheme(url)
    if scheme == "file":
        path = unquote(urlsplit(url).path) if _SCHEME.match(url) else url
        return os.path.abspath(Path(folder or ".") / Path(path).expanduser())  # noqa: PTH100  (links in it stay as people wrote them)
    if not _SCHEME.match(url):
        return url.rstrip("/")
    parts = urlsplit(url)
    user = f"{quote(unquote(parts.username))}@" if scheme == "ssh" and parts.username else ""
    return urlunsplit((scheme, user + _host(parts), parts.path.rstrip("/"), "", ""))


def place(url: str) -> str:
    """Where a repository lives, however its address is written: ``host/path``, or the path on this machine; without ``.git``.

    Two addresses of one place need not be one repository to Git; this only says which are worth a look. Empty for what is no address.
    """
    try:
        name = identity(url)
    except (SettingsError, ValueError):
        return ""
    if _scheme(name) == "file":
        return name.removesuffix(".git")
    if not _SCHEME.match(name):
        host, _, path = name.partition(":")
        return f"{host.rpartition('@')[2].lower()}/{path.strip('/')}".removesuffix(".git")
    parts = urlsplit(name)
    return f"{parts.hostname or ''}{parts.path}".removesuffix(".git")


def remote(url: str, credentials: Credentials | None = None, folder: str | None = None) -> Remote:
    """Take an address apart. Credentials in it count where none are given.

    Raises SettingsError for an address that Git must not be given: another scheme, a helper (``ext::``), one that reads like an option.
    """
    if not url or url.startswith("-") or re.search(r"[\x00-\x1f]", url):
        raise SettingsError("the address of a repository is empty or not one", where=scrub(url), hint=_HINT)
    if _HELPER.match(url) or _scheme(url) not in SCHEMES:
        raise SettingsError(f"{scrub(url)} is not an address that is spoken here", where=scrub(url), hint=_HINT)
    name = identity(url, folder)
    if re.search(r"(^|@|//)-", name):
        raise SettingsError(f"the host in {name} reads like an option", where=name, hint=_HINT)
    return Remote(name, credentials or _credentials_in(url))


def scrub(text: str) -> str:
    """The text without what stands between ``://`` and ``@``."""
    return _SECRET_IN_URL.sub("", text)


_HINT = "write https://, ssh://, git:// or file:// before it, user@host:path for ssh, or a path"


def _scheme(url: str) -> str:
    if match := _SCHEME.match(url):
        return match[1].lower()
    return "ssh" if _SCP_LIKE.match(url) else "file"


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise SettingsError("the port in the address of a repository is not a number", where=scrub(parts.geturl()), hint=_HINT) from error
    return (f"[{host}]" if ":" in host else host) + port


def _credentials_in(url: str) -> Credentials | None:
    if _scheme(url) not in ("http", "https"):
        return None
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return None
    return Credentials(username=unquote(parts.username or ""), password=unquote(parts.password or ""))
