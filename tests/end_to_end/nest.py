"""Commands of the program without its start: a process that has imported everything forks for each, so that a thousand of them cost little.

Each is a process of its own all the same: with its environment, its folder, its files, its exit code, and killed as any other. That the
program starts by itself is tested elsewhere (`tests/unit/cli`, the examples, the demo, the tutorials).
"""

import functools
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
LARGEST = 200_000


class Forked:
    """A command that was started; speaks as `subprocess.Popen` does."""

    def __init__(self, told: int) -> None:
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; negative when it was killed. Raises TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


class Nest:
    """A process with everything imported, which ends with this one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.end_to_end.nest", str(theirs.fileno())]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT)
        theirs.close()
        self._socket = ours

    def start(self, arguments: Sequence[str], out: int, err: int, cwd: Path, environment: Mapping[str, str]) -> Forked:
        """Start ``trueup ARGUMENTS``, which writes to these files."""
        told, telling = os.pipe()
        order = {"arguments": [*arguments], "cwd": str(cwd), "environment": {**environment}}
        socket.send_fds(self._socket, [json.dumps(order).encode()], [out, err, telling])
        os.close(telling)
        return Forked(told)


@functools.cache
def _nests() -> Callable[[], Nest]:
    # Two, which take turns: what depends on the order of a set differs from one command to the next, as it does for people.
    return functools.partial(next, cycle([Nest(), Nest()]))


def start(arguments: Sequence[str], out: int, err: int, cwd: Path, environment: Mapping[str, str] | None = None) -> Forked:
    """Start ``trueup ARGUMENTS``, which writes to these files, in this process's environment or another."""
    return _nests()().start(arguments, out, err, cwd, os.environ if environment is None else environment)


def run(arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float = 240.0) -> tuple[int, str, str]:
    """The exit code of ``trueup ARGUMENTS`` and what it wrote, to the last who may write there. Raises TimeoutExpired."""
    (out, writes_out), (err, writes_err) = os.pipe(), os.pipe()
    forked = start(arguments, writes_out, writes_err, cwd, environment)
    os.close(writes_out)
    os.close(writes_err)
    said = {out: b"", err: b""}
    still, end = {out, err}, time.monotonic() + timeout
    while still:
        ready = select.select([*still], [], [], max(end - time.monotonic(), 0.0))[0]
        if not ready:
            forked.kill()
            raise subprocess.TimeoutExpired(f"trueup {' '.join(arguments)}", timeout, said[out], said[err])
        for file in ready:
            piece = os.read(file, 65536)
            said[file] += piece
            if not piece:
                os.close(file)
                still.discard(file)
    return forked.wait(timeout), said[out].decode(), said[err].decode()


# ---------------------------------------------------------------------- in the process


def _brood(listening: socket.socket) -> None:
    """Fork for each order, until nobody can give any."""
    from trueup.assembly import renderer_kinds, runtime_kinds
    from trueup.cli.program import VERBS

    for verb in VERBS:
        import_module(f"trueup.cli.{verb}")
    dict(runtime_kinds()), dict(renderer_kinds())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        content, files, _, _ = socket.recv_fds(listening, LARGEST, 3)
        if not content:
            return
        # Somebody in between waits for the command and tells how it ended; nobody has to wait for him.
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listening.close()
            _watch(json.loads(content), *files)
        for file in files:
            os.close(file)


def _watch(order: dict[str, Any], out: int, err: int, telling: int) -> None:
    child = os.fork()
    if child == 0:
        os.close(telling)
        _obey(order, out, err)
    os.close(out)
    os.close(err)
    os.write(telling, f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    os.write(telling, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _obey(order: dict[str, Any], out: int, err: int) -> NoReturn:
    from trueup.cli import main

    for file, standard in ((out, 1), (err, 2)):
        os.dup2(file, standard)
        os.close(file)
    # Those that are there know what the files were before, and that they could be wound back.
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), encoding="utf-8", line_buffering=True)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.argv = ["trueup", *order["arguments"]]
    sys.exit(main())


if __name__ == "__main__":
    _brood(socket.socket(fileno=int(sys.argv[1])))
