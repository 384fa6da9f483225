"""Versions of files that nothing uses any more leave the record volume, and images and what was left half-way the engine."""

from collections.abc import Iterable
from contextlib import suppress

from trueup.model.manifest import Key
from trueup.runtimes.compose.carrier import OF_PROJECT, Carrier
from trueup.runtimes.compose.content import mounts_of
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.planning import look_at
from trueup.runtimes.compose.references import reference_of
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.stock import Needs, Stock, used_by


async def sweep(scene: Scene, project: str, carrier: Carrier) -> None:
    """Take them away, once every service of the project is as Git says: until then something may run with any of them.

    Where several applications share a project nothing is taken away, for the others may be on their way.
    """
    services = [key for key in scene.manifests if key.kind == "Service" and key.namespace == project]
    if len(scene.records[project].standings) == 1 and _settled(scene, services):
        await _remove_left(scene, project, carrier)
        mounts = {mount for key in services for mount in mounts_of(key.name, scene.manifests[key].body.get("spec") or {})}
        await Delivery(carrier).sweep((), mounts)
        if carrier.keep is not None:
            await Stock(carrier).tidy(_needs(scene, (key.name for key in services), carrier.keep))


async def _remove_left(scene: Scene, project: str, carrier: Carrier) -> None:
    """Containers that tried a port or wrote files, and were left by a walk that died."""
    for each in scene.shot.summaries:
        if (each["Labels"] or {}).get(OF_PROJECT) == project and f"/{carrier.container}" not in each["Names"]:
            with suppress(Absent):
                await carrier.engine.delete(f"/containers/{each['Id']}", force=True, v=True)


def _needs(scene: Scene, services: Iterable[str], keep: int) -> Needs:
    names = {reference_of(build.tag).tagged for build in scene.builds.values()}
    names |= {image.reference.at(image.digest) for image in scene.images.values() if image.digest}
    return Needs(used_by(scene.shot.summaries), frozenset(names), frozenset(services), keep)


def _settled(scene: Scene, services: Iterable[Key]) -> bool:
    owned = {key for key in scene.owned if key.kind == "Service"}
    return owned <= scene.manifests.keys() and all(look_at(scene, key).same for key in services)
