"""The kind that the entry point names: what can be told without an engine, and the way to open one."""

from collections.abc import Mapping

from pydantic import BaseModel

from trueup.model.application import Target
from trueup.model.contracts import Objection, Place, Runtime
from trueup.model.manifest import Body, Manifest
from trueup.runtimes.compose.grants import beyond
from trueup.runtimes.compose.manifests import objections_of, references_of
from trueup.runtimes.compose.target import Specification, access_of, allowed_by, permit, specification_of


class ComposeKind:
    """Satisfies ``RuntimeKind``. ``allowed`` are the operator's settings, which limit what a container may be given."""

    name = "compose"
    Specification: type[BaseModel] = Specification

    def __init__(self, allowed: Mapping[str, object] | None = None) -> None:
        self._allowed = allowed or {}

    def limited(self, allowed: Mapping[str, object]) -> "ComposeKind":
        """The same with the operator's settings."""
        return ComposeKind(allowed)

    def check(self, manifest: Manifest) -> list[Objection]:
        """What is wrong in a manifest, and what it may not have. Raises SettingsError for settings that cannot be read."""
        return [*objections_of(manifest.body), *beyond(allowed_by(self._allowed).grants, manifest.body)]

    def references(self, manifest: Manifest) -> list[str]:
        """What a service mounts or builds from the repository."""
        return references_of(manifest.body)

    def namespaced(self, body: Body) -> bool:
        """The namespace is the Compose project's name, and the renderer gives it."""
        return False

    def secrets(self, body: Body) -> list[tuple[str, ...]]:
        """None: a manifest holds the names of secrets, never their values."""
        return []

    def place_of(self, target: Target) -> str:
        """Its engine's address."""
        return specification_of(target).engine

    def permitted(self, target: Target, place: Place) -> None:
        """Raises SettingsError when the target names an engine that the operator does not allow."""
        permit(target, specification_of(target), place)

    async def open(self, target: Target, place: Place) -> Runtime:
        """Open an engine. Raises SettingsError."""
        # An HTTP client takes a third of a second to import, which only who opens an engine is to pay.
        from trueup.runtimes.compose.opening import opened

        self.permitted(target, place)
        return opened(target, access_of(specification_of(target), place), place)


compose = ComposeKind()
"""What the entry point names."""
