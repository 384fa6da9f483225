"""A world of its own for one command: its files, the system's programs, and nothing else; then the process becomes the command."""

import os
import resource
import signal
from typing import Any, Final

from trueup.toolkit.porter import system

WORK: Final = "work"
"""The folder in which the files lie and the command runs."""
SCRATCH: Final = ("home", "tmp")
_OWN: Final = system.NO_SET_ID | system.NO_DEVICES
# Of the machine nothing more is needed there once a process has a user of its own, and it is everywhere.
_ROOT: Final = "/proc"
_MOST_PROCESSES: Final = "/proc/sys/kernel/pid_max"


def enter(order: dict[str, Any], said: tuple[int, int]) -> None:
    """Become the command, as the first process of new namespaces. ``said``: the pipes that take what it says. Raises OSError."""
    os.setsid()
    for name in ("setgroups", "uid_map", "gid_map"):
        _write(f"/proc/self/{name}", order[name])
    if order["processes"]:
        _count(order["processes"], order["must_count"])
    _furnish(order)
    os.chdir(_ROOT)
    os.chroot(".")
    _fill(order["files"])
    os.chdir(f"/{WORK}")
    _speak_to(said)
    for limit, value in order["limits"].items():
        _, hard = resource.getrlimit(limit)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (most, most))
    system.give_up_rights()
    # Python ignores these; a command that does not is to be ended by them.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    os.execve(order["program"], [order["program"], *order["arguments"]], order["environment"])


def _count(most: int, must: bool) -> None:
    """Root's processes are counted by no limit of its own, only by the numbers that its namespace has to give (Linux 6.14 and later)."""
    try:
        try:
            _write(_MOST_PROCESSES, str(most).encode())
        except OSError:
            # In a container it may be read-only.
            system.mount("proc", _ROOT, "proc", _OWN)
            _write(_MOST_PROCESSES, str(most).encode())
    except OSError:
        if must:
            raise


def _furnish(order: dict[str, Any]) -> None:
    """The new root, in memory: it goes with its namespace, whatever ends that."""
    system.mount("none", "/", "", system.RECURSIVE | system.PRIVATE)
    system.mount("tmpfs", _ROOT, "tmpfs", _OWN, "mode=755")
    os.umask(0o022)
    for path in (WORK, *SCRATCH):
        os.mkdir(f"{_ROOT}/{path}")  # noqa: PTH102
    for path in SCRATCH:
        system.mount("tmpfs", f"{_ROOT}/{path}", "tmpfs", _OWN, f"size={order['scratch']},mode=755")
    for place, target in order["links"]:
        os.symlink(target, f"{_ROOT}/{place}")  # noqa: PTH211
    for source, place in order["binds"]:
        _bind(source, f"{_ROOT}/{place}")


def _fill(files: dict[str, bytes]) -> None:
    """From inside, where no path leads out of it, whatever a file is called; then nothing more is written there."""
    for path, content in files.items():
        place = f"/{WORK}/{path}"
        os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
        _write(place, content)
    system.mount("none", "/", "", system.REMOUNT | system.BIND | system.READ_ONLY | _OWN)


def _bind(source: str, place: str) -> None:
    folder = os.path.isdir(source)  # noqa: PTH112
    os.makedirs(place if folder else os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
    if not folder:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
    system.mount(source, place, "", system.BIND | system.RECURSIVE)
    system.make_read_only(place)


def _speak_to(said: tuple[int, int]) -> None:
    nothing = os.open("/dev/null", os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *said)):
        os.dup2(descriptor, number)


def _write(place: str, content: bytes) -> None:
    descriptor = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
