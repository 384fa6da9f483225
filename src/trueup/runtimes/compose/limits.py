"""What a container may use, and when it is started again: Compose's words -> the engine's, and back for what can change while it runs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from trueup.model.manifest import Body
from trueup.runtimes.compose.units import size

_SIZES: Final = {"mem_limit": "Memory", "mem_reservation": "MemoryReservation", "memswap_limit": "MemorySwap"}
_NUMBERS: Final = {
    "cpu_count": "CpuCount", "cpu_percent": "CpuPercent", "cpu_period": "CpuPeriod", "cpu_quota": "CpuQuota", "cpu_shares": "CpuShares",
    "cpu_rt_period": "CpuRealtimePeriod", "cpu_rt_runtime": "CpuRealtimeRuntime", "mem_swappiness": "MemorySwappiness",
    "pids_limit": "PidsLimit",
}  # fmt: skip
_RATES: Final = {
    "device_read_bps": "BlkioDeviceReadBps", "device_write_bps": "BlkioDeviceWriteBps",
    "device_read_iops": "BlkioDeviceReadIOps", "device_write_iops": "BlkioDeviceWriteIOps",
}  # fmt: skip
# What `docker update` can change at a container that runs, and the field that says it.
CHANGEABLE: Final = {
    "Memory": "mem_limit", "MemoryReservation": "mem_reservation", "MemorySwap": "memswap_limit", "NanoCpus": "cpus",
    "CpuPeriod": "cpu_period", "CpuQuota": "cpu_quota", "CpuShares": "cpu_shares", "CpusetCpus": "cpuset", "PidsLimit": "pids_limit",
}  # fmt: skip
_PIDS_OF_PODMAN: Final = 2048


def restart_of(spec: Mapping[str, Any]) -> Body:
    """The restart policy: that of the service, else that of its deployment."""
    told = spec.get("restart")
    policy = (spec.get("deploy") or {}).get("restart_policy")
    if told is None and policy:
        name = {"any": "always", "on-failure": "on-failure", "none": "no"}.get(str(policy.get("condition") or "any"), "no")
        return {"Name": name, "MaximumRetryCount": int(policy.get("max_attempts") or 0) if name == "on-failure" else 0}
    name, _, count = str(told or "no").partition(":")
    return {"Name": name, "MaximumRetryCount": int(count) if count.isdecimal() else 0}


def restart_in(host_config: Mapping[str, Any]) -> str:
    """The policy of a container as Compose writes it."""
    policy = host_config.get("RestartPolicy") or {}
    count = policy.get("MaximumRetryCount") or 0
    return f"{policy.get('Name') or 'no'}{f':{count}' if count else ''}"


def limits_of(spec: Mapping[str, Any]) -> Body:
    """What of the engine's host configuration limits it, or lets it have."""
    resources = (spec.get("deploy") or {}).get("resources") or {}
    most, least = resources.get("limits") or {}, resources.get("reservations") or {}
    body: Body = {}
    for told, names in ((most, {"memory": "Memory"}), (least, {"memory": "MemoryReservation"})):
        body |= {theirs: size(told[ours]) for ours, theirs in names.items() if told.get(ours) is not None}
    body |= {theirs: size(spec[ours]) for ours, theirs in _SIZES.items() if spec.get(ours) is not None}
    if most.get("pids") is not None:
        body["PidsLimit"] = int(most["pids"])
    body |= {theirs: int(spec[ours]) for ours, theirs in _NUMBERS.items() if spec.get(ours) is not None}
    cpus = spec.get("cpus") if spec.get("cpus") is not None else most.get("cpus")
    if cpus is not None:
        body["NanoCpus"] = round(float(cpus) * 10**9)
    if spec.get("cpuset"):
        body["CpusetCpus"] = str(spec["cpuset"])
    if spec.get("oom_kill_disable") is not None:
        body["OomKillDisable"] = bool(spec["oom_kill_disable"])
    if spec.get("ulimits"):
        body["Ulimits"] = [_ulimit(name, value) for name, value in sorted(spec["ulimits"].items())]
    return body | _devices(spec, least) | _block_io(spec.get("blkio_config") or {})


def limits_in(spec: Mapping[str, Any], host_config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in which a container's limits are not those that this spec gave it, as they are now; None: not limited."""
    given = completed(limits_of(spec))
    return {
        field: _said(theirs, host_config.get(theirs))
        for theirs, field in CHANGEABLE.items()
        if _differ(given.get(theirs), host_config.get(theirs)) and not _is_of_podman(theirs, given.get(theirs), host_config.get(theirs))
    }


def completed(given: Body) -> Body:
    """As the engine completes it: with a limit for memory there is one for swap."""
    if given.get("Memory") and "MemorySwap" not in given:
        return {**given, "MemorySwap": 2 * given["Memory"]}
    return given


def _differ(given: Any, live: Any) -> bool:
    return (given or 0) != (live or 0) and not (given in (-1, 0, None) and live in (-1, 0, None))


def _is_of_podman(theirs: str, given: Any, live: Any) -> bool:
    """Podman limits the processes of every container for which nothing was said."""
    return theirs == "PidsLimit" and not given and live == _PIDS_OF_PODMAN


def _said(theirs: str, value: Any) -> Any:
    if not value or value == -1:
        return None
    return value / 10**9 if theirs == "NanoCpus" else str(value) if theirs.startswith("Memory") else value


def _ulimit(name: str, value: Any) -> Body:
    soft, hard = (value["soft"], value["hard"]) if isinstance(value, dict) else (value, value)
    return {"Name": name, "Soft": int(soft), "Hard": int(hard)}


def _devices(spec: Mapping[str, Any], reserved: Mapping[str, Any]) -> Body:
    requests = [_request(each) for each in [*(reserved.get("devices") or ()), *_gpus(spec)]]
    return {
        **({"Devices": [_device(each) for each in spec["devices"]]} if spec.get("devices") else {}),
        **({"DeviceCgroupRules": list(spec["device_cgroup_rules"])} if spec.get("device_cgroup_rules") else {}),
        **({"DeviceRequests": requests} if requests else {}),
    }


def _gpus(spec: Mapping[str, Any]) -> Iterator[Body]:
    for each in spec.get("gpus") or ():
        yield {**each, "capabilities": each.get("capabilities") or ["gpu"]}


def _device(told: Any) -> Body:
    if isinstance(told, str):
        source, _, rest = told.partition(":")
        target, _, permissions = rest.partition(":")
        told = {"source": source, "target": target, "permissions": permissions}
    target = told.get("target") or told["source"]
    return {"PathOnHost": told["source"], "PathInContainer": target, "CgroupPermissions": told.get("permissions") or "rwm"}


def _request(told: Mapping[str, Any]) -> Body:
    ids = list(told.get("device_ids") or ())
    count = told.get("count")
    return {
        "Driver": str(told.get("driver") or ""),
        "Count": 0 if ids else -1 if count in (None, "all") else int(str(count)),
        "DeviceIDs": ids,
        "Capabilities": [list(told.get("capabilities") or ())],
        "Options": dict(told.get("options") or {}),
    }


def _block_io(told: Mapping[str, Any]) -> Body:
    body: Body = {}
    if told.get("weight"):
        body["BlkioWeight"] = int(told["weight"])
    if told.get("weight_device"):
        body["BlkioWeightDevice"] = [{"Path": each["path"], "Weight": int(each["weight"])} for each in told["weight_device"]]
    for ours, theirs in _RATES.items():
        if told.get(ours):
            body[theirs] = [{"Path": each["path"], "Rate": size(each["rate"])} for each in told[ours]]
    return body
