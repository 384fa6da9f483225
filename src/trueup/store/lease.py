"""Processes -> who they are, so that one that is gone can be told from one that is slow."""

import os
import socket
from pathlib import Path

from trueup.model.memory import Lease

_PROCESSES = Path("/proc")
_SEPARATOR = "|"


def this_process() -> Lease:
    """The lease owner that this process is.

    Process ids mean nothing in another container, even on the same machine and under the same host name, so the host is named together
    with its space of process ids.
    """
    space = _link(_PROCESSES / "self/ns/pid")
    return Lease(
        f"{socket.gethostname()} {space}".strip(), _text(_PROCESSES / "sys/kernel/random/boot_id"), os.getpid(), started(os.getpid()) or 0
    )


def started(process: int) -> int | None:
    """When a process started, in clock ticks since the boot; None when it is gone, or dead and only not yet waited for."""
    fields = _text(_PROCESSES / str(process) / "stat").rpartition(")")[2].split()  # the name before it may hold anything
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def dead(owner: Lease, alive: Lease) -> bool:
    """Whether the owner is provably dead, as ``alive`` can tell: never on another host."""
    if owner.host != alive.host or owner == alive or not alive.started:
        return False
    return owner.boot != alive.boot or started(owner.pid) != owner.started


def owner_text(lease: Lease) -> str:
    """A lease's owner as a row names it."""
    return _SEPARATOR.join((lease.host, lease.boot, str(lease.pid), str(lease.started)))


def owner_of(text: str) -> Lease:
    """What ``owner_text`` wrote."""
    host, boot, process, start = text.rsplit(_SEPARATOR, 3)
    return Lease(host, boot, int(process), int(start))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
