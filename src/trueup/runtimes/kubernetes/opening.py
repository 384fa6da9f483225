"""A target becomes an open cluster. Apart from the kind, so that a command which opens none need not import an HTTP client."""

from trueup.model.application import Target
from trueup.model.contracts import Place
from trueup.runtimes.kubernetes.client.access import access_of
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.discovery import Discovery
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.planner import Limits
from trueup.runtimes.kubernetes.runtime import KubernetesRuntime
from trueup.runtimes.kubernetes.settled import Settled
from trueup.runtimes.kubernetes.target import Allowed, Specification


async def opened(target: Target, specification: Specification, allowed: Allowed, place: Place) -> KubernetesRuntime:
    """The cluster of a target; nothing is asked of it yet. Raises SettingsError."""
    access = access_of(specification, allowed, place)
    connection = Connection(access, min(specification.concurrency, allowed.concurrency))
    limits = Limits((specification.namespaces, allowed.namespaces), (specification.kinds, allowed.kinds))
    settled = Settled(place.folder / f"{target.name}.settled")
    return KubernetesRuntime(target, specification, Cluster(connection, Discovery(connection)), limits, settled)
