"""The completed model -> plain data as ``docker compose config --format json`` prints it: every field of the specification."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trueup.renderers.compose import shapes
from trueup.renderers.compose.located import Faults, Place, Table, plain
from trueup.renderers.compose.shapes import LEFT_OUT

Shape = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with known fields. ``always`` are those that are written also when nobody wrote them."""

    fields: Mapping[str, "Shape | Fields | Many | Named"]
    always: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Many:
    """A list of one form."""

    of: "Fields"


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping of names to one form. Null stays null."""

    of: "Shape | Fields"


Form = Shape | Fields | Many | Named


def shaped(value: Any, form: Form, place: Place, faults: Faults) -> Any:
    """The value in its form. What cannot be is among the faults."""
    if isinstance(form, Fields):
        return _mapping(value, form, faults)
    if isinstance(form, Many):
        items = [_mapping(each, form.of, faults) for each in value or ()]
        return items or LEFT_OUT
    if isinstance(form, Named):
        return _named(value, form, faults)
    try:
        return form(value)
    except ValueError as error:
        faults.add(place, "the value is of the wrong kind", str(error))
        return LEFT_OUT


def _mapping(value: Any, form: Fields, faults: Faults) -> Any:
    if not isinstance(value, Table):
        if value is None and not form.always:
            return LEFT_OUT
        value = Table(Place(""))
    written: dict[str, Any] = {}
    for name, of in form.fields.items():
        if name not in value and name not in form.always:
            continue
        if isinstance(of, Fields) and value.get(name) is None and name not in form.always:
            continue
        found = shaped(value.get(name), of, value.place_of(name), faults)
        if found is LEFT_OUT and isinstance(of, Fields) and name in form.always:
            found = {}
        if found is not LEFT_OUT:
            written[name] = found
    return written


def _named(value: Any, form: Named, faults: Faults) -> Any:
    if not isinstance(value, Table):
        return LEFT_OUT
    found = {name: None if each is None else shaped(each, form.of, value.place_of(name), faults) for name, each in value.items()}
    return {name: each for name, each in found.items() if each is not LEFT_OUT} or LEFT_OUT


def project_of(model: Table, faults: Faults) -> dict[str, Any]:
    """The whole project."""
    project: dict[str, Any] = {"name": model["name"], "services": {}}
    for section, form in _SECTIONS.items():
        table = model.get(section)
        if isinstance(table, Table) and table:
            project[section] = {name: _mapping(each, form, faults) for name, each in table.items()}
    for name, value in model.items():
        if name.startswith("x-"):
            project[name] = plain(value)
    return project


def _all(names: str, shape: Shape) -> dict[str, Shape]:
    return dict.fromkeys(names.split(), shape)


_FILE: Final = Fields({**_all("source target uid gid", shapes.text), "mode": shapes.mode})
_REQUEST: Final = Fields(
    {
        "capabilities": shapes.texts,
        "driver": shapes.text,
        "count": shapes.devices,
        "device_ids": shapes.texts,
        "options": shapes.pairs,
    }
)
_BUILD: Final = Fields(
    {
        **_all("context dockerfile dockerfile_inline provenance sbom isolation network target", shapes.text),
        **_all("entitlements cache_from cache_to tags platforms", shapes.texts),
        **_all("no_cache pull privileged", shapes.flag),
        **_all("labels additional_contexts", shapes.pairs),
        "args": shapes.variables,
        "ssh": shapes.keys,
        "extra_hosts": shapes.hosts,
        "secrets": Many(_FILE),
        "shm_size": shapes.size,
        "ulimits": Named(shapes.limit),
    }
)
_RATES: Final = Many(Fields({"path": shapes.text, "rate": shapes.size}))
_BLKIO: Final = Fields(
    {
        "weight": shapes.number,
        "weight_device": Many(Fields({"path": shapes.text, "weight": shapes.number})),
        **dict.fromkeys(("device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops"), _RATES),
    }
)
_UPDATE: Final = Fields(
    {
        "parallelism": shapes.count,
        **_all("delay monitor", shapes.delay),
        **_all("failure_action order", shapes.text),
        "max_failure_ratio": shapes.decimal,
    }
)
_GENERIC: Final = Fields({"discrete_resource_spec": Fields({"kind": shapes.text, "value": shapes.count})})
_RESOURCE: Final = Fields(
    {
        "cpus": shapes.decimal,
        "memory": shapes.size,
        "pids": shapes.number,
        "devices": Many(_REQUEST),
        "generic_resources": Many(_GENERIC),
    }
)
_DEPLOY: Final = Fields(
    {
        **_all("mode endpoint_mode", shapes.text),
        "replicas": shapes.count,
        "labels": shapes.pairs,
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
        "resources": Fields({"limits": _RESOURCE, "reservations": _RESOURCE}),
        "restart_policy": Fields({"condition": shapes.text, **_all("delay window", shapes.time), "max_attempts": shapes.count}),
        "placement": Fields(
            {
                "constraints": shapes.texts,
                "preferences": Many(Fields({"spread": shapes.text})),
                "max_replicas_per_node": shapes.number,
            }
        ),
    },
    always=("resources", "placement"),
)
_HEALTH: Final = Fields(
    {
        "test": shapes.test,
        **_all("timeout interval start_period start_interval", shapes.time),
        "retries": shapes.count,
        "disable": shapes.flag,
    }
)
_HOOK: Final = Fields(
    {
        "command": shapes.command,
        **_all("user working_dir", shapes.text),
        "privileged": shapes.flag,
        "environment": shapes.variables,
    },
    always=("command",),
)
_WATCH: Final = Fields(
    {
        **_all("path action target", shapes.text),
        "exec": _HOOK,
        **_all("include ignore", shapes.texts),
        "initial_sync": shapes.flag,
    },
    always=("exec",),
)
_ATTACHMENT: Final = Fields(
    {
        **_all("aliases link_local_ips", shapes.texts),
        "driver_opts": shapes.pairs,
        **_all("gw_priority priority", shapes.number),
        **_all("interface_name ipv4_address ipv6_address mac_address", shapes.text),
    }
)
_PORT: Final = Fields({**_all("name mode host_ip published protocol app_protocol", shapes.text), "target": shapes.number})
_MOUNT: Final = Fields(
    {
        **_all("type source target consistency", shapes.text),
        "read_only": shapes.flag,
        "bind": Fields({**_all("selinux propagation recursive", shapes.text), "create_host_path": shapes.flag}),
        "volume": Fields({"labels": shapes.pairs, "nocopy": shapes.flag, "subpath": shapes.text}),
        "tmpfs": Fields({"size": shapes.size, "mode": shapes.number}),
        "image": Fields({"subpath": shapes.text}),
    }
)
_SERVICE: Final = Fields(
    {
        **_all(
            "cgroup cgroup_parent cpuset container_name domainname hostname image ipc isolation mac_address network_mode pid platform "
            "pull_policy restart runtime stop_signal user userns_mode uts working_dir",
            shapes.text,
        ),
        **_all(
            "cap_add cap_drop device_cgroup_rules dns dns_opt dns_search expose external_links group_add links profiles security_opt tmpfs "
            "volumes_from",
            shapes.texts,
        ),
        **_all("cpu_count cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares oom_score_adj pids_limit", shapes.number),
        **_all("cpu_percent cpus", shapes.decimal),
        **_all("mem_limit mem_reservation memswap_limit mem_swappiness shm_size", shapes.size),
        **_all("oom_kill_disable privileged read_only stdin_open tty use_api_socket", shapes.flag),
        **_all("attach init", shapes.choice),
        **_all("annotations labels storage_opt sysctls", shapes.pairs),
        **_all("command entrypoint", shapes.command),
        "build": _BUILD,
        "develop": Fields({"watch": Many(_WATCH)}),
        "blkio_config": _BLKIO,
        "configs": Many(_FILE),
        "secrets": Many(_FILE),
        "depends_on": Named(Fields({"condition": shapes.text, "restart": shapes.flag, "required": shapes.choice})),
        "deploy": _DEPLOY,
        "devices": Many(Fields(_all("source target permissions", shapes.text))),
        "environment": shapes.variables,
        "extra_hosts": shapes.hosts,
        "gpus": Many(_REQUEST),
        "healthcheck": _HEALTH,
        "logging": Fields({"driver": shapes.text, "options": shapes.pairs}),
        "networks": Named(_ATTACHMENT),
        "ports": Many(_PORT),
        "post_start": Many(_HOOK),
        "pre_stop": Many(_HOOK),
        "scale": shapes.count,
        "stop_grace_period": shapes.time,
        "ulimits": Named(shapes.limit),
        "volumes": Many(_MOUNT),
    },
    always=("command", "entrypoint"),
)
_POOL: Final = Fields({**_all("subnet gateway ip_range", shapes.text), "aux_addresses": shapes.pairs})
_NETWORK: Final = Fields(
    {
        **_all("name driver", shapes.text),
        **_all("driver_opts labels", shapes.pairs),
        "ipam": Fields({"driver": shapes.text, "config": Many(_POOL)}),
        **_all("external internal attachable", shapes.flag),
        **_all("enable_ipv4 enable_ipv6", shapes.choice),
    },
    always=("ipam",),
)
_VOLUME: Final = Fields({**_all("name driver", shapes.text), **_all("driver_opts labels", shapes.pairs), "external": shapes.flag})
_CONTENT: Final = Fields(
    {
        **_all("name file environment content driver template_driver", shapes.text),
        "external": shapes.flag,
        **_all("labels driver_opts", shapes.pairs),
    }
)
_SECTIONS: Final = {"services": _SERVICE, "networks": _NETWORK, "volumes": _VOLUME, "secrets": _CONTENT, "configs": _CONTENT}
