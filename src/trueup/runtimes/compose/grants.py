"""What a Compose file may give to containers beyond themselves, where the operator limits that; and what in a manifest goes beyond it."""

import fnmatch
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator
from pydantic.alias_generators import to_camel

from trueup.model.application import Declared
from trueup.model.contracts import Objection
from trueup.model.manifest import Body

_OWN: Final = ("", "none", "private", "shareable")
"""What a namespace may be without reaching another one; ``service:NAME`` is of the same project."""
_NAMESPACES: Final = {"network_mode": "network", "pid": "pid", "ipc": "ipc", "uts": "uts", "userns_mode": "user", "cgroup": "cgroup"}
_DRIVERS: Final = {"Network": ("", "default", "bridge"), "Volume": ("", "local")}
_LOGS: Final = ("", "none", "local", "json-file")
_ONLY_TIGHTER: Final = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")
_BINDS: Final = frozenset({"bind", "rbind"})
_FROM_THE_NETWORK: Final = ("nfs", "nfs4", "cifs", "smb3")
_BRIDGE: Final = "com.docker.network.bridge.name"
_SERVICES: Final = "service:"


def _absolute(value: str) -> str:
    if not value.startswith("/") or posixpath.normpath(value) != value:
        raise ValueError("must be an absolute path, without `..` and without a slash at its end")
    return value


class Grants(Declared):
    """What containers may be given; nothing beyond themselves unless it is named here.

    ``hostPaths``: folders and files of the host, with all that is below them. ``devices``: globs; ``gpus`` for GPUs, and rules such as
    ``c 188:* rwm`` as they are written. ``capabilities``: as ``NET_ADMIN``. ``securityOptions``: globs. ``networks``, ``volumes``: globs of
    those outside of the project, by their names at the engine. ``drivers``: globs, of networks, volumes and logs, and runtimes.
    ``secrets``: globs of those of the settings.
    """

    privileged: bool = False
    host_paths: tuple[Annotated[str, AfterValidator(_absolute)], ...] = ()
    devices: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    host_namespaces: tuple[Literal["network", "pid", "ipc", "uts", "user", "cgroup"], ...] = ()
    security_options: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


def beyond(grants: Grants | None, body: Body) -> list[Objection]:
    """Everything in a manifest that is not granted; without grants nothing is limited. Pure."""
    spec = body.get("spec")
    if grants is None or not isinstance(spec, dict):
        return []
    limit = _Limit(grants)
    match body.get("kind"):
        case "Service":
            return list(limit.of_service(spec))
        case "Network":
            return list(limit.of_network(spec, body))
        case _:
            return list(limit.of_volume(spec, body))


@dataclass(frozen=True, slots=True)
class _Limit:
    grants: Grants

    def of_service(self, spec: Body) -> Iterator[Objection]:
        if spec.get("privileged"):
            yield from self._unless(self.grants.privileged, ("privileged",), "all rights of the host (`privileged`)", "privileged")
        yield from self._namespaces(spec)
        yield from self._mounts(spec)
        yield from self._devices(spec)
        for place, name in enumerate(_listed(spec.get("cap_add"))):
            granted = _capability(name) in map(_capability, self.grants.capabilities)
            yield from self._unless(granted, ("cap_add", place), f"the capability {name}", "capabilities", _capability(name))
        for place, option in enumerate(_listed(spec.get("security_opt"))):
            granted = option in _ONLY_TIGHTER or _fits(option, self.grants.security_options)
            yield from self._unless(granted, ("security_opt", place), f"the security option `{option}`", "security_options", option)
        logs = str((spec.get("logging") or {}).get("driver") or "")
        yield from self._driver(("logging", "driver"), logs, _LOGS, "the log driver")
        yield from self._driver(("runtime",), str(spec.get("runtime") or ""), ("", "runc"), "the runtime")
        yield from self._secrets(("secrets",), spec.get("secrets"))
        if isinstance(spec.get("build"), dict):
            yield from self._secrets(("build", "secrets"), spec["build"].get("secrets"))

    def of_network(self, spec: Body, body: Body) -> Iterator[Objection]:
        name, own = _names(spec, body)
        bridge = str((spec.get("driver_opts") or {}).get(_BRIDGE) or "")
        outside = bool(spec.get("external")) or name != own
        yield from self._unless(not outside or _fits(name, self.grants.networks), ("name",), f"the network {name}", "networks", name)
        granted = not bridge or _fits(bridge, self.grants.networks)
        yield from self._unless(granted, ("driver_opts", _BRIDGE), f"the bridge {bridge} of the host", "networks", bridge)
        yield from self._driver(("driver",), str(spec.get("driver") or ""), _DRIVERS["Network"], "the network driver")

    def of_volume(self, spec: Body, body: Body) -> Iterator[Objection]:
        name, own = _names(spec, body)
        options = spec.get("driver_opts") or {}
        outside = bool(spec.get("external")) or name != own
        yield from self._unless(not outside or _fits(name, self.grants.volumes), ("name",), f"the volume {name}", "volumes", name)
        yield from self._driver(("driver",), str(spec.get("driver") or ""), _DRIVERS["Volume"], "the volume driver")
        yield from self._mounted(options)

    def _mounted(self, options: Body) -> Iterator[Objection]:
        """What the local driver mounts. A bind mount is one whatever type it says that it is."""
        kind, device = str(options.get("type") or ""), str(options.get("device") or "")
        bound = not _BINDS.isdisjoint(str(options.get("o") or "").split(","))
        if kind in _FROM_THE_NETWORK and not bound:
            yield from self._driver(("driver_opts", "type"), kind, (), "a volume of")
        elif device and (bound or kind != "tmpfs"):
            yield from self._path(("driver_opts", "device"), device)

    def _namespaces(self, spec: Body) -> Iterator[Objection]:
        for field, name in _NAMESPACES.items():
            told = str(spec.get(field) or "")
            if told in _OWN or told.startswith(_SERVICES):
                continue
            if field == "network_mode" and told != "host" and not told.startswith("container:"):
                granted = told == "default" or _fits(told, self.grants.networks)
                yield from self._unless(granted, (field,), f"the network {told}", "networks", told)
            else:
                what = f"another {name} namespace (`{told}`)"
                yield from self._unless(name in self.grants.host_namespaces, (field,), what, "host_namespaces", name)
        if spec.get("cgroup_parent"):
            granted = "cgroup" in self.grants.host_namespaces
            what = f"another control group (`{spec['cgroup_parent']}`)"
            yield from self._unless(granted, ("cgroup_parent",), what, "host_namespaces", "cgroup")
        network = str((spec.get("build") or {}).get("network") or "") if isinstance(spec.get("build"), dict) else ""
        granted = network in (*_OWN, "default") or "network" in self.grants.host_namespaces
        yield from self._unless(granted, ("build", "network"), f"the network `{network}` while it is built", "host_namespaces", "network")

    def _secrets(self, path: tuple[str | int, ...], told: Any) -> Iterator[Objection]:
        for place, secret in enumerate(_listed(told)):
            name = str(secret.get("name") or "") if isinstance(secret, dict) else str(secret)
            granted = not name or _fits(name, self.grants.secrets)
            yield from self._unless(granted, (*path, place), f"the secret `{name}` of the settings", "secrets", name)

    def _mounts(self, spec: Body) -> Iterator[Objection]:
        for place, entry in enumerate(_listed(spec.get("volumes"))):
            if isinstance(entry, dict) and entry.get("type") == "bind" and "content" not in entry:
                yield from self._path(("volumes", place), str(entry.get("source") or ""))
        for place, told in enumerate(_listed(spec.get("volumes_from"))):
            name = str(told).removeprefix("container:")
            granted = name == told or _fits(name, self.grants.volumes)
            yield from self._unless(granted, ("volumes_from", place), f"the volumes of the container {name}", "volumes", name)

    def _devices(self, spec: Body) -> Iterator[Objection]:
        for place, told in enumerate(_listed(spec.get("devices"))):
            source = str(told.get("source") or "") if isinstance(told, dict) else str(told).partition(":")[0]
            path = posixpath.normpath(source) if source.startswith("/") else source
            yield from self._device(("devices", place), path, f"the device {path}")
        for place, rule in enumerate(_listed(spec.get("device_cgroup_rules"))):
            yield from self._device(("device_cgroup_rules", place), str(rule), f"devices (`{rule}`)")
        reserved = ((spec.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
        if spec.get("gpus") or reserved.get("devices"):
            yield from self._device(("gpus",) if spec.get("gpus") else ("deploy", "resources", "reservations", "devices"), "gpus", "GPUs")

    def _device(self, path: tuple[str | int, ...], name: str, what: str) -> Iterator[Objection]:
        yield from self._unless(_fits(name, self.grants.devices), path, what, "devices", name)

    def _path(self, path: tuple[str | int, ...], told: str) -> Iterator[Objection]:
        # Two slashes at the beginning stay two for `normpath`, and are one for the kernel.
        place = posixpath.normpath(told).replace("//", "/", 1) if told.startswith("/") else told
        within = any(folder in ("/", place) or place.startswith(f"{folder}/") for folder in self.grants.host_paths)
        yield from self._unless(within, path, f"{place} of the host", "host_paths", place)

    def _driver(self, path: tuple[str | int, ...], name: str, usual: tuple[str, ...], what: str) -> Iterator[Objection]:
        yield from self._unless(name in usual or _fits(name, self.grants.drivers), path, f"{what} {name}", "drivers", name)

    def _unless(self, granted: bool, path: tuple[str | int, ...], what: str, setting: str, example: str = "") -> Iterator[Objection]:
        if not granted:
            name = to_camel(setting)
            value = f'`{name} = ["{example}"]`' if example else f"`{name} = true`"
            hint = f"leave it out, or have the operator allow it: {value} in `[targets.compose.grants]`"
            yield Objection(("spec", *path), f"may not be given {what}", hint, liftable=True)


def _names(spec: Body, body: Body) -> tuple[str, str]:
    """The name at the engine, and the one that it has when nothing is said."""
    metadata = body.get("metadata") or {}
    own = f"{metadata.get('namespace')}_{metadata.get('name')}"
    return str(spec.get("name") or own), own


def _listed(told: Any) -> list[Any]:
    """A manifest of whoever writes one by hand may say one word where a list is meant, and the engine takes it."""
    return list(told) if isinstance(told, list | tuple) else [] if told is None else [told]


def _fits(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _capability(name: object) -> str:
    return str(name).upper().removeprefix("CAP_")
