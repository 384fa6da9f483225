"""The kind that the entry point names: what can be told without a cluster, and the way to open one."""

import asyncio

from pydantic import BaseModel

from trueup.model.application import Target
from trueup.model.contracts import Objection, Place, Runtime
from trueup.model.manifest import Body, Manifest
from trueup.runtimes.kubernetes.builtin import is_cluster_wide
from trueup.runtimes.kubernetes.hooks import objections_of
from trueup.runtimes.kubernetes.target import Specification, allowed_in, permit, specification_of


class KubernetesKind:
    """Satisfies ``RuntimeKind``."""

    name = "kubernetes"
    Specification: type[BaseModel] = Specification
    offers = ("kubeVersion", "apiVersions")

    def check(self, manifest: Manifest) -> list[Objection]:
        """Waves, hooks and options that are not understood."""
        return objections_of(manifest.body)

    def references(self, manifest: Manifest) -> list[str]:
        """Objects of a cluster take no files along."""
        return []

    def namespaced(self, body: Body) -> bool:
        """Everything but the built-in kinds that belong to the cluster; of a custom kind the server's word counts, when it is planned."""
        return not is_cluster_wide(body)

    def secrets(self, body: Body) -> list[tuple[str, ...]]:
        """Every value of a Secret."""
        if body.get("kind") != "Secret" or body.get("apiVersion") != "v1":
            return []
        parts = [(part, body.get(part)) for part in ("data", "stringData")]
        return [(part, str(name)) for part, values in parts if isinstance(values, dict) for name in values]

    def place_of(self, target: Target) -> str:
        """Its cluster, as it is named, and where the records are."""
        specification = specification_of(target)
        return f"{specification.server or specification.context} {specification.namespace}"

    def permitted(self, target: Target, place: Place) -> None:
        """Raises SettingsError when the target names a cluster or rights that the operator does not allow."""
        permit(target, specification_of(target), allowed_in(place))

    async def open(self, target: Target, place: Place) -> Runtime:
        """Open a cluster. Raises SettingsError or Unreachable."""
        # An HTTP client takes a third of a second to import, which only who opens a cluster is to pay.
        from trueup.runtimes.kubernetes.opening import opened

        specification, allowed = specification_of(target), allowed_in(place)
        permit(target, specification, allowed)
        return await asyncio.to_thread(opened, target, specification, allowed, place)


kubernetes = KubernetesKind()
"""What the entry point names."""
