"""A target becomes an open cluster. Apart from the kind, so that a command which opens none need not import an HTTP client."""

from pathlib import Path

from trueup.model.application import Target
from trueup.model.contracts import Place
from trueup.runtimes.kubernetes.client.access import access_of
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.discovery import Discovery
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.health import Rules, scripts_in
from trueup.runtimes.kubernetes.planner import Limits
from trueup.runtimes.kubernetes.runtime import Keeping, KubernetesRuntime
from trueup.runtimes.kubernetes.settled import Settled
from trueup.runtimes.kubernetes.target import Allowed, Specification


def opened(target: Target, specification: Specification, allowed: Allowed, place: Place) -> KubernetesRuntime:
    """The cluster of a target; nothing is asked of it yet. Blocks: it reads files. Raises SettingsError."""
    access = access_of(specification, allowed, place)
    connection = Connection(access, min(specification.concurrency, allowed.concurrency))
    limits = Limits((specification.namespaces, allowed.namespaces), (specification.kinds, allowed.kinds))
    rules = Rules(specification.health, scripts_in(Path(allowed.health_scripts).expanduser()) if allowed.health_scripts else None)
    settled = Settled(place.folder / f"{target.name}.settled")
    return KubernetesRuntime(target, specification, Cluster(connection, Discovery(connection)), Keeping(limits, settled, rules))
