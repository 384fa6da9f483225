"""A container that somebody else made, against the one that we would make: what differs, in Compose's terms.

What the engine and the image give by themselves counts as neither. A container that does not differ can be taken over as it runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from trueup.model.manifest import Body
from trueup.model.plan import Change
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.limits import restart_in

_DEFAULT_SHM: Final = 64 << 20
_FIELDS: Final = {
    "User": "user", "Domainname": "domainname", "WorkingDir": "working_dir", "StopSignal": "stop_signal", "Tty": "tty",
    "StopTimeout": "stop_grace_period", "OpenStdin": "stdin_open",
}  # fmt: skip
_HOST_FIELDS: Final = {
    "Privileged": "privileged", "ReadonlyRootfs": "read_only", "Init": "init", "CgroupParent": "cgroup_parent", "CgroupnsMode": "cgroup",
    "UsernsMode": "userns_mode", "UTSMode": "uts", "PidMode": "pid", "IpcMode": "ipc", "OomScoreAdj": "oom_score_adj", "CapAdd": "cap_add",
    "CapDrop": "cap_drop", "Dns": "dns", "DnsOptions": "dns_opt", "DnsSearch": "dns_search", "GroupAdd": "group_add",
    "SecurityOpt": "security_opt", "StorageOpt": "storage_opt", "Sysctls": "sysctls", "ExtraHosts": "extra_hosts", "Tmpfs": "tmpfs",
    "Runtime": "runtime", "Memory": "mem_limit", "MemoryReservation": "mem_reservation", "NanoCpus": "cpus", "CpuPeriod": "cpu_period",
    "CpuQuota": "cpu_quota", "CpuShares": "cpu_shares", "CpusetCpus": "cpuset", "PidsLimit": "pids_limit", "Ulimits": "ulimits",
    "Devices": "devices", "DeviceRequests": "gpus", "DeviceCgroupRules": "device_cgroup_rules", "BlkioWeight": "blkio_config",
    "OomKillDisable": "oom_kill_disable", "VolumesFrom": "volumes_from",
}  # fmt: skip
# What the engine fills in where nothing is asked for.
_FILLED: Final[Mapping[str, tuple[Any, ...]]] = {
    "CgroupnsMode": ("host", "private"),
    "IpcMode": ("private", "shareable"),
    "Runtime": ("runc",),
    "PidsLimit": (0, -1),
    "StopSignal": ("SIGTERM",),
}
_NOT_OF_THE_USER: Final = ("com.docker.compose.", "dev.trueup.", "desktop.docker.io/")


def unlike(container: Container, wanted: Body, image: Mapping[str, Any], networks: Sequence[str]) -> Iterator[Change]:
    """What differs between a container and the request that we would make of it.

    ``image`` is its image's own configuration, ``networks`` are those that it would be in.
    """
    config = container.body["Config"]
    yield from _difference("environment", _environment(image, config), _environment(image, wanted))
    yield from _command(config, wanted, image)
    for theirs, ours in _FIELDS.items():
        yield from _plain(ours, theirs, config.get(theirs), wanted.get(theirs) or image.get(theirs))
    yield from _hostname(container, wanted)
    yield from _difference("labels", _labels(config, image), _labels(wanted, image))
    yield from _difference("healthcheck", _healthcheck(config, {}), _healthcheck(wanted, image))
    yield from _host(container, wanted["HostConfig"])
    yield from _difference("ports", _ports(container.host_config), _ports(wanted["HostConfig"]))
    yield from _networks(container, str(wanted["HostConfig"]["NetworkMode"]), networks)
    yield from _mounts(container, wanted)


def _environment(image: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    told: dict[str, str] = {}
    for entry in [*(image.get("Env") or ()), *(config.get("Env") or ())]:
        name, equals, value = entry.partition("=")
        if equals:
            told[name] = value
        else:
            told.pop(name, None)
    return told


def _command(config: Mapping[str, Any], wanted: Body, image: Mapping[str, Any]) -> Iterator[Change]:
    entrypoint = [each for each in wanted.get("Entrypoint", image.get("Entrypoint")) or [] if each]
    # An entry point of one's own takes the image's command away.
    command = wanted.get("Cmd", None if "Entrypoint" in wanted else image.get("Cmd")) or []
    yield from _difference("entrypoint", [each for each in config.get("Entrypoint") or [] if each], entrypoint)
    yield from _difference("command", config.get("Cmd") or [], command)


def _hostname(container: Container, wanted: Body) -> Iterator[Change]:
    told = container.body["Config"].get("Hostname") or ""
    asked = wanted.get("Hostname") or ""
    if told != asked and (asked or told != container.id[: len(told)]) and container.host_config.get("NetworkMode") != "host":
        yield Change("spec.hostname", told, asked or None)


def _labels(config: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, str]:
    given = image.get("Labels") or {}
    told = config.get("Labels") or {}
    return {name: value for name, value in told.items() if not name.startswith(_NOT_OF_THE_USER) and given.get(name) != value}


def _healthcheck(config: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    told = {**(image.get("Healthcheck") or {}), **(config.get("Healthcheck") or {})}
    if told.get("Test") == ["NONE"]:
        return {"Test": ["NONE"]}
    return {name: value for name, value in told.items() if value}


def _host(container: Container, wanted: Body) -> Iterator[Change]:
    live = container.host_config
    for theirs, ours in _HOST_FIELDS.items():
        yield from _plain(ours, theirs, live.get(theirs), wanted.get(theirs))
    if (live.get("ShmSize") or _DEFAULT_SHM) != (wanted.get("ShmSize") or _DEFAULT_SHM):
        yield Change("spec.shm_size", live.get("ShmSize"), wanted.get("ShmSize"))
    yield from _difference("restart", restart_in(live), restart_in(wanted))
    asked, told = wanted.get("LogConfig") or {}, live.get("LogConfig") or {}
    if asked.get("Type") and (asked["Type"], asked.get("Config") or {}) != (told.get("Type"), told.get("Config") or {}):
        yield Change("spec.logging", {"driver": told.get("Type"), "options": told.get("Config")}, {"driver": asked["Type"]})


def _plain(field: str, theirs: str, live: Any, wanted: Any) -> Iterator[Change]:
    if not wanted and live in _FILLED.get(theirs, ()):
        return
    if theirs in ("CapAdd", "CapDrop"):
        live, wanted = _capabilities(live), _capabilities(wanted)
    if (live or None) != (wanted or None):
        yield Change(f"spec.{field}", live or None, wanted or None)


def _capabilities(told: Any) -> list[str]:
    return sorted(str(each).upper().removeprefix("CAP_") for each in told or ())


def _ports(host: Mapping[str, Any]) -> list[str]:
    bindings = (host.get("PortBindings") or {}).items()
    return sorted(f"{each.get('HostIp') or ''}:{each.get('HostPort') or ''}:{target}" for target, told in bindings for each in told or ())


def _networks(container: Container, mode: str, networks: Sequence[str]) -> Iterator[Change]:
    if networks:
        yield from _difference("networks", sorted(container.networks), sorted(networks))
    elif container.host_config.get("NetworkMode") != mode:
        yield Change("spec.network_mode", container.host_config.get("NetworkMode"), mode)


def _mounts(container: Container, wanted: Body) -> Iterator[Change]:
    """What is mounted, place by place; volumes without a name come from the image, and content of the repository is told by others."""
    asked = dict(_asked_mounts(wanted["HostConfig"]))
    there = {mount["Destination"]: mount for mount in container.body.get("Mounts") or ()}
    for target, (source, writable) in asked.items():
        mount = there.get(target)
        told = (mount.get("Name") if mount.get("Type") == "volume" else mount.get("Source"), bool(mount.get("RW"))) if mount else None
        if told != (source, writable) and not (mount and not source and told and told[1] == writable):
            yield Change(f"spec.volumes[target={target}]", told[0] if told else None, source or "a volume")
    for target, mount in there.items():
        if target not in asked and len(str(mount.get("Name", ""))) != 64:
            yield Change(f"spec.volumes[target={target}]", mount.get("Name") or mount.get("Source"), None)


def _asked_mounts(host: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, bool]]]:
    for bind in host.get("Binds") or ():
        source, target, modes = [*bind.split(":"), "rw"][:3]
        yield target, (source, "ro" not in modes.split(","))
    for mount in host.get("Mounts") or ():
        yield mount["Target"], (str(mount.get("Source") or ""), not mount.get("ReadOnly"))


def _difference(field: str, live: Any, wanted: Any) -> Iterator[Change]:
    if live == wanted:
        return
    if isinstance(live, dict) and isinstance(wanted, dict):
        for name in sorted(live.keys() | wanted.keys()):
            if live.get(name) != wanted.get(name):
                yield Change(f"spec.{field}.{name}", live.get(name), wanted.get(name))
        return
    yield Change(f"spec.{field}", live or None, wanted or None)
