"""What a service has to do with others of its project: whose namespaces it shares, and after whom it is started again."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from trueup.model.manifest import Key
from trueup.model.plan import Change, Effect
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import Service

AFTER: Final = "spec.depends_on"
_SHARED: Final = {"network_mode": "NetworkMode", "ipc": "IpcMode", "pid": "PidMode"}


def out_of_step(scene: Scene, service: Service, container: Container) -> Iterator[Change]:
    """Where a container is still with a container of another service that was made anew since."""
    for field, theirs in _SHARED.items():
        told = str(service.spec.get(field) or "")
        lender = _first(scene, service, told.removeprefix("service:")) if told.startswith("service:") else None
        live = str(container.host_config.get(theirs) or "")
        if lender is not None and live.startswith("container:") and live != f"container:{lender.id}":
            yield Change(f"spec.{field}", f"{told} (one that is gone)", told)
    for name in service.joined:
        other = _first(scene, service, name)
        if other is not None and other.runs and container.runs and _started(other) > _started(container):
            yield Change(f"{AFTER}.{name}", f"shares what {name} had before it was started again", f"started again after {name}")
    for name in service.restarted_with:
        other = _first(scene, service, name)
        if other is not None and container.runs and _time(other.body.get("Created")) > _started(container):
            yield Change(f"{AFTER}.{name}", f"started before {name} was made anew", f"started again after {name}")


def carried_along(service: Service, effects: Mapping[Key, Effect]) -> tuple[Effect, str]:
    """What the update of others, by key, does to a service too, and why."""
    near = {key.name: effect for key, effect in effects.items() if key.kind == "Service" and key.namespace == service.project}
    remade = {name for name, effect in near.items() if effect is Effect.RECREATE}
    for name in service.lenders:
        if name in remade:
            return Effect.RECREATE, f"it shares what is {name}'s, which is made anew"
    for name in service.joined:
        if near.get(name) is Effect.RESTART:
            return Effect.RESTART, f"it shares what is {name}'s, which is started again"
    for name in service.restarted_with:
        if name in remade:
            return Effect.RESTART, f"it is started again after {name}"
    return Effect.NONE, ""


def _first(scene: Scene, service: Service, name: str) -> Container | None:
    found = scene.containers.get(Key("Service", name, "", service.project), ())
    return found[0] if found else None


def _started(container: Container) -> datetime:
    return _time(container.state.get("StartedAt"))


def _time(text: object) -> datetime:
    return datetime.fromisoformat(str(text or "0001-01-01T00:00:00Z"))
