"""Gives the porter an order, and listens to the command until it has ended or a limit is passed."""

import array
import marshal
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trueup
from trueup.model.errors import SettingsError
from trueup.toolkit import confine_landlock
from trueup.toolkit.process import CHUNK, Completed, Ending, Limits

BOOT: Final = "import sys; sys.path.append(sys.argv[2]); from trueup.toolkit.porter.program import main; main(*map(int, sys.argv[3:]))"
_KILLED: Final = -signal.SIGKILL
_PATIENCE: Final = 10.0
_ENDED: Final = "what does that has ended"


@dataclass(frozen=True, slots=True)
class Order:
    """A command and its world. Paths are those of that world, without a leading slash where they are places in it.

    ``binds``: what of the machine is seen, read-only, and where; ``links``: place -> target. ``limits``: as ``resource`` names them.
    ``scratch``: bytes of what may be written. ``processes``: at most so many, where only that namespace can count them (0: not at all);
    ``must_count``: not without that. ``group``: the file that takes a process into a control group.
    """

    program: str
    arguments: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    binds: Sequence[tuple[str, str]] = ()
    links: Sequence[tuple[str, str]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[int, int] = field(default_factory=dict)
    scratch: int = 0
    processes: int = 0
    must_count: bool = False
    group: str = ""

    @property
    def plain(self) -> bytes:
        """As the porter reads it."""
        return marshal.dumps(
            {
                "program": self.program,
                "arguments": list(self.arguments),
                "files": dict(self.files),
                "binds": list(self.binds),
                "links": list(self.links),
                "environment": dict(self.environment),
                "limits": dict(self.limits),
                "scratch": self.scratch,
                "processes": self.processes,
                "must_count": self.must_count,
                "setgroups": b"deny",
                "uid_map": b"0 %d 1" % os.geteuid(),
                "gid_map": b"0 %d 1" % os.getegid(),
            }
        )


class Porter:
    """Starts the porter when the first order comes; it ends with this object, and with this process. For any thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._orders: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, order: Order, limits: Limits) -> Completed:
        """Have a command carried out and wait for its end, within the limits' deadline and output. Blocks.

        Raises SettingsError when it could not be let in, and OSError when this process may open no more; passing a limit is an ``ending``.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, ExitStack() as kept:
            with theirs, ExitStack() as given:
                written = os.memfd_create("order")
                given.callback(os.close, written)
                with open(written, "wb", closefd=False) as file:
                    file.write(order.plain)
                pipes = [os.pipe(), os.pipe()]
                for reading, writing in pipes:
                    kept.callback(os.close, reading)
                    given.callback(os.close, writing)
                descriptors = [written, *(writing for _, writing in pipes), theirs.fileno()]
                if order.group:
                    # Opened here, for whoever is in a user namespace of its own may not.
                    descriptors.append(os.open(order.group, os.O_WRONLY | os.O_CLOEXEC))
                    given.callback(os.close, descriptors[-1])
                self._give(descriptors)
            return _Conversation(order.program, ours, [reading for reading, _ in pipes], limits).completed()

    def _give(self, descriptors: list[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        with self._turn:
            for _ in range(2):
                self._orders = self._orders or self._started()
                try:
                    self._orders.sendmsg([b"O"], rights)
                    return
                except OSError:
                    # It was killed: another one takes its place.
                    self._orders.close()
                    self._orders = None
        raise SettingsError("the process that confines commands ends at once", hint="look whether something on this machine kills it")

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = str(Path(trueup.__file__).parent.parent)
        ruleset = confine_landlock.ruleset(confine_landlock.Reach()) if confine_landlock.version() else None
        with theirs:
            passed = [theirs.fileno()] if ruleset is None else [theirs.fileno(), ruleset]
            named = [str(theirs.fileno()), str(-1 if ruleset is None else ruleset)]
            arguments = [sys.executable, "-I", "-S", "-X", "utf8", "-c", BOOT, "trueup-porter", source, *named]
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                pass_fds=passed,
                start_new_session=True,
            )
        if ruleset is not None:
            os.close(ruleset)
        self._process = process
        weakref.finalize(self, _end, ours, process)
        return ours


def _end(orders: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    orders.close()
    process.wait()


class _Conversation:
    """Listens to one command."""

    def __init__(self, program: str, ours: socket.socket, pipes: Sequence[int], limits: Limits) -> None:
        self._program = program
        self._ours = ours
        self._limits = limits
        self._said = {pipe: bytearray() for pipe in pipes}
        self._open = {ours.fileno(), *pipes}
        self._ending = Ending.EXITED
        self._code = _KILLED
        self._begun = False
        self._fault = ""
        self._poller = select.poll()
        for each in self._open:
            self._poller.register(each, select.POLLIN)

    def completed(self) -> Completed:
        """What it said, once it has ended. Raises SettingsError."""
        end = time.monotonic() + self._limits.deadline
        while self._open:
            ready = self._poller.poll(max(0, math.ceil((end - time.monotonic()) * 1000)))
            if not ready and self._ending is not Ending.EXITED:
                break
            if not ready:
                self._stop(Ending.DEADLINE)
                end = time.monotonic() + _PATIENCE
            for descriptor, _ in ready:
                self._hear(descriptor)
        if self._fault or not self._begun:
            raise SettingsError(f"{self._program} could not be confined: {self._fault or _ENDED}")
        out, err = (bytes(each) for each in self._said.values())
        return Completed(self._code, out, err, self._ending)

    def _hear(self, descriptor: int) -> None:
        if descriptor == self._ours.fileno():
            self._hear_end()
            return
        chunk, said = os.read(descriptor, CHUNK), self._said[descriptor]
        if not chunk:
            self._release(descriptor)
            return
        said += chunk[: max(0, self._limits.output - len(said))]
        if len(said) >= self._limits.output:
            self._release(descriptor)
            self._stop(Ending.FLOOD)

    def _hear_end(self) -> None:
        message = self._ours.recv(CHUNK)
        kind, told = message[:1], message[1:]
        if kind == b"L":
            self._begun = True
        elif kind == b"E":
            self._fault = told.decode(errors="replace")
        else:
            if kind == b"S":
                self._code = int(told)
            else:
                # The porter was killed, and the command with it: that says nothing of the command.
                self._fault = self._fault or _ENDED
            self._release(self._ours.fileno())

    def _stop(self, ending: Ending) -> None:
        self._ending = ending
        self._ours.shutdown(socket.SHUT_WR)

    def _release(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            self._poller.unregister(descriptor)
