"""What a Target may say of a cluster, and what the operator lets it say."""

import fnmatch
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from trueup.model.application import Declared, Target
from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.runtimes.kubernetes.health import HealthRule
from trueup.toolkit.addresses import is_within
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
    """Its name in ``[secrets]`` of the settings."""


class Specification(Declared):
    """What may stand in the ``spec`` of a Kubernetes target; with nothing it is the current context, or the cluster we run in."""

    context: str = ""
    """A context of the operator's kubeconfig; left out: the current one."""
    server: Annotated[str, Field(pattern=r"^(https?://[^/?#\s]+.*)?$")] = ""
    """The API server's address, instead of a context."""
    certificate_authority: str = ""
    """Of ``server``: PEM; left out: what the system trusts."""
    token: SecretName | None = None
    """Of ``server``: the name of a secret of the settings."""
    client_certificate: SecretName | None = None
    """Of ``server``: PEM, by the name of a secret of the settings."""
    client_key: SecretName | None = None
    """Of ``server``: PEM, by the name of a secret of the settings."""
    namespace: NamespaceName = "trueup"
    """Where the records of ownership are; made when it is not there."""
    impersonate: Account = ""
    """``NAMESPACE:NAME`` of the service account in whose name everything of an application is done; ``{application}`` and ``{namespace}``
    stand for the application's."""
    namespaces: tuple[str, ...] = ()
    """Globs that every object's namespace must fit; left out: all."""
    kinds: tuple[str, ...] = ()
    """Globs (``Kind.group``) that every object's kind must fit; left out: all."""
    take_over: tuple[FieldManager, ...] = ()
    """Field managers, such as ``argocd-controller``: what they set is Trueup's, and goes when Git does not say it."""
    health: tuple[HealthRule, ...] = ()
    """How custom kinds are judged."""
    concurrency: int = Field(16, ge=1, le=256)
    """Requests at once."""


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
    if specification.server and not any(is_within(specification.server, glob) for glob in allowed.servers):
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
