"""Whether a service is ready: one look at a time, none of which makes the keeper wait."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable

from trueup.runtimes.host.keeper.command import CannotStart, Surroundings, ending, start
from trueup.runtimes.host.keeper.listening import held_by_others, holder, listeners
from trueup.runtimes.host.keeper.process import Process, send

PATIENCE = 5.0
"""Seconds that one look may take."""

Verdict = str | None
"""Empty: ready. Words: not ready, and why. None: nothing is known yet."""


class Probe:
    """One kind of look. ``descriptor`` is what to wait for while a look is going on, -1 when there is nothing."""

    descriptor = -1
    address: tuple[str, int] | None = None
    repeats = True

    def reset(self) -> None:
        """The service was started anew: what was seen before counts no more."""
        self.abandon()

    def begin(self, own: Callable[[], Iterable[Process]]) -> Verdict:
        """Begin a look; ``own`` gives the processes of this very start."""
        raise NotImplementedError

    def proceed(self) -> Verdict:
        """Something came in."""
        return None

    def lines(self, lines: list[bytes]) -> Verdict:
        """The service printed this."""
        return None

    def ended(self, pid: int, status: int) -> Verdict:
        """A child of the keeper ended."""
        return None

    def abandon(self) -> str:
        """End a look that takes too long; says what was waited for."""
        return "no answer"

    def obstacle(self, own: Iterable[Process]) -> str:
        """What keeps the service from ever being ready, when that can be told."""
        return ""


class Tcp(Probe):
    """Something listens on a port, and it is a process of this start."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.own: Callable[[], Iterable[Process]] = tuple

    def begin(self, own: Callable[[], Iterable[Process]]) -> Verdict:
        self.own = own
        connection = self._connect()
        if isinstance(connection, str):
            return connection
        connection.close()
        return self._believed(connection_host=self.peer)

    def obstacle(self, own: Iterable[Process]) -> str:
        return next((text for host in self._addresses() if (text := held_by_others(host, self.port, own))), "")

    def _addresses(self) -> list[str]:
        try:
            return [str(entry[4][0]) for entry in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)]
        except OSError:
            return []

    def _connect(self) -> "socket.socket | str":
        trouble = f"{self.host} is not an address of this machine"
        for host in self._addresses():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_STREAM)
            # An address of this machine answers at once; only a full queue of connections makes it wait.
            connection.settimeout(1.0)
            try:
                connection.connect((host, self.port))
            except OSError as error:
                connection.close()
                trouble = f"{(error.strerror or str(error)).lower()} on {self.host}:{self.port}"
                continue
            self.peer = host
            return connection
        return trouble

    def _believed(self, connection_host: str) -> str:
        own = list(self.own())
        sockets = listeners(connection_host, self.port)
        if sockets and holder(sockets, own):
            return ""
        return held_by_others(connection_host, self.port, own) or f"nothing of this service listens on port {self.port}"


class Http(Tcp):
    """A GET is answered with 2xx or 3xx by a process of this start."""

    def __init__(self, host: str, port: int, path: str) -> None:
        super().__init__(host, port)
        self.path = path
        self.connection: socket.socket | None = None
        self.answer = b""

    def begin(self, own: Callable[[], Iterable[Process]]) -> Verdict:
        self.own = own
        self._close()
        connection = self._connect()
        if isinstance(connection, str):
            return connection
        host = f"[{self.host}]" if ":" in self.host else self.host
        request = f"GET {self.path} HTTP/1.1\r\nHost: {host}:{self.port}\r\nUser-Agent: trueup-keeper\r\nConnection: close\r\n\r\n"
        self.connection, self.answer = connection, b""
        try:
            connection.sendall(request.encode())
        except OSError as error:
            self._close()
            return (error.strerror or str(error)).lower()
        connection.setblocking(False)
        self.descriptor = connection.fileno()
        return None

    def proceed(self) -> Verdict:
        if self.connection is None:
            return None
        try:
            part = self.connection.recv(4096)
        except BlockingIOError:
            return None
        except OSError as error:
            self._close()
            return (error.strerror or str(error)).lower()
        self.answer += part
        if part and b"\r\n" not in self.answer and len(self.answer) < 4096:
            return None
        self._close()
        return self._judged()

    def abandon(self) -> str:
        self._close()
        return f"no answer from {self.host}:{self.port}{self.path} within {PATIENCE:.0f}s"

    def _judged(self) -> str:
        found = re.match(rb"HTTP/1\.[01] (\d{3})", self.answer)
        if not found:
            return f"what listens on {self.host}:{self.port} does not speak HTTP"
        if found[1][:1] not in (b"2", b"3"):
            return f"{self.path} answered {found[1].decode()}"
        return self._believed(self.peer)

    def _close(self) -> None:
        self.descriptor = -1
        if self.connection:
            self.connection.close()
            self.connection = None


class Command(Probe):
    """A command exits with 0; it runs where the service runs."""

    def __init__(self, command: list[str], surroundings: Surroundings) -> None:
        self.command = command
        self.surroundings = surroundings
        self.running: Process | None = None

    def begin(self, own: Callable[[], Iterable[Process]]) -> Verdict:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self.running = start(self.command, self.surroundings, nowhere)
        except CannotStart as error:
            return str(error)
        finally:
            os.close(nowhere)
        return None

    def ended(self, pid: int, status: int) -> Verdict:
        if self.running is None or pid != self.running.pid:
            return None
        self.running = None
        return "" if status == 0 else f"{self.command[0]} {ending(status)}"

    def abandon(self) -> str:
        if self.running:
            send(self.running, signal.SIGKILL)
            self.running = None
        return f"{self.command[0]} did not end within {PATIENCE:.0f}s"


class LogLine(Probe):
    """The service printed a line that fits, since this start."""

    repeats = False

    def __init__(self, pattern: str) -> None:
        self.pattern = re.compile(pattern)

    def begin(self, own: Callable[[], Iterable[Process]]) -> Verdict:
        return f"no log line fits `{self.pattern.pattern}`"

    def lines(self, lines: list[bytes]) -> Verdict:
        return "" if any(self.pattern.search(line.decode(errors="replace")) for line in lines) else None


class Steady(Probe):
    """It has run for a second: all that can be said of a service that declares no readiness."""

    repeats = False

    def __init__(self) -> None:
        self.since = 0.0

    def reset(self) -> None:
        self.since = time.monotonic()

    def begin(self, own: Callable[[], Iterable[Process]]) -> Verdict:
        return "" if time.monotonic() - self.since >= 1.0 else "it has not run for a second"
