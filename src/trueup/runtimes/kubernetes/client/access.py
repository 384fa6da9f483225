"""A kubeconfig, the service account of a pod, or what a target says itself -> how one gets to a cluster."""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.model.contracts import Place
from trueup.model.errors import DeclarationError, SettingsError
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes.client.credentials import Certificate, Credentials, Fixed, Plugin, Proof, TokenFile
from trueup.runtimes.kubernetes.target import Allowed, SecretName, Specification
from trueup.toolkit.documents import read

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """The way to one cluster. ``authority`` is PEM, None for what the system trusts; ``namespace`` is for objects that name none."""

    server: str
    credentials: Credentials
    authority: bytes | None = None
    server_name: str = ""
    proxy: str = ""
    namespace: str = "default"


def access_of(specification: Specification, allowed: Allowed, place: Place) -> Access:
    """How a target is reached. Reads files; raises SettingsError."""
    if specification.server:
        return _declared(specification, place)
    paths = _kubeconfigs(allowed)
    if not specification.context and not any(path.exists() for path in paths) and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _in_cluster()
    return _Kubeconfig.read(paths).access(specification.context, allowed.exec)


def _kubeconfigs(allowed: Allowed) -> list[Path]:
    if allowed.kubeconfig:
        return [Path(allowed.kubeconfig).expanduser()]
    named = os.environ.get("KUBECONFIG", "")
    return [Path(each) for each in named.split(os.pathsep) if each] or [Path.home() / ".kube" / "config"]


def _declared(specification: Specification, place: Place) -> Access:
    def secret(name: SecretName | None) -> Secret | None:
        found = place.secret(name.secret) if name else None
        if found is not None and not found.reveal().strip():
            # Who shows nothing is let in as somebody all the same: as `system:anonymous`.
            raise SettingsError(f"the secret {found.identity} is empty", hint="set it in the settings")
        return found

    chain, key = secret(specification.client_certificate), secret(specification.client_key)
    certificate = Certificate(chain.reveal().encode(), key) if chain and key else None
    proof = Proof(secret(specification.token), certificate)
    if proof == Proof():
        raise SettingsError(
            f"nothing says who we are at {specification.server}", hint="give `token`, or `clientCertificate` and `clientKey`"
        )
    authority = specification.certificate_authority.encode() or None
    return Access(specification.server.rstrip("/"), Fixed(proof), authority)


def _in_cluster() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    namespace = SERVICE_ACCOUNT / "namespace"
    name = namespace.read_text(encoding="utf-8").strip() if namespace.exists() else "default"
    return Access(server, TokenFile(SERVICE_ACCOUNT / "token"), _file(SERVICE_ACCOUNT / "ca.crt"), namespace=name)


class _Kubeconfig:
    """Several kubeconfig files as one: of what they name twice, the first one's counts."""

    def __init__(self, paths: list[Path]) -> None:
        self._where = os.pathsep.join(map(str, paths))
        self._current = ""
        self._entries: dict[tuple[str, str], tuple[Path, Mapping[str, Any]]] = {}

    @classmethod
    def read(cls, paths: list[Path]) -> "_Kubeconfig":
        """All of these that exist. Raises SettingsError when none does."""
        merged = cls(paths)
        existing = [path for path in paths if path.exists()]
        if not existing:
            hint = "make a kubeconfig there, or name one in the settings: `kubeconfig` in `[targets.kubernetes]`"
            raise SettingsError(f"there is no kubeconfig {merged._where}", hint=hint)
        for path in existing:
            merged._add(path)
        return merged

    def access(self, context: str, may_run: bool) -> Access:
        """What a context says; the current one when none is named."""
        name = context or self._current
        if not name:
            raise SettingsError(f"{self._where} has no current context", hint="name one in the target: `context`")
        chosen = self._entry("context", name)[1]
        folder, cluster = self._entry("cluster", str(chosen.get("cluster", "")))
        if cluster.get("insecure-skip-tls-verify"):
            message = f"the cluster of context {name} would not be verified"
            raise SettingsError(
                message, where=self._where, hint="give its `certificate-authority-data` instead of insecure-skip-tls-verify"
            )
        return Access(
            server=str(cluster.get("server", "")).rstrip("/"),
            credentials=self._credentials(str(chosen.get("user", "")), may_run),
            authority=_data(cluster, "certificate-authority", folder),
            server_name=str(cluster.get("tls-server-name", "")),
            proxy=str(cluster.get("proxy-url", "")),
            namespace=str(chosen.get("namespace") or "default"),
        )

    def _credentials(self, name: str, may_run: bool) -> Credentials:
        folder, user = self._entry("user", name)
        hint = f"renew the credentials of user {name} in {self._where}"
        if "exec" in user or "auth-provider" in user:
            return self._plugin(name, user, folder, may_run)
        if user.get("tokenFile"):
            return TokenFile(folder / str(user["tokenFile"]))
        token = Secret(str(user["token"]), f"token of {name}") if user.get("token") else None
        chain, key = _data(user, "client-certificate", folder), _data(user, "client-key", folder)
        certificate = Certificate(chain, Secret(key.decode(), f"key of {name}")) if chain and key else None
        if token is None and certificate is None:
            raise SettingsError(f"user {name} has neither a token nor a certificate", where=self._where, hint="give one of them")
        return Fixed(Proof(token, certificate), hint)

    def _plugin(self, name: str, user: Mapping[str, Any], folder: Path, may_run: bool) -> Credentials:
        if "exec" not in user:
            raise SettingsError(
                f"user {name} needs an auth-provider, which is not supported", where=self._where, hint="use exec or a token"
            )
        if not may_run:
            message = f"user {name} runs the program {user['exec'].get('command')} for credentials, which is not allowed"
            raise SettingsError(message, where=self._where, hint="set `exec = true` in `[targets.kubernetes]` of the settings")
        return Plugin(user["exec"], folder)

    def _entry(self, kind: str, name: str) -> tuple[Path, Mapping[str, Any]]:
        found = self._entries.get((kind, name))
        if found is None:
            known = ", ".join(sorted(each for what, each in self._entries if what == kind))
            hint = f"it has {known}" if known else f"it has no {kind} at all: look at it with `kubectl config view`"
            raise SettingsError(f"{self._where} has no {kind} {name}", where=self._where, hint=hint)
        return found

    def _add(self, path: Path) -> None:
        try:
            documents = read(path.read_bytes(), str(path))
        except (OSError, DeclarationError) as error:
            raise SettingsError(
                f"the kubeconfig {path} cannot be read", where=str(path), hint="look at it with `kubectl config view`"
            ) from error
        content = documents[0].body if documents else None
        if not isinstance(content, dict):
            raise SettingsError(f"the kubeconfig {path} is empty", where=str(path), hint="look at it with `kubectl config view`")
        self._current = self._current or str(content.get("current-context") or "")
        for kind in ("cluster", "context", "user"):
            for each in content.get(f"{kind}s") or ():
                self._entries.setdefault((kind, str(each.get("name"))), (path.parent, each.get(kind) or {}))


def _data(entry: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode(str(entry[f"{name}-data"]), validate=True)
        except binascii.Error as error:
            raise SettingsError(f"`{name}-data` is not base64", hint="take it from the cluster's own kubeconfig") from error
    return _file(folder / str(entry[name])) if entry.get(name) else None


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", where=str(path), hint="correct its path, or its rights") from error
