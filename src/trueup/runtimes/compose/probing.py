"""Ports of the host are tried before anything is stopped: which of them a program outside of the engine has, no list tells.

A container of nothing that publishes them is made and started, beside all others. A port that somebody has is refused then; what it would
run is not there, so that it ends at once, and it is taken away.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.runtimes.compose.carrier import IMAGE, OF_PROJECT
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.look import Deed, Step
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.wanted import ports_of

PROBE: Final = ".probe"
_TAKEN: Final = ("already in use", "already allocated")

Port = tuple[str, str, str]
"""``(80/tcp, host address, host port)``."""


async def try_ports(engine: Engine, service: Service, steps: Sequence[Step], summaries: Iterable[Mapping[str, Any]]) -> None:
    """Raises Refused when a port cannot be had, for whose sake something that runs would be stopped in vain.

    ``summaries``: the containers as the engine lists them. What one of these publishes is theirs to let go, and is not tried.
    """
    stopping = [step for step in steps if step.deed is Deed.RECREATE and step.container is not None and step.container.runs]
    ports = [*_new(service, summaries)] if stopping and not service.stopped else []
    if not ports:
        return
    name = f"{stopping[0].name}{PROBE}"
    with suppress(Absent):
        await engine.delete(f"/containers/{name}", force=True)
    try:
        await engine.post("/containers/create", _body(service, ports), name=name)
        await engine.post(f"/containers/{name}/start")
    except Refused as error:
        # Whatever else stands in the way of a container of nothing says nothing of the service.
        if any(words in error.message for words in _TAKEN):
            named = [port for _, _, port in ports if f":{port}" in error.message] or [port for _, _, port in ports]
            message = f"port {' or '.join(named)} is taken by a program of the host: {error.message}"
            raise Refused(message, hint="what runs was not touched") from error
    finally:
        with suppress(Absent):
            await engine.delete(f"/containers/{name}", force=True)


def _new(service: Service, summaries: Iterable[Mapping[str, Any]]) -> Iterator[Port]:
    """The ports that no container publishes now."""
    published = {
        (str(port.get("Type") or "tcp"), str(port.get("PublicPort") or "")) for each in summaries for port in each.get("Ports") or ()
    }
    for target, address, port in ports_of(service.spec):
        if port and (target.rpartition("/")[2], port) not in published:
            yield target, address, port


def _body(service: Service, ports: Sequence[Port]) -> Body:
    bindings: dict[str, list[dict[str, str]]] = {}
    for target, address, port in ports:
        bindings.setdefault(target, []).append({"HostIp": address, "HostPort": port})
    # The engine's own init makes the container start, and ends it when it finds nothing to run.
    return {
        "Image": IMAGE,
        "Entrypoint": ["/nothing"],
        "Cmd": [],
        "Labels": {OF_PROJECT: service.project},
        "ExposedPorts": {target: {} for target in bindings},
        "HostConfig": {"Init": True, "PortBindings": bindings},
    }
