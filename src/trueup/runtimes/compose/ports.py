"""What only one container of a machine, or of a network, can have."""

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.wanted import ports_of


def takes_a_place(spec: Mapping[str, Any]) -> bool:
    """Whether two containers of this spec cannot run side by side: a port of the host, an address of their own, the host's network."""
    networks = (spec.get("networks") or {}).values()
    return (
        any(published for _, _, published in ports_of(spec))
        or str(spec.get("network_mode") or "") == "host"
        or any((told or {}).get("ipv4_address") or (told or {}).get("ipv6_address") or (told or {}).get("mac_address") for told in networks)
    )


def conflicts(spec: Mapping[str, Any], others: Iterable[Container]) -> list[str]:
    """Which of the ports that a spec publishes are another container's: ``port 8080/tcp is published by NAME``."""
    return [
        f"port {published}/{target.rpartition('/')[2]} is published by the container {other.name}"
        for target, address, published in ports_of(spec)
        for other in others
        if published and any(_same(address, published, target, theirs) for theirs in _published(other))
    ]


def _published(container: Container) -> Iterable[tuple[str, str, str]]:
    for target, bindings in (container.host_config.get("PortBindings") or {}).items():
        for binding in bindings or ():
            yield target.rpartition("/")[2], str(binding.get("HostIp") or ""), str(binding.get("HostPort") or "")


def _same(address: str, published: str, target: str, theirs: tuple[str, str, str]) -> bool:
    protocol, their_address, their_port = theirs
    everywhere = ("", "0.0.0.0", "::")
    overlapping = address == their_address or address in everywhere or their_address in everywhere
    return protocol == target.rpartition("/")[2] and overlapping and published == their_port
