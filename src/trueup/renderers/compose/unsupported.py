"""What of the Compose Specification a host without a swarm, a model runner or a desktop cannot do: named, never passed over."""

from collections.abc import Iterator
from typing import Any, Final

from trueup.renderers.compose.located import Faults, Place, Row, Table
from trueup.renderers.compose.paths import is_remote

_SWARM: Final = "remove it: only a swarm does this"
_WINDOWS: Final = "remove it: only an engine on Windows does this"
_FIELDS: Final = {
    "provider": "run the provider by itself, and name what it makes as `external`",
    "models": "run the model as a service of its own",
    "credential_spec": _WINDOWS,
    "isolation": _WINDOWS,
    "cpu_count": f"{_WINDOWS}; `cpus` limits them everywhere",
    "cpu_percent": f"{_WINDOWS}; `cpus` limits them everywhere",
    "use_api_socket": "mount the socket: `volumes: [/var/run/docker.sock:/var/run/docker.sock]`",
    "external_links": "share a network with it: `networks: {NAME: {external: true}}`",
    "post_start": "put it into the image's entrypoint, or into a service of its own with `depends_on`",
    "pre_stop": "let the program itself do it when it is told to stop; `stop_signal` and `stop_grace_period` say how",
}
_DEPLOY: Final = {
    "endpoint_mode": _SWARM,
    "placement": _SWARM,
    "rollback_config": "remove it: the version before is kept until the new one is healthy, and goes on when it is not",
    "labels": "write them at the service's `labels`: there is nothing but containers that could carry them",
}
_ELSEWHERE: Final = "remove it, or build the image elsewhere and name it: no engine is asked for this"
_BUILD: Final = {
    "isolation": _WINDOWS,
    **dict.fromkeys(("additional_contexts", "cache_to", "entitlements", "privileged", "provenance", "sbom", "ssh"), _ELSEWHERE),
}
_OBJECTS: Final = {"driver": _SWARM, "driver_opts": _SWARM, "template_driver": _SWARM}


def name_unsupported(model: Table, faults: Faults) -> None:
    """Add everything in the model that cannot be done to the faults."""
    for holder, path, name, hint in _found(model):
        place = holder.place_of(name) if isinstance(holder, Table) else holder.place
        faults.add(place, f"{path} is not supported", hint)


def _found(model: Table) -> Iterator[tuple[Any, str, str, str]]:
    if model.get("models"):
        yield model, "models", "models", _FIELDS["models"]
    for name, service in model["services"].items():
        yield from _in_service(service, f"services.{name}")
    for section in ("configs", "secrets"):
        yield from _in_objects(model.get(section) or Table(Place("")), section)


def _in_service(service: Table, path: str) -> Iterator[tuple[Any, str, str, str]]:
    yield from _fields(service, _FIELDS, path)
    build = service.get("build") or Table(Place(""))
    yield from _fields(build, _BUILD, f"{path}.build")
    if is_remote(str(build.get("context", ""))):
        hint = "copy the source into the repository (`git subtree`), or build the image elsewhere and name it"
        yield build, f"{path}.build.context outside of the repository", "context", hint
    yield from _in_deploy(service.get("deploy"), f"{path}.deploy")
    for mount, place in service["volumes"].placed() if isinstance(service.get("volumes"), Row) else ():
        if mount.get("type") in ("npipe", "cluster"):
            yield Row(place), f"{path}.volumes of type {mount['type']}", "", _WINDOWS if mount["type"] == "npipe" else _SWARM


def _in_deploy(deploy: Any, path: str) -> Iterator[tuple[Any, str, str, str]]:
    if not isinstance(deploy, Table):
        return
    yield from _fields(deploy, _DEPLOY, path)
    if deploy.get("mode") not in (None, "replicated"):
        yield deploy, f"{path}.mode: {deploy['mode']}", "mode", "write `replicas`: a host is one node"
    reservations = (deploy.get("resources") or {}).get("reservations") or Table(Place(""))
    for name in ("cpus", "generic_resources", "pids"):
        if reservations.get(name):
            yield reservations, f"{path}.resources.reservations.{name}", name, _SWARM


def _in_objects(section: Table, path: str) -> Iterator[tuple[Any, str, str, str]]:
    for name, entry in section.items():
        yield from _fields(entry, _OBJECTS, f"{path}.{name}")
        if entry.get("external"):
            hint = "write `environment: NAME` (a secret that the operator sets) or `file: ...`"
            yield entry, f"{path}.{name}.external", "external", hint if path == "secrets" else "write `file:` or `content:`"


def _fields(table: Table, known: dict[str, str], path: str) -> Iterator[tuple[Any, str, str, str]]:
    for name, hint in known.items():
        if table.get(name) and table[name] != "false":
            yield table, f"{path}.{name}", name, hint
