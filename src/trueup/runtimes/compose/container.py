"""A container as the engine shows it, read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from trueup.model.manifest import Body
from trueup.runtimes.compose.labels import NUMBER, ONE_OFF, PROJECT, SERVICE, Marks
from trueup.runtimes.compose.limits import limits_in, restart_in, restart_of
from trueup.runtimes.compose.service import EXTENSION

# The engine's own end, `docker stop` and `docker kill`: nothing that a program ends with by itself.
_ENDED_FROM_OUTSIDE: Final = (137, 143, 255)
NAMESPACES: Final = ("NetworkMode", "IpcMode", "PidMode")
_RUNS: Final = ("running", "restarting", "paused")


@dataclass(frozen=True)
class Container:
    """One container. ``body`` is what an inspection gives, ``marks`` is what counts for it as ours."""

    body: Body
    marks: Marks

    @property
    def id(self) -> str:
        """Its identity."""
        return str(self.body["Id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["Name"]).lstrip("/")

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.body["Config"].get("Labels") or {}

    @property
    def service(self) -> str:
        """The service that it is of, as Compose sees it."""
        return self.labels.get(SERVICE, "")

    @property
    def number(self) -> int:
        """Which container of its service; 0 when that is not known."""
        number = self.labels.get(NUMBER, "")
        return int(number) if number.isdecimal() else 0

    @property
    def image(self) -> str:
        """The identity of its image."""
        return str(self.body["Image"])

    @property
    def state(self) -> Body:
        """Its state."""
        state: Body = self.body["State"]
        return state

    @property
    def status(self) -> str:
        """``running``, ``exited``, ``created``, ``paused``, ``restarting``, ``removing``, ``dead``."""
        return str(self.state.get("Status", ""))

    @property
    def runs(self) -> bool:
        """Whether it runs, or would in a moment."""
        return self.status in _RUNS

    @property
    def host_config(self) -> Body:
        """What the engine is to give it."""
        config: Body = self.body["HostConfig"]
        return config

    @property
    def lent(self) -> tuple[str, ...]:
        """The namespaces that it shares with others: ``container:ID``."""
        told = [str(self.host_config.get(name) or "") for name in NAMESPACES]
        return tuple(each for each in told if each.startswith("container:"))

    @property
    def networks(self) -> Mapping[str, Any]:
        """The networks that it is in, by their names at the engine."""
        return (self.body.get("NetworkSettings") or {}).get("Networks") or {}

    @cached_property
    def is_daemon(self) -> bool:
        """Whether it is meant to run on: it is started again, it is looked after, or somebody is to reach it."""
        policy = self.host_config.get("RestartPolicy") or {}
        checked = (self.body["Config"].get("Healthcheck") or {}).get("Test") or []
        return (
            policy.get("Name") in ("always", "unless-stopped")
            or bool(self.host_config.get("PortBindings"))
            or checked[:1] not in ([], ["NONE"])
        )

    @property
    def was_stopped(self) -> bool:
        """Whether it should run and does not because of somebody or something else than its own program."""
        if self.runs or self.status == "removing":
            return False
        if self.status == "created" or self.failed_to_start:
            return True
        code = int(self.state.get("ExitCode") or 0)
        return code in _ENDED_FROM_OUTSIDE or (code == 0 and self.is_daemon)

    @property
    def failed_to_start(self) -> str:
        """Why the engine could not start it when it tried last: nothing of its own program is to blame, and no restart policy helps."""
        return "" if self.runs else str(self.state.get("Error") or "")

    @property
    def was_declared_stopped(self) -> bool:
        """Whether Git wanted it not to run when it was applied last."""
        return bool(((self.marks.spec or {}).get(EXTENSION) or {}).get("state") == "stopped")

    @property
    def completed(self) -> bool:
        """Whether its program came to a good end, and none is to follow."""
        return self.status == "exited" and not self.state.get("ExitCode") and not self.was_stopped

    def live_spec(self, attached: Mapping[str, str]) -> Body:
        """What was applied, with what was changed since as it is now. ``attached``: the networks of the project, name -> key."""
        spec = dict(self.marks.spec or {})
        if restart_in(self.host_config) != _said(restart_of(spec)):
            spec["restart"] = restart_in(self.host_config)
        spec.update(limits_in(spec, self.host_config))
        if not spec.get("network_mode"):
            before = spec.get("networks") or {}
            keys = {attached.get(name, name) for name in self.networks if name not in ("none", "host")}
            now = {key: before.get(key) or {} for key in [*before, *sorted(keys - before.keys())] if key in keys}
            if now != before:
                spec["networks"] = now
        return {name: value for name, value in spec.items() if value is not None}

    def inherited(self) -> dict[str, str]:
        """The volumes without a name of their own that it has: target -> name. They go on with the next container."""
        return {
            str(mount["Destination"]): str(mount["Name"])
            for mount in self.body.get("Mounts") or ()
            if mount.get("Type") == "volume" and len(str(mount.get("Name", ""))) == 64
        }


def is_of_a_project(labels: Mapping[str, str]) -> bool:
    """Whether Compose, or we in its manner, made it as a part of a project: no `docker compose run`, nothing foreign."""
    return PROJECT in labels and SERVICE in labels and labels.get(ONE_OFF, "False") != "True"


def _said(policy: Mapping[str, Any]) -> str:
    return restart_in({"RestartPolicy": policy})
