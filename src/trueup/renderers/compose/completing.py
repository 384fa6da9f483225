"""A model -> the whole project: defaults, names, networks and dependencies that are meant though nobody wrote them."""

import posixpath
from collections.abc import Mapping
from typing import Any

from trueup.renderers.compose.located import Place, Row, Table

_SHARED = ("network_mode", "ipc", "pid", "uts", "cgroup")


def complete(model: Table, project: str, variables: Mapping[str, str]) -> None:
    """Say everything that Compose takes for granted."""
    model["name"] = project
    services = _table_of(model, "services")
    for name, service in services.items():
        if not isinstance(service, Table):
            services[name] = service = Table(services.place_of(name))
        _set_defaults(service)
        _resolve_inherited(service, variables)
        _add_dependencies(service)
    _add_networks(model, services)
    _name_resources(model, project)


def _set_defaults(service: Table) -> None:
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, Table) and "dockerfile_inline" not in build:
        build.setdefault("dockerfile", "Dockerfile")
    for secret in service.get("secrets") or ():
        secret.setdefault("target", f"/run/secrets/{secret.get('source')}")
    for port in service.get("ports") or ():
        port.setdefault("protocol", "tcp")
        port.setdefault("mode", "ingress")
    for mount in service.get("volumes") or ():
        target = posixpath.normpath(str(mount.get("target", "")))
        mount["target"] = target[1:] if target.startswith("//") else target
    for request in (*(service.get("gpus") or ()), *_devices(service)):
        if "device_ids" not in request:
            request.setdefault("count", "all")


def _devices(service: Table) -> Any:
    value: Any = service
    for step in ("deploy", "resources", "reservations", "devices"):
        value = value.get(step) if isinstance(value, Table) else None
    return value or ()


def _resolve_inherited(service: Table, variables: Mapping[str, str]) -> None:
    """A name without a value takes it from the project's variables; a build argument without one is left out."""
    build = service.get("build")
    if isinstance(build, Table) and "args" in build:
        build["args"] = _resolved(build["args"], variables, keep=False)
    if "environment" in service:
        service["environment"] = _resolved(service["environment"], variables, keep=True)


def _resolved(value: Any, variables: Mapping[str, str], keep: bool) -> Any:
    table = Table(value.place if isinstance(value, Table | Row) else Place(""))
    entries: Any = value.items() if isinstance(value, Table) else []
    if isinstance(value, Row):
        entries = [(name, text if equals else None) for name, equals, text in (str(each).partition("=") for each in value)]
    for number, (name, text) in enumerate(entries):
        place = value.place_of(name) if isinstance(value, Table) else value.places[number]
        text = variables.get(name) if text is None else text
        if text is not None or keep:
            table.pop(name, None)
            table.put(name, text, place)
    return table


def _add_dependencies(service: Table) -> None:
    """Who shares a namespace, a volume or a link with another service depends on it."""
    found = [(str(link).split(":")[0], True, service.place_of("links")) for link in service.get("links") or ()]
    for field in _SHARED:
        shared = str(service.get(field) or "")
        if shared.startswith("service:"):
            found.append((shared.removeprefix("service:"), True, service.place_of(field)))
    others = [str(each) for each in service.get("volumes_from") or () if not str(each).startswith("container:")]
    found += [(each.split(":")[0], False, service.place_of("volumes_from")) for each in others]
    for name, restart, place in found:
        dependencies = _table_of(service, "depends_on", place)
        if name not in dependencies:
            dependency = Table(place)
            dependency.update(condition="service_started", restart=restart, required=True)
            dependencies.put(name, dependency, place)


def _add_networks(model: Table, services: Table) -> None:
    for service in services.values():
        if "provider" not in service and "network_mode" not in service and not service.get("networks"):
            networks = Table(service.place)
            networks["default"] = None
            service["networks"] = networks
    if any("default" in (service.get("networks") or ()) for service in services.values()):
        _table_of(model, "networks").setdefault("default", None)


def _name_resources(model: Table, project: str) -> None:
    for section in ("networks", "volumes", "configs", "secrets"):
        table = model.get(section)
        if not isinstance(table, Table):
            continue
        for key, value in table.items():
            resource = value if isinstance(value, Table) else Table(table.place_of(key))
            table[key] = resource
            if resource.get("name") is None:
                resource["name"] = key if resource.get("external") is True else f"{project}_{key}"


def _table_of(holder: Table, key: str, place: Place | None = None) -> Table:
    table = holder.get(key)
    if not isinstance(table, Table):
        table = Table(place or holder.place_of(key))
        holder.put(key, table, table.place)
    return table
