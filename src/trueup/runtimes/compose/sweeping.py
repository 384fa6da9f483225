"""Versions of files that nothing uses any more leave the record volume."""

from collections.abc import Iterable

from trueup.model.manifest import Key
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.content import mounts_of
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.planning import look_at
from trueup.runtimes.compose.scene import Scene


async def sweep(scene: Scene, project: str, carrier: Carrier) -> None:
    """Take them away, once every service of the project is as Git says: until then something may run with any of them.

    Where several applications share a project nothing is taken away, for the others may be on their way.
    """
    services = [key for key in scene.manifests if key.kind == "Service" and key.namespace == project]
    if len(scene.records[project].standings) == 1 and _settled(scene, services):
        mounts = {mount for key in services for mount in mounts_of(key.name, scene.manifests[key].body.get("spec") or {})}
        await Delivery(carrier).sweep((), mounts)


def _settled(scene: Scene, services: Iterable[Key]) -> bool:
    owned = {key for key in scene.owned if key.kind == "Service"}
    return owned <= scene.manifests.keys() and all(look_at(scene, key).same for key in services)
