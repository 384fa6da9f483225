"""Who listens on a port of this machine: the kernel's table of sockets, and the processes that hold them."""

import os
import socket
from collections.abc import Iterable

from trueup.runtimes.host.keeper.file import content
from trueup.runtimes.host.keeper.process import Process, processes

_LISTENS = "0A"


def listeners(host: str, port: int) -> set[str]:
    """The sockets (``socket:[inode]``) that answer at an address; those bound to the very address before those bound to all of them."""
    exact, wide = _bindings(host)
    table = _table()
    for addresses in (exact, wide):
        found = {inode for address, bound, inode in table if bound == port and address in addresses}
        if found:
            return found
    return set()


def holder(sockets: set[str], among: Iterable[Process]) -> Process | None:
    """The first of these processes that holds one of the sockets."""
    return next((each for each in among if _holds(each.pid, sockets)), None)


def held_by_others(host: str, port: int, own: Iterable[Process]) -> str:
    """Says who holds a port, when it is not one of our own; empty when nobody else does."""
    sockets = listeners(host, port)
    if not sockets or holder(sockets, own):
        return ""
    other = holder(sockets, processes())
    return f"port {port} is held by PID {other.pid} ({other.name})" if other else f"port {port} is held by another process"


def _holds(pid: int, sockets: set[str]) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(_link(f"{folder}/{name}") in sockets for name in os.listdir(folder))  # noqa: PTH208
    except OSError:
        return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return ""


def _table() -> list[tuple[str, int, str]]:
    found = []
    for name in ("tcp", "tcp6"):
        try:
            lines = content(f"/proc/net/{name}").decode().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS:
                address, _, port = fields[1].partition(":")
                found.append((address, int(port, 16), f"socket:[{fields[9]}]"))
    return found


def _bindings(host: str) -> tuple[set[str], set[str]]:
    """An address as the kernel's tables write it, and the addresses that stand for all of them."""
    every = "0" * 32
    if ":" in host:
        return {_words(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))}, {every}
    exact, wide = (_words(socket.inet_pton(socket.AF_INET6, f"::ffff:{address}")) for address in (host, "0.0.0.0"))
    return {_words(socket.inet_pton(socket.AF_INET, host)), exact}, {"0" * 8, wide, every}


def _words(address: bytes) -> str:
    # The kernel prints 32-bit words in the machine's own byte order.
    words = memoryview(address).cast("I")
    return "".join(f"{word:08X}" for word in words)
