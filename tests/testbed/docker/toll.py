"""A toll gate on the way to an engine: counts the requests, and does what it was told when one of them comes.

with Toll.before(engine, tmp_path / "toll.sock") as toll:
    toll.arm(3, toll.kill)         # whoever makes the third change dies, before the engine hears of it
    ...                            # with the engine at toll.url
    assert toll.requests == ["GET /_ping", ...]
"""

import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from tests.testbed.docker.engine import Engine

READING = ("GET", "HEAD")


class Toll:
    """Passes everything on."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.path = path
        self.url = f"unix://{path}"
        self.requests: list[str] = []
        """Method and path of every request, without the version of the API."""
        self.caller = 0
        """The process that asks."""
        self._lock = threading.Lock()
        self._changes = 0
        self._armed: tuple[int, Callable[[], None]] | None = None
        self._server = socket.socket(socket.AF_UNIX)

    @classmethod
    @contextmanager
    def before(cls, engine: Engine, path: Path) -> "Iterator[Toll]":
        """A gate at a path."""
        toll = cls(engine, path)
        toll._server.bind(str(path))
        toll._server.listen(64)
        threading.Thread(target=toll._receive, daemon=True).start()
        try:
            yield toll
        finally:
            toll._server.shutdown(socket.SHUT_RDWR)
            toll._server.close()

    @property
    def changes(self) -> list[str]:
        """The requests that change something."""
        return [request for request in self.requests if not request.startswith(READING)]

    def forget(self) -> None:
        """Count from nothing, and do nothing any more."""
        with self._lock:
            self.requests.clear()
            self._changes, self._armed = 0, None

    def arm(self, number: int, deed: Callable[[], None]) -> None:
        """Do this when so many changes were asked for, before the last of them is passed on."""
        self.forget()
        self._armed = (number, deed)

    @property
    def sprung(self) -> bool:
        """Whether it came to that."""
        return self._armed is None

    def kill(self) -> None:
        """End the process that asks, at once."""
        os.kill(self.caller, signal.SIGKILL)
        with suppress(FileNotFoundError):
            while Path(f"/proc/{self.caller}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX":
                pass

    def _receive(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        caller = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self.engine.socket))
            threading.Thread(target=_pour, args=(server, client), daemon=True).start()
            stream = client.makefile("rb")
            while head := _head(stream):
                self._count(head, caller)
                server.sendall(head)
                for piece in _body(head, stream):
                    server.sendall(piece)
            server.shutdown(socket.SHUT_RDWR)

    def _count(self, head: bytes, caller: int) -> None:
        method, address = head.decode("latin-1").split(" ")[:2]
        with self._lock:
            self.caller = caller
            self.requests.append(f"{method} {re.sub(r'^/v[0-9.]+', '', address)}")
            self._changes += method not in READING
            if self._armed and self._changes == self._armed[0]:
                deed, self._armed = self._armed[1], None
                deed()


def _head(stream: BufferedReader) -> bytes:
    """The first line of a request and its headers; nothing when there is no other request."""
    lines = []
    while line := stream.readline():
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return b""


def _body(head: bytes, stream: BufferedReader) -> Iterator[bytes]:
    headers = head.lower()
    if b"\r\ntransfer-encoding: chunked" in headers:
        while size := stream.readline():
            yield size + stream.read(int(size, 16) + 2)
            if int(size, 16) == 0:
                return
    elif length := re.search(rb"\r\ncontent-length: *(\d+)", headers):
        left = int(length[1])
        while left and (piece := stream.read1(min(left, 65536))):
            left -= len(piece)
            yield piece


def _pour(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            drain.sendall(piece)
    with suppress(OSError):
        drain.shutdown(socket.SHUT_RDWR)
