"""The short form of published ports, ``[IP:][HOST:]CONTAINER[/PROTOCOL]`` with ranges -> the long form, one entry for each port."""

import ipaddress
import re
from typing import Final

from trueup.model.errors import DeclarationError, Fault
from trueup.renderers.compose.located import Place, Table

_NUMBER: Final = re.compile(r"[0-9]+")
_LARGEST: Final = 65535


def parse_ports(text: str, place: Place) -> list[Table]:
    """The ports of one entry, in Compose's order. Raises DeclarationError."""
    try:
        return _parsed(text, place)
    except ValueError as error:
        message = f"`{text}` does not name ports: {error}"
        hint = 'write "HOST:CONTAINER", such as "8080:80" or "127.0.0.1:9000-9002:9000-9002/udp"'
        raise DeclarationError([Fault(place.file, place.line, place.column, message, hint)]) from None


def _parsed(text: str, place: Place) -> list[Table]:
    *before, container = text.split(":")
    host = before.pop() if before else ""
    address = _address(":".join(before))
    container, _, protocol = container.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(f"the protocol {protocol} is not known")
    first, last = _range(container)
    if not first:
        raise ValueError("a container has no port 0")
    published = _published(host, last - first + 1)
    found = []
    for port, public in zip(range(first, last + 1), published, strict=True):
        table = Table(place)
        table.update(mode="ingress", target=port, protocol=protocol)
        if address:
            table["host_ip"] = address
        if public:
            table["published"] = public
        found.append(table)
    return sorted(found, key=lambda each: f"{each['target']}/")


def _published(host: str, count: int) -> list[str]:
    """The host's side of each port; one port may be published on any of a range."""
    if not host:
        return [""] * count
    first, last = _range(host)
    if count == 1:
        return [str(first) if first == last else f"{first}-{last}"]
    if last - first + 1 != count:
        raise ValueError("the two ranges have not the same length")
    return [str(port) for port in range(first, last + 1)]


def _range(text: str) -> tuple[int, int]:
    first, *more = text.split("-")
    numbers = [first, more[0] if more else first]
    if not all(_NUMBER.fullmatch(each) and int(each) <= _LARGEST for each in numbers):
        raise ValueError(f"`{text}` is no port")
    if int(numbers[1]) < int(numbers[0]):
        raise ValueError(f"the range {text} is upside down")
    return int(numbers[0]), int(numbers[1])


def _address(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not bare:
        return ""
    if "%" in bare:
        raise ValueError(f"{bare} is no address")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError(f"{bare} is no address") from None
    return bare
