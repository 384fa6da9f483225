"""What a manifest may say, as far as it can be told without an engine, and what it takes along from the repository."""

from collections.abc import Iterator
from typing import Any, Final

from trueup.model.contracts import Objection
from trueup.model.manifest import Body
from trueup.runtimes.compose.labels import is_reserved
from trueup.runtimes.compose.service import API_VERSION, KINDS
from trueup.runtimes.compose.units import nanoseconds, size

_CHANGES: Final = ("restart", "recreate")
_STATES: Final = ("running", "stopped")
_SIZES: Final = ("mem_limit", "mem_reservation", "memswap_limit", "shm_size")
_KNOWN: Final = frozenset(
    [
        "annotations",
        "attach",
        "blkio_config",
        "build",
        "cap_add",
        "cap_drop",
        "cgroup",
        "cgroup_parent",
        "command",
        "configs",
        "container_name",
        "cpu_count",
        "cpu_percent",
        "cpu_period",
        "cpu_quota",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpu_shares",
        "cpus",
        "cpuset",
        "depends_on",
        "deploy",
        "develop",
        "device_cgroup_rules",
        "devices",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "entrypoint",
        "env_file",
        "environment",
        "expose",
        "extra_hosts",
        "gpus",
        "group_add",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "ipc",
        "isolation",
        "labels",
        "links",
        "logging",
        "mac_address",
        "mem_limit",
        "mem_reservation",
        "mem_swappiness",
        "memswap_limit",
        "network_mode",
        "networks",
        "oom_kill_disable",
        "oom_score_adj",
        "pid",
        "pids_limit",
        "platform",
        "ports",
        "privileged",
        "profiles",
        "pull_policy",
        "read_only",
        "restart",
        "runtime",
        "scale",
        "secrets",
        "security_opt",
        "shm_size",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "storage_opt",
        "sysctls",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "userns_mode",
        "uts",
        "volumes",
        "volumes_from",
        "working_dir",
    ]
)
_OF_THINGS: Final = {
    "Network": frozenset(
        ["name", "driver", "driver_opts", "ipam", "internal", "attachable", "enable_ipv4", "enable_ipv6", "labels", "external"]
    ),
    "Volume": frozenset(["name", "driver", "driver_opts", "labels", "external"]),
}


def objections_of(body: Body) -> list[Objection]:
    """Everything that is wrong."""
    kind = body.get("kind")
    if body.get("apiVersion") != API_VERSION or kind not in KINDS:
        return [
            Objection(
                ("kind",), f"a Compose host knows no {kind} of {body.get('apiVersion')}", f"write {', '.join(KINDS)} of {API_VERSION}"
            )
        ]
    if not (body.get("metadata") or {}).get("namespace"):
        return [Objection(("metadata", "namespace"), "is missing", "name the Compose project")]
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return [Objection(("spec",), "must be a mapping")]
    known = _KNOWN if kind == "Service" else _OF_THINGS[str(kind)]
    unknown = [
        Objection(("spec", name), "is not supported on a Compose host") for name in spec if name not in known and not name.startswith("x-")
    ]
    return [*unknown, *_reserved(body, spec), *(_of_service(spec) if kind == "Service" else ())]


def references_of(body: Body) -> list[str]:
    """Every ``content``: a path from the root of the repository."""
    spec = body.get("spec") or {}
    if body.get("kind") != "Service" or not isinstance(spec, dict):
        return []
    entries = [entry for field in ("volumes", "configs", "secrets") for entry in spec.get(field) or () if isinstance(entry, dict)]
    if isinstance(spec.get("build"), dict):
        entries += [spec["build"], *(spec["build"].get("secrets") or ())]
    return list(dict.fromkeys(str(entry["content"]) for entry in entries if entry.get("content")))


def _reserved(body: Body, spec: Body) -> Iterator[Objection]:
    """What would be taken for one of ours: the volumes that hold records, their carriers, and our labels."""
    own = f"{body['metadata']['namespace']}_{body['metadata'].get('name')}"
    named = {"Service": ("container_name", spec.get("container_name")), "Volume": ("name", spec.get("name") or own)}
    field, name = named.get(str(body["kind"]), ("name", ""))
    if is_reserved(str(name or "")):
        yield Objection(("spec", field), f"`{name}` is a name that Trueup keeps for itself", "do not begin it with `trueup_`")
    for label in spec.get("labels") or ():
        if is_reserved(str(label)):
            yield Objection(("spec", "labels", label), f"the label `{label}` is one that only Trueup gives", "remove it")
    for place, told in enumerate(spec.get("volumes_from") or ()):
        if is_reserved(str(told).removeprefix("container:")) and str(told).startswith("container:"):
            yield Objection(("spec", "volumes_from", place), f"`{told}` is a container that Trueup keeps for itself", "remove it")


def _of_service(spec: Body) -> Iterator[Objection]:
    if not spec.get("image") and not spec.get("build"):
        yield Objection(("spec", "image"), "a service needs an image or a build")
    if spec.get("container_name") and _replicas(spec) > 1:
        yield Objection(("spec", "container_name"), "only one container can have this name", "leave it out, or ask for one replica")
    yield from _extension(("spec", "x-trueup"), spec.get("x-trueup"))
    for field in ("volumes", "configs"):
        for place, entry in enumerate(spec.get(field) or ()):
            yield from _extension(("spec", field, place, "x-trueup"), (entry or {}).get("x-trueup"))
    for name in _SIZES:
        yield from _readable(("spec", name), spec.get(name), size)
    yield from _readable(("spec", "stop_grace_period"), spec.get("stop_grace_period"), nanoseconds)


def _extension(path: tuple[str | int, ...], told: Any) -> Iterator[Objection]:
    if told is None:
        return
    if not isinstance(told, dict):
        yield Objection(path, "must be a mapping", "such as {change: restart}")
        return
    change, state = told.get("change", "restart"), told.get("state", "running")
    if change not in _CHANGES and not (isinstance(change, dict) and list(change) == ["signal"]):
        yield Objection((*path, "change"), f"`{change}` is not known", "write restart, recreate, or {signal: SIGHUP}")
    if state not in _STATES:
        yield Objection((*path, "state"), f"`{state}` is not known", "write running or stopped")
    for name in told.keys() - {"change", "state"}:
        yield Objection((*path, name), "is not known", "what may be said is change, state")


def _readable(path: tuple[str | int, ...], value: Any, read: Any) -> Iterator[Objection]:
    try:
        if value is not None:
            read(value)
    except (ValueError, TypeError) as error:
        yield Objection(path, str(error))


def _replicas(spec: Body) -> int:
    told = spec.get("scale", (spec.get("deploy") or {}).get("replicas", 1))
    return int(told) if isinstance(told, int) else 1
