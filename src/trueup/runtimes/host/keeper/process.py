"""Processes known by identity, not by bare number: boot id, pid, start time, and a token in their environment."""

import os
from collections.abc import Iterator
from signal import pidfd_send_signal

from trueup.runtimes.host.keeper.file import content

TOKEN = "TRUEUP_TOKEN"
"""The variable that marks a keeper, and all that it started: ``SERVICE.INSTANCE``."""


class Process:
    """One line of the process table. ``start`` is in clock ticks since boot: with the boot id and the pid it names a process for ever."""

    __slots__ = ("name", "parent", "pid", "session", "start", "state")

    def __init__(self, text: str) -> None:
        head, _, tail = text.rpartition(")")
        number, _, self.name = head.partition(" (")
        fields = tail.split()
        self.pid = int(number)
        self.state = fields[0]
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.start = int(fields[19])

    @property
    def over(self) -> bool:
        """Whether it has ended, though its parent has not looked yet."""
        return self.state in "ZXx"


def boot_id() -> str:
    """Names this run of the machine."""
    return content("/proc/sys/kernel/random/boot_id").decode().strip()


def process(pid: int) -> Process | None:
    """The process with this number, unless it has ended."""
    try:
        found = Process(content(f"/proc/{pid}/stat").decode(errors="replace"))
    except (OSError, IndexError, ValueError):
        return None
    return None if found.over else found


def lives(pid: int, start: int) -> bool:
    """Whether this very process still runs, on the present boot."""
    found = process(pid)
    return found is not None and found.start == start


def processes() -> list[Process]:
    """Everything that runs."""
    return [found for name in os.listdir("/proc") if name.isdigit() and (found := process(int(name)))]  # noqa: PTH208 - half the time


def token_of(pid: int) -> str:
    """The token in a process's environment; empty when it has none, or when it may not be read."""
    try:
        environment = content(f"/proc/{pid}/environ")
    except OSError:
        return ""
    mark = f"{TOKEN}=".encode()
    return next((entry[len(mark) :].decode(errors="replace") for entry in environment.split(b"\0") if entry.startswith(mark)), "")


def below(root: int, token: str) -> list[Process]:
    """Everything that descends from a process, without what another keeper started in there (a Trueup that is itself a service)."""
    children: dict[int, list[Process]] = {}
    for each in processes():
        children.setdefault(each.parent, []).append(each)
    return list(_below(root, token, children))


def _below(root: int, token: str, children: dict[int, list[Process]]) -> Iterator[Process]:
    for child in children.get(root, ()):
        if token_of(child.pid) in ("", token):
            yield child
            yield from _below(child.pid, token, children)


def bearing(service: str) -> list[Process]:
    """Everything that any keeper of this service started, the keepers included; found by token, or by the session of such a process."""
    table = processes()
    marked = [each for each in table if token_of(each.pid).partition(".")[0] == service]
    sessions = {each.session for each in marked if each.session == each.pid}
    return [each for each in table if each in marked or (each.session in sessions and not token_of(each.pid))]


def send(target: Process, signal: int) -> bool:
    """Signal this very process, never another that got its number since. False when it is gone."""
    try:
        descriptor = os.pidfd_open(target.pid)
    except OSError:
        return False
    try:
        if not lives(target.pid, target.start):
            return False
        pidfd_send_signal(descriptor, signal)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True
