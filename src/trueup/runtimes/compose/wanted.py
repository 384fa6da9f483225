"""A service -> the request that makes one container of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from trueup.model.manifest import Body
from trueup.runtimes.compose.confiding import secret_folders
from trueup.runtimes.compose.limits import limits_of, restart_of
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.units import nanoseconds, seconds, size

NONE: Final = "none"
_NAMESPACES: Final = {"ipc": "IpcMode", "pid": "PidMode", "network_mode": "NetworkMode"}
_PLAIN_OF_CONTAINER: Final = {
    "hostname": "Hostname", "domainname": "Domainname", "user": "User", "working_dir": "WorkingDir", "stop_signal": "StopSignal",
    "tty": "Tty", "stdin_open": "OpenStdin", "mac_address": "MacAddress",
}  # fmt: skip
_PLAIN_OF_HOST: Final = {
    "privileged": "Privileged", "read_only": "ReadonlyRootfs", "init": "Init", "runtime": "Runtime", "cgroup_parent": "CgroupParent",
    "cgroup": "CgroupnsMode", "userns_mode": "UsernsMode", "uts": "UTSMode", "isolation": "Isolation", "oom_score_adj": "OomScoreAdj",
    "cap_add": "CapAdd", "cap_drop": "CapDrop", "dns": "Dns", "dns_opt": "DnsOptions", "dns_search": "DnsSearch", "group_add": "GroupAdd",
    "security_opt": "SecurityOpt", "storage_opt": "StorageOpt", "sysctls": "Sysctls", "annotations": "Annotations",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container is made in.

    ``networks`` and ``volumes``: the key in the Compose file -> the name at the engine. ``others``: another service of the project -> the
    container that shares its namespaces or volumes. ``mounted``: where on the engine's machine the content of a mount is, by its target.
    ``inherited``: volumes without a name that the container before had, by their target.
    """

    image: str
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    mounted: Mapping[str, str] = field(default_factory=dict)
    inherited: Mapping[str, str] = field(default_factory=dict)


def container_of(service: Service, number: int, around: Surroundings, labels: Mapping[str, str]) -> Body:
    """The body of a request that makes a container. Raises ValueError for a value that is none of its kind."""
    spec = service.spec
    body: Body = {
        **{theirs: spec[ours] for ours, theirs in _PLAIN_OF_CONTAINER.items() if spec.get(ours) is not None},
        "Image": around.image,
        "Env": environment_of(spec),
        "Labels": {**(spec.get("labels") or {}), **labels},
        "ExposedPorts": {port: {} for port in _exposed(spec)},
        "HostConfig": _host_config(service, around),
        "NetworkingConfig": {"EndpointsConfig": dict(list(endpoints_of(service, number, around).items())[:1])},
    }
    for ours, theirs in (("command", "Cmd"), ("entrypoint", "Entrypoint")):
        if spec.get(ours) is not None:
            # An empty list takes the image's own away, where null would leave it.
            body[theirs] = list(spec[ours]) or [""] if ours == "entrypoint" else list(spec[ours])
    if spec.get("healthcheck"):
        body["Healthcheck"] = _healthcheck(spec["healthcheck"])
    if spec.get("stop_grace_period") is not None:
        body["StopTimeout"] = round(seconds(spec["stop_grace_period"]))
    return body


def endpoints_of(service: Service, number: int, around: Surroundings) -> dict[str, Body]:
    """Network name at the engine -> how the container is in it, the first one first. None when it shares another's network."""
    if service.spec.get("network_mode"):
        return {}
    asked = service.spec.get("networks") or {}
    ordered = sorted(asked, key=lambda key: -int((asked[key] or {}).get("priority") or 0))
    return {around.networks.get(key, key): _endpoint(service, number, asked[key] or {}) for key in ordered}


def environment_of(spec: Mapping[str, Any]) -> list[str]:
    """``NAME=value``; a name without a value takes an image's own away."""
    told = spec.get("environment") or {}
    return [name if value is None else f"{name}={_word(value)}" for name, value in sorted(told.items())]


def network_mode_of(service: Service, around: Surroundings) -> str:
    """The engine's word for the network that a container is in first."""
    told = str(service.spec.get("network_mode") or "")
    if told:
        return _shared(told, around)
    return next(iter(endpoints_of(service, 1, around)), NONE)


def _endpoint(service: Service, number: int, told: Mapping[str, Any]) -> Body:
    addresses = {
        "IPv4Address": told.get("ipv4_address"),
        "IPv6Address": told.get("ipv6_address"),
        "LinkLocalIPs": told.get("link_local_ips"),
    }
    aliases = dict.fromkeys([service.container_name(number), service.name, *(told.get("aliases") or ())])
    return {
        "Aliases": list(aliases),
        **({"IPAMConfig": given} if (given := {name: value for name, value in addresses.items() if value}) else {}),
        **({"DriverOpts": told["driver_opts"]} if told.get("driver_opts") else {}),
        **({"MacAddress": told["mac_address"]} if told.get("mac_address") else {}),
        **({"GwPriority": told["gw_priority"]} if told.get("gw_priority") else {}),
        **({"Links": list(service.spec["links"])} if service.spec.get("links") else {}),
    }


def _host_config(service: Service, around: Surroundings) -> Body:
    spec = service.spec
    return {
        **{theirs: spec[ours] for ours, theirs in _PLAIN_OF_HOST.items() if spec.get(ours) is not None},
        **{theirs: _shared(str(spec[ours]), around) for ours, theirs in _NAMESPACES.items() if spec.get(ours)},
        **limits_of(spec),
        **_mounts(service, around),
        "NetworkMode": network_mode_of(service, around),
        "RestartPolicy": restart_of(spec),
        "PortBindings": _port_bindings(spec),
        "ExtraHosts": _extra_hosts(spec.get("extra_hosts")),
        "Links": [],
        "VolumesFrom": [_volumes_from(str(each), around) for each in spec.get("volumes_from") or ()],
        "LogConfig": _logging(spec.get("logging") or {}),
        "Tmpfs": dict(_tmpfs(str(each)) for each in spec.get("tmpfs") or ()),
        **({"ShmSize": size(spec["shm_size"])} if spec.get("shm_size") else {}),
    }


def _mounts(service: Service, around: Surroundings) -> Body:
    binds, mounts = [], []
    for entry in service.spec.get("volumes") or ():
        if entry["type"] == "bind" and "content" not in entry and _is_short(entry):
            binds.append(_bind(entry))
        else:
            mounts.append(_mount(entry, around))
    mounts += [
        {"Type": "bind", "Source": around.mounted[entry["target"]], "Target": entry["target"], "ReadOnly": True}
        for entry in service.spec.get("configs") or ()
    ]
    mounts += [{"Type": "volume", "Target": folder} for folder in secret_folders(service.spec)]
    taken = {str(entry["target"]).rstrip("/") for entry in service.spec.get("volumes") or ()}
    mounts += [
        {"Type": "volume", "Source": name, "Target": target} for target, name in around.inherited.items() if target.rstrip("/") not in taken
    ]
    return {"Binds": binds, "Mounts": mounts}


def _is_short(entry: Mapping[str, Any]) -> bool:
    """Whether the engine makes the folder when it is not there, which only the short form of a mount asks for."""
    told = entry.get("bind") or {}
    return told.get("create_host_path", True) is not False and not told.get("recursive")


def _bind(entry: Mapping[str, Any]) -> str:
    told = entry.get("bind") or {}
    modes = ["ro" if entry.get("read_only") else "rw", *(str(told[name]) for name in ("propagation", "selinux") if told.get(name))]
    return f"{entry['source']}:{entry['target']}:{','.join(modes)}"


def _mount(entry: Mapping[str, Any], around: Surroundings) -> Body:
    kind = str(entry["type"])
    mount: Body = {"Type": kind, "Target": entry["target"], "ReadOnly": bool(entry.get("read_only"))}
    told = entry.get(kind) or {}
    if kind == "bind":
        mount["Source"] = around.mounted[entry["target"]] if "content" in entry else entry["source"]
        mount["BindOptions"] = {"Propagation": told["propagation"]} if told.get("propagation") else {}
    elif kind == "volume":
        given = str(entry.get("source") or around.inherited.get(str(entry["target"]), ""))
        mount["Source"] = around.volumes.get(given, given)
        mount["VolumeOptions"] = {"NoCopy": bool(told.get("nocopy")), **({"Subpath": told["subpath"]} if told.get("subpath") else {})}
    elif kind == "tmpfs":
        mount["TmpfsOptions"] = {**({"SizeBytes": size(told["size"])} if told.get("size") else {}), **_mode(told)}
    else:
        mount["Source"] = entry.get("source", "")
        mount["ImageOptions"] = {"Subpath": told["subpath"]} if told.get("subpath") else {}
    return {name: value for name, value in mount.items() if value not in ({}, "")}


def _mode(told: Mapping[str, Any]) -> Body:
    mode = told.get("mode")
    return {} if mode is None else {"Mode": int(mode, 8) if isinstance(mode, str) else int(mode)}


def ports_of(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """``(80/tcp, host address, host port)`` for each port that is published; an empty host port is the engine's to choose."""
    for port in spec.get("ports") or ():
        target = f"{port['target']}/{port.get('protocol') or 'tcp'}"
        yield target, str(port.get("host_ip") or ""), str(port.get("published") or "")


def _port_bindings(spec: Mapping[str, Any]) -> Body:
    bindings: dict[str, list[dict[str, str]]] = {}
    for target, address, published in ports_of(spec):
        bindings.setdefault(target, []).append({"HostIp": address, "HostPort": published})
    return bindings


def _exposed(spec: Mapping[str, Any]) -> Iterable[str]:
    exposed = [str(each) if "/" in str(each) else f"{each}/tcp" for each in spec.get("expose") or ()]
    return dict.fromkeys([*(target for target, _, _ in ports_of(spec)), *exposed])


def _healthcheck(told: Mapping[str, Any]) -> Body:
    if told.get("disable"):
        return {"Test": ["NONE"]}
    times = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod", "start_interval": "StartInterval"}
    body: Body = {theirs: nanoseconds(told[ours]) for ours, theirs in times.items() if told.get(ours) is not None}
    if told.get("test") is not None:
        body["Test"] = told["test"] if isinstance(told["test"], list) else ["CMD-SHELL", told["test"]]
    if told.get("retries") is not None:
        body["Retries"] = int(told["retries"])
    return body


def _logging(told: Mapping[str, Any]) -> Body:
    return {"Type": str(told.get("driver") or ""), "Config": {name: _word(value) for name, value in (told.get("options") or {}).items()}}


def _extra_hosts(told: Any) -> list[str]:
    if isinstance(told, dict):
        return [f"{name}:{each}" for name, where in told.items() for each in (where if isinstance(where, list) else [where])]
    return [str(each).replace("=", ":", 1) for each in told or ()]


def _tmpfs(entry: str) -> tuple[str, str]:
    target, _, options = entry.partition(":")
    return target, options


def _shared(told: str, around: Surroundings) -> str:
    """``service:NAME`` as the engine knows it."""
    head, _, name = told.partition(":")
    return f"container:{around.others.get(name, name)}" if head == "service" else told


def _volumes_from(told: str, around: Surroundings) -> str:
    if told.startswith("container:"):
        return told.removeprefix("container:")
    name, colon, mode = told.partition(":")
    return f"{around.others.get(name, name)}{colon}{mode}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
