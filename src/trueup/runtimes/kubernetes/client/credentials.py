"""How one proves to an API server who one is: tokens, client certificates, and programs that give either."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from trueup.model.errors import SettingsError, Unreachable
from trueup.model.secret import Secret
from trueup.toolkit.process import Limits, run

# A mounted token is exchanged by the kubelet long before it expires; client-go reads it again as often.
_TOKEN_FILE_SECONDS = 60.0
_EARLY_SECONDS = 30.0
_PLUGIN = Limits(deadline=60.0, output=1024 * 1024)
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate and its key, both PEM."""

    chain: bytes
    key: Secret


@dataclass(frozen=True, slots=True)
class Proof:
    """What is shown to the server with every request, or once for each connection."""

    token: Secret | None = None
    certificate: Certificate | None = None


class Credentials(Protocol):
    """Gives the proof, and a fresh one when the server did not take the last."""

    hint: str
    """What a person can do when the server takes none of it."""

    async def proof(self, fresh: bool = False) -> Proof:
        """Raises SettingsError when there is none to be had, Unreachable when there is none now."""


class Fixed:
    """A token or certificate that stays as it is."""

    def __init__(self, proof: Proof, hint: str = "renew the credentials of this target") -> None:
        self._proof = proof
        self.hint = hint

    async def proof(self, fresh: bool = False) -> Proof:
        """Always the same."""
        return self._proof


class TokenFile:
    """A token in a file that somebody else exchanges, as the kubelet does for a service account."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[float, Proof] | None = None
        self.hint = f"renew the token in {path}"

    async def proof(self, fresh: bool = False) -> Proof:
        """The token as the file holds it, read again each minute."""
        now = time.monotonic()
        if self._read is None or fresh or now - self._read[0] > _TOKEN_FILE_SECONDS:
            try:
                token = self._path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"the token file {self._path} cannot be read", hint="mount it, or correct its path") from error
            if not token:
                raise SettingsError(f"the token file {self._path} is empty", hint=self.hint)
            self._read = now, Proof(Secret(token, f"file {self._path}"))
        return self._read[1]


class Plugin:
    """A program that a kubeconfig names for credentials (``exec``). Its answer is kept until it expires or is refused."""

    def __init__(self, specification: Mapping[str, Any], folder: Path | None) -> None:
        self._command = str(specification.get("command", ""))
        self._arguments = [str(each) for each in specification.get("args") or ()]
        self._environment = {str(each["name"]): str(each["value"]) for each in specification.get("env") or ()}
        self._version = str(specification.get("apiVersion", _EXEC_VERSIONS[0]))
        self._folder = folder
        self._kept: tuple[float, Proof] | None = None
        self.hint = f"sign in again with {self._command}"

    async def proof(self, fresh: bool = False) -> Proof:
        """What the program said, asked again once it is no longer valid."""
        if self._kept is None or fresh or time.time() > self._kept[0] - _EARLY_SECONDS:
            self._kept = await self._ask()
        return self._kept[1]

    async def _ask(self) -> tuple[float, Proof]:
        if self._version not in _EXEC_VERSIONS:
            raise SettingsError(f"{self._command} speaks {self._version}, which is not known", hint=f"use {_EXEC_VERSIONS[0]}")
        question = {"apiVersion": self._version, "kind": "ExecCredential", "spec": {"interactive": False}}
        environment = {**os.environ, **self._environment, "KUBERNETES_EXEC_INFO": msgspec.json.encode(question).decode()}
        command = self._command
        if "/" in command and self._folder is not None:
            command = str(self._folder / command)
        said = await run([command, *self._arguments], environment=environment, limits=_PLUGIN)
        if not said.succeeded:
            raise Unreachable(f"{self._command} gave no credentials", where=self._command, hint=f"run it by hand; {self.hint}")
        try:
            status = msgspec.json.decode(said.out)["status"]
            return _validity(status), _proof(status, self._command)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            message = f"the answer of {self._command} is no ExecCredential"
            raise SettingsError(message, where=self._command, hint="run it by hand, and look at what it prints") from None


def _validity(status: Mapping[str, Any]) -> float:
    text = status.get("expirationTimestamp")
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp() if text else float("inf")


def _proof(status: Mapping[str, Any], command: str) -> Proof:
    token, chain, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    certificate = Certificate(str(chain).encode(), Secret(str(key), f"key of {command}")) if chain and key else None
    if not token and certificate is None:
        raise ValueError("neither a token nor a certificate")
    return Proof(Secret(str(token), f"token of {command}") if token else None, certificate)
