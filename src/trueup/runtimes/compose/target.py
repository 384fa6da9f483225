"""What a Target may say of an engine, and what the operator lets it say."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from trueup.model.application import Declared, Target
from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.runtimes.compose.access import Access, fault_of
from trueup.runtimes.compose.grants import Grants
from trueup.runtimes.compose.login import Login
from trueup.runtimes.compose.references import HUB, reference_of
from trueup.toolkit.addresses import is_within
from trueup.toolkit.validated import validated

KEPT: Final = 3
DEFAULT: Final = "unix:///var/run/docker.sock"


def _address(value: str) -> str:
    if fault := fault_of(value):
        raise ValueError(fault)
    return value.rstrip("/")


class SecretName(Declared):
    """A secret of the settings, by its name."""

    secret: str
    """Its name in ``[secrets]`` of the settings."""


class Specification(Declared):
    """What may stand in the ``spec`` of a Compose target; with nothing it is this machine's engine."""

    engine: Annotated[str, AfterValidator(_address)] = DEFAULT
    """Where the engine is: ``unix:///PATH``, ``tcp://HOST:PORT``, or ``ssh://USER@HOST[:PORT][/PATH]`` with the socket's path there."""
    certificate_authority: str = ""
    """Of ``tcp``: PEM; left out: what the system trusts."""
    client_certificate: SecretName | None = None
    """Of ``tcp``: PEM, by the name of a secret of the settings."""
    client_key: SecretName | None = None
    """Of ``tcp``: PEM, by the name of a secret of the settings."""


class Registry(Declared):
    """A login at a registry: ``server`` (left out: Docker Hub), ``username``, and ``password``, the name of a secret."""

    server: str = HUB
    username: str
    password: SecretName


class Allowed(Declared):
    """The operator's limits: globs of the ``engines`` that targets may name (left out: this machine's own), logins at ``registries``,
    ``grants``, what containers may be given beyond themselves (left out: anything), and ``keepImages``, how many older versions of a
    service's image stay at the engine (``"all"``: every one)."""

    engines: tuple[str, ...] = (DEFAULT,)
    registries: tuple[Registry, ...] = ()
    grants: Grants | None = None
    keep_images: Annotated[int, Field(ge=0)] | Literal["all"] = KEPT


def allowed_by(settings: Mapping[str, object]) -> Allowed:
    """The operator's limits. Raises SettingsError."""
    return validated(Allowed, settings, "the compose runtime's settings", "")


def specification_of(target: Target) -> Specification:
    """What a target says beside its runtime. Raises SettingsError."""
    return validated(Specification, target.spec.options, f"target {target.name}", _where(target))


def permit(target: Target, specification: Specification, place: Place) -> None:
    """Raises SettingsError when a target names what the operator does not allow. Touches nothing.

    Who writes to an engine may do there what root may do: without settings only the engine of this machine may be used, which the
    serving user can use already.
    """
    allowed = allowed_by(place.allowed)
    if not any(is_within(specification.engine, glob) for glob in allowed.engines):
        message = f"target {target.name} may not use the engine {specification.engine}"
        raise SettingsError(message, where=_where(target), hint="name it in the settings: `engines` in `[targets.compose]`")
    if (specification.client_certificate is None) != (specification.client_key is None):
        message = f"target {target.name} names half of a certificate"
        raise SettingsError(message, where=_where(target), hint="give `clientCertificate` and `clientKey`")
    if specification.engine.startswith("tcp://") or not (specification.certificate_authority or specification.client_certificate):
        return
    message = f"target {target.name} has certificates for an engine that is not reached by TLS"
    raise SettingsError(message, where=_where(target), hint="name a `tcp://` engine, or leave them out")


def access_of(specification: Specification, place: Place) -> Access:
    """How the engine is reached. Raises SettingsError for a secret that is not set."""
    certificate = place.secret(specification.client_certificate.secret) if specification.client_certificate else None
    key = place.secret(specification.client_key.secret) if specification.client_key else None
    return Access(specification.engine, specification.certificate_authority, certificate, key)


def logins_of(place: Place) -> dict[str, Login]:
    """Registry -> who we are there. Raises SettingsError for a secret that is not set."""
    registries = allowed_by(place.allowed).registries
    return {reference_of(f"{each.server}/a/b").registry: Login(each.username, place.secret(each.password.secret)) for each in registries}


def _where(target: Target) -> str:
    return f"{target.file}:{target.line}" if target.line else target.file
