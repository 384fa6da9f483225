"""Where an engine is, and how it is known to be the right one."""

import os
import re
import ssl
import tempfile
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from trueup.model.errors import SettingsError
from trueup.model.secret import Secret

PLAIN_PORT: Final = 2375
TLS_PORT: Final = 2376
REMOTE_SOCKET: Final = "/var/run/docker.sock"
_LOCAL: Final = ("127.0.0.1", "::1", "localhost")
_HOST: Final = re.compile(r"[A-Za-z0-9_.:%\[\]-]*")


@dataclass(frozen=True, slots=True)
class Access:
    """An engine's address (``unix://``, ``tcp://``, ``ssh://``), and for TLS the authority, our certificate (PEM) and its key."""

    address: str
    authority: str = ""
    certificate: Secret | None = None
    key: Secret | None = None

    @property
    def parts(self) -> SplitResult:
        """The address taken apart."""
        return urlsplit(self.address)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken: where there is an authority or a certificate, and everywhere beyond this machine."""
        return bool(self.authority or self.certificate) or self.parts.hostname not in _LOCAL

    @property
    def url(self) -> str:
        """What requests begin with."""
        if self.parts.scheme != "tcp":
            return "http://engine"
        host = self.parts.hostname or ""
        port = self.parts.port or (TLS_PORT if self.encrypted else PLAIN_PORT)
        return f"{'https' if self.encrypted else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def context(self) -> ssl.SSLContext:
        """How the other side is verified and we are known. Raises SettingsError."""
        try:
            context = ssl.create_default_context(cadata=self.authority or None)
            if self.certificate is not None:
                _load(context, self.certificate, self.key)
        except (ssl.SSLError, ValueError) as error:
            message = f"the certificates for {self.address} cannot be used: {error}"
            raise SettingsError(
                message, where=self.address, hint="give them in PEM, as `docker` reads ca.pem, cert.pem and key.pem"
            ) from None
        return context


def fault_of(address: str) -> str:
    """What is wrong with an engine's address; empty when nothing is."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - whoever asks for it learns whether it is one
    except ValueError as error:
        return str(error)
    if parts.password or parts.query or parts.fragment:
        return "holds more than a place"
    # What begins with a dash would be an option to the ssh program.
    named = bool(parts.hostname) and bool(_HOST.fullmatch(parts.netloc.rpartition("@")[2])) and not parts.netloc.startswith("-")
    if parts.scheme == "unix":
        return "" if parts.path.startswith("/") and not parts.netloc else "needs the absolute path of a socket: unix:///var/run/docker.sock"
    if parts.scheme == "tcp":
        return "" if named and not parts.path.strip("/") and not parts.username else "must be tcp://HOST:PORT"
    if parts.scheme == "ssh":
        return "" if named and not (parts.hostname or "").startswith("-") else "must be ssh://USER@HOST"
    return "must begin with unix://, tcp:// or ssh://"


def _load(context: ssl.SSLContext, certificate: Secret, key: Secret | None) -> None:
    """The standard library reads keys from files only: here from one that nobody else can see, and not for long."""
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{certificate.reveal().rstrip()}\n{key.reveal() if key else ''}".encode())
        context.load_cert_chain(file.name)
