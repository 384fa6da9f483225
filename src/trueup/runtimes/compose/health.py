"""How well a service does, by what the engine says of its containers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trueup.model.health import Health, State, worst
from trueup.model.manifest import Key
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.look import version_of
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.wellness import last_words
from trueup.toolkit.together import together

_STEADY_SECONDS: Final = 1.0
_LOOPING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Doctor:
    """Judges what a scene shows; asks the engine only for the last words of what does not do well."""

    engine: Engine
    scene: Scene

    async def judge(self, versions: Mapping[Key, str]) -> dict[Key, Health]:
        """The health of each, of that very version where one is given."""
        healths = await together(self._of(key, version) for key, version in versions.items())
        return dict(zip(versions, healths, strict=True))

    async def _of(self, key: Key, version: str) -> Health:
        there, thing = self.scene.containers.get(key, ()), self.scene.things.get(key)
        if (there or thing) and key not in self.scene.manifests and key not in self.scene.owned:
            return Health(State.HEALTHY)  # it left Git, stays, and is nobody's now
        service = self.scene.service(key)
        if not there and thing is None:
            nothing_wanted = service is not None and service.replicas == 0
            return Health(State.HEALTHY) if nothing_wanted else Health(State.MISSING, "it is not there")
        marks = there[0].marks if there else thing.marks if thing else None
        ids = tuple(each.id for each in there) if there else (thing.identity,) if thing else ()
        if version and marks is not None and version not in (version_of(ids, marks), *ids):
            return Health(State.UNKNOWN, "another version is there")
        if not there:
            return Health(State.HEALTHY)
        return await self._of_service(service, there)

    async def _of_service(self, service: Service | None, there: Sequence[Container]) -> Health:
        told = [self._of_container(service, each) for each in there]
        wanted = service.replicas if service else len(there)
        if service is not None and service.stopped:
            running = [each.name for each in there if each.runs]
            return Health(State.PROGRESSING, f"{running[0]} still runs") if running else Health(State.SUSPENDED, "stopped, as Git says")
        state = worst(each.state for each in told)
        if state is State.HEALTHY and len(there) < wanted:
            return Health(State.PROGRESSING, f"{len(there)} of {wanted} containers are there")
        index = next((place for place, each in enumerate(told) if each.state is state), 0)
        message = told[index].message
        if state is State.DEGRADED and not message.startswith("unhealthy"):
            words = await last_words(self.engine, there[index].id, bool(there[index].body["Config"].get("Tty")))
            message += f": {words}" if words else ""
        return Health(state, f"{there[index].name} {message}" if message else "")

    def _of_container(self, service: Service | None, container: Container) -> Health:
        told = health_of(container, self.engine.now)
        if told.state is State.HEALTHY and container.runs and service is not None and service.key in self._awaited:
            return Health(State.PROGRESSING, "has not ended yet, which others wait for")
        return told

    @property
    def _awaited(self) -> set[Key]:
        """The services whose good end others wait for: one that still runs has not got there."""
        asked = [(key, manifest.body.get("spec") or {}) for key, manifest in self.scene.manifests.items() if key.kind == "Service"]
        return {
            Key("Service", name, "", key.namespace)
            for key, spec in asked
            for name, told in (spec.get("depends_on") or {}).items()
            if (told or {}).get("condition") == "service_completed_successfully"
        }


def health_of(container: Container, now: datetime) -> Health:
    """The health of one container, by its state alone. ``now`` is by the clock that its times are of."""
    state, code = container.state, container.state.get("ExitCode")
    match container.status:
        case "running":
            return _running(container, now)
        case "restarting":
            return Health(State.DEGRADED, f"is started again and again, it ends with exit code {code}")
        case "paused":
            return Health(State.SUSPENDED, "is paused")
        case "exited" | "created" if container.failed_to_start:
            return Health(State.DEGRADED, f"could not start: {container.failed_to_start}")
        case "exited" if container.completed:
            return Health(State.HEALTHY)
        case "exited" | "dead":
            memory = ", out of memory" if state.get("OOMKilled") else ""
            return Health(State.DEGRADED, f"ended with exit code {code}{memory}")
        case _:
            return Health(State.PROGRESSING, f"is {container.status}")


def _running(container: Container, now: datetime) -> Health:
    check = container.state.get("Health") or {}
    match check.get("Status"):
        case "healthy":
            return Health(State.HEALTHY)
        case "unhealthy":
            return Health(State.DEGRADED, f"unhealthy: {_said(check.get('Log') or ())}".rstrip(": "))
        case "starting":
            return Health(State.PROGRESSING, "its health check has not passed yet")
    seconds = _seconds_since(str(container.state.get("StartedAt", "")), now)
    count = int(container.body.get("RestartCount") or 0)
    if count and seconds < _LOOPING_SECONDS:
        return Health(State.DEGRADED, f"is started again and again, {count} times up to now")
    return Health(State.HEALTHY) if seconds >= _STEADY_SECONDS else Health(State.PROGRESSING, "was just started")


def _said(log: Iterable[Mapping[str, object]]) -> str:
    """The last thing that a health check said."""
    last = [*log][-1:]
    lines = [line for entry in last for line in str(entry.get("Output") or "").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else f"its check ends with exit code {last[0].get('ExitCode')}" if last else ""


def _seconds_since(text: str, now: datetime) -> float:
    try:
        return (now - datetime.fromisoformat(text)).total_seconds()
    except ValueError:
        return _LOOPING_SECONDS
