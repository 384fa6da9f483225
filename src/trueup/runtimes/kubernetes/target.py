"""What a Target may say of a cluster, and what the operator lets it say."""

import fnmatch
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from trueup.model.application import Declared, Target
from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.runtimes.kubernetes.health import HealthRule
from trueup.toolkit.validated import validated

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(rf"{_LABEL.pattern}:[a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?")
_PLACEHOLDER = re.compile(r"\{(application|namespace)\}")


def _namespace_name(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError("must be the name of a namespace: lower-case letters, digits and dashes")
    return value


def _account(value: str) -> str:
    if value and not _ACCOUNT.fullmatch(_PLACEHOLDER.sub("x", value)):
        raise ValueError("must be NAMESPACE:NAME of a service account, in which {application} and {namespace} may stand")
    return value


NamespaceName = Annotated[str, AfterValidator(_namespace_name)]
Account = Annotated[str, AfterValidator(_account)]


FieldManager = Annotated[str, Field(min_length=1, max_length=128)]


class SecretName(Declared):
    """A secret of the settings, by its name."""

    secret: str


class Specification(Declared):
    """What may stand in the ``spec`` of a Kubernetes target; with nothing it is the operator's current context, or the cluster we run in.

    ``context``: one of the operator's kubeconfig. ``server``: the API server's address instead, with ``certificateAuthority`` (PEM) and
    ``token``, or ``clientCertificate`` and ``clientKey`` (PEM), by the names of secrets. ``namespace``: where our own records are.
    ``impersonate``: the service account (``NAMESPACE:NAME``) in whose name everything of an application is done. ``namespaces`` and
    ``kinds`` (``Kind.group``): globs that every object must fit. ``takeOver``: field managers (``argocd-controller``) whose fields become
    ours, so that what Git does not say of them goes. ``health``: how custom kinds are judged. ``concurrency``: how many requests at once.
    """

    context: str = ""
    server: Annotated[str, Field(pattern=r"^(https?://[^/?#\s]+.*)?$")] = ""
    certificate_authority: str = ""
    token: SecretName | None = None
    client_certificate: SecretName | None = None
    client_key: SecretName | None = None
    namespace: NamespaceName = "trueup"
    impersonate: Account = ""
    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    take_over: tuple[FieldManager, ...] = ()
    health: tuple[HealthRule, ...] = ()
    concurrency: int = Field(16, ge=1, le=256)


class Allowed(Declared):
    """The operator's limits.

    ``kubeconfig``: the file to read (left out: ``KUBECONFIG``, then ``~/.kube/config``). ``contexts`` and ``servers``: globs of what
    targets may name; the current context is theirs unless ``contexts`` is set. ``exec``: whether programs that a kubeconfig names for
    credentials may run. ``namespaces`` and ``kinds``: globs that bind every target. ``impersonate``: globs of service accounts of which
    every target must name one. ``health_scripts``: a folder of Argo CD's health scripts, laid out as its ``resource_customizations``.
    ``concurrency``: the most requests at once for each cluster.
    """

    kubeconfig: str = ""
    contexts: tuple[str, ...] | None = None
    servers: tuple[str, ...] = ()
    exec: bool = False
    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    impersonate: tuple[str, ...] = ()
    health_scripts: str = Field("", alias="health_scripts")
    concurrency: int = Field(256, ge=1)


def specification_of(target: Target) -> Specification:
    """What a target says beside its runtime. Raises SettingsError."""
    return validated(Specification, target.spec.options, f"target {target.name}", where(target))


def allowed_in(place: Place) -> Allowed:
    """What the operator allows. Raises SettingsError."""
    return validated(Allowed, place.allowed, "the kubernetes runtime's settings", "")


def permit(target: Target, specification: Specification, allowed: Allowed) -> None:
    """Raises SettingsError when a target names what the operator does not allow. Touches nothing.

    Nothing in Git chooses a cluster by itself: without settings only the operator's current context (or the cluster we run in) may be used.
    """
    if specification.server and specification.context:
        raise SettingsError(f"target {target.name} names both a server and a context", where=where(target), hint="keep one of them")
    if specification.server and not fits(specification.server, allowed.servers):
        raise _refusal(target, f"the server {specification.server}", "servers")
    if not specification.server and not _may_use(specification.context, allowed.contexts):
        raise _refusal(target, f"the context {specification.context or '(the current one)'}", "contexts")
    if allowed.impersonate and not fits(specification.impersonate, allowed.impersonate):
        raise _refusal(target, f"the rights of {specification.impersonate or 'Trueup itself'}", "impersonate")


def fits(value: str, globs: tuple[str, ...]) -> bool:
    """Whether one of the globs matches."""
    return any(fnmatch.fnmatchcase(value, glob) for glob in globs)


def where(target: Target) -> str:
    """The place of its declaration."""
    return f"{target.file}:{target.line}" if target.line else target.file


def _may_use(context: str, contexts: tuple[str, ...] | None) -> bool:
    return not context if contexts is None else fits(context, contexts)


def _refusal(target: Target, what: str, setting: str) -> SettingsError:
    hint = f"name it in the settings: `{setting}` in `[targets.kubernetes]`"
    return SettingsError(f"target {target.name} may not use {what}", where=where(target), hint=hint)
