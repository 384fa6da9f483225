"""A command becomes a process in a session of its own, with nothing inherited."""

import os
import signal

from trueup.runtimes.host.keeper.process import Process, process


class CannotStart(Exception):
    """A command that cannot be started, and why."""


class Surroundings:
    """What a command is started with. ``user`` is (uid, gid, groups), or None to stay who we are."""

    __slots__ = ("environment", "folder", "user")

    def __init__(self, folder: str, environment: dict[str, str], user: tuple[int, int, list[int]] | None) -> None:
        self.folder = folder
        self.environment = environment
        self.user = user


def program_of(command: list[str], folder: str, path: str) -> str:
    """The file that a command runs: as named from ``folder``, or looked up along ``path``. Raises CannotStart."""
    name = command[0]
    places = [folder] if "/" in name else path.split(":")
    candidates = [os.path.join(folder, place, name) for place in places]  # noqa: PTH118
    found = [candidate for candidate in candidates if os.path.isfile(candidate)]  # noqa: PTH113
    if not found:
        raise CannotStart(f"command not found: {name}")
    for candidate in found:
        if os.access(candidate, os.X_OK):
            return candidate
    raise CannotStart(f"command is not executable: {name}")


def start(command: list[str], surroundings: Surroundings, output: int) -> Process:
    """Start a command; what it prints goes to ``output``. Raises CannotStart."""
    if not os.path.isdir(surroundings.folder):  # noqa: PTH112
        raise CannotStart(f"working directory not found: {surroundings.folder}")
    program = program_of(command, surroundings.folder, surroundings.environment.get("PATH", ""))
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if not pid:
        _become(program, command, surroundings, (output, writing))
    os.close(writing)
    try:
        fault = os.read(reading, 4096)
    finally:
        os.close(reading)
    if fault:
        os.waitpid(pid, 0)
        raise CannotStart(fault.decode(errors="replace"))
    # It may have ended already: then there is nobody left to mistake it for.
    return process(pid) or Process(f"{pid} ({command[0]}) Z {os.getpid()} {pid} {pid} " + "0 " * 16)


def _become(program: str, command: list[str], surroundings: Surroundings, channels: tuple[int, int]) -> None:
    output, fault = channels
    step = f"{command[0]} cannot be started"
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.umask(0o022)
        _forget_signals()
        if surroundings.user:
            uid, gid, groups = surroundings.user
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
        step = "its user may not enter the working directory"
        os.chdir(surroundings.folder)
        step = f"{command[0]} cannot be started"
        os.execve(program, command, surroundings.environment)
    except OSError as error:
        os.write(fault, f"{step}: {error.strerror or error}".encode())
    finally:
        os._exit(127)


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def ending(status: int) -> str:
    """How a process ended, in words, from what ``waitpid`` says."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
