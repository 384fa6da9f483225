"""Requests to a server that is busy, slow, or no longer there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from trueup.model.errors import Unreachable
from trueup.runtimes.kubernetes.client.access import Access
from trueup.runtimes.kubernetes.client.connection import _PROBES, Connection
from trueup.runtimes.kubernetes.client.credentials import Fixed, Proof
from trueup.runtimes.kubernetes.client.request import Request


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells the timers of its sockets")
async def test_the_kernel_asks_whether_the_other_side_is_still_there() -> None:
    async with Server().connection() as connection:
        assert (await connection.ask(Request("GET", "/"))).object == {}
        port = int(connection.access.server.rpartition(":")[2])
        # The kernel's own list: local address, remote address, state, queues, and the timer that runs; 2 is the one that keeps alive.
        rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]]
        [timer] = [row[5] for row in rows if row[2] == f"0100007F:{port:04X}" and row[3] == "01"]
        kind, ticks = timer.split(":")
        assert kind == "02"
        assert int(ticks, 16) / 100 <= 15


def test_half_a_minute_is_all_it_takes() -> None:
    assert _PROBES["TCP_KEEPIDLE"] + _PROBES["TCP_KEEPINTVL"] * _PROBES["TCP_KEEPCNT"] <= 30
    assert all(hasattr(socket, name) for name in _PROBES) or not Path("/proc").exists()


class Server:
    """An API server of a few lines: answers as it is told, and counts how many requests it had at once."""

    def __init__(self, *answers: bytes, slow: float = 0.0) -> None:
        self.answers = list(answers)
        self.slow = slow
        self.asked: list[bytes] = []
        self.connections = 0
        self.most = self._now = 0

    @asynccontextmanager
    async def connection(self, concurrency: int = 4) -> AsyncIterator[Connection]:
        """A connection to it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        connection = Connection(Access(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", Fixed(Proof())), concurrency)
        try:
            yield connection
        finally:
            await connection.close()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b": 0")
                self.asked.append(head.split(b" ")[0] + await reader.readexactly(int(length.partition(b":")[2])))
                self._now += 1
                self.most = max(self.most, self._now)
                await asyncio.sleep(self.slow)
                self._now -= 1
                writer.write(self.answers.pop(0) if self.answers else response(200))


def response(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_no_more_is_asked_at_once_than_is_set_and_over_connections_that_are_kept() -> None:
    server = Server(slow=0.02)
    async with server.connection(concurrency=3) as connection:
        await asyncio.gather(*(connection.ask(Request("GET", f"/{number}")) for number in range(30)))
    assert len(server.asked) == 30
    assert server.most == 3
    assert server.connections == 3


@pytest.mark.parametrize(
    "busy",
    [
        response(429, Retry_After="0"),
        response(503, Retry_After="0"),
        response(502),
        response(504),
        response(500, b'{"kind":"Status","message":"etcdserver: leader changed","code":500}'),
    ],
    ids=["429", "503", "502", "504", "no leader"],
)
async def test_a_write_to_a_server_that_is_busy_is_written_once_it_is_not(busy: bytes) -> None:
    server = Server(busy)
    async with server.connection() as connection:
        answer = await connection.ask(Request("PATCH", "/", body={"colour": "red"}))
    assert answer.status == 200
    assert server.asked == [b'PATCH{"colour":"red"}'] * 2


async def test_a_fault_of_the_server_is_its_answer() -> None:
    server = Server(response(500, b'{"kind":"Status","message":"webhook failed","code":500}'))
    async with server.connection() as connection:
        answer = await connection.ask(Request("GET", "/"))
    assert answer.refusal is not None
    assert answer.refusal.message == "webhook failed"
    assert len(server.asked) == 1


async def test_a_server_that_stays_busy_is_unreachable_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.runtimes.kubernetes.client.connection._PATIENCE_SECONDS", 0.5)
    server = Server(*[response(503)] * 50)
    async with server.connection() as connection:
        with pytest.raises(Unreachable, match="overloaded or not ready"):
            await connection.ask(Request("GET", "/"))
    assert len(server.asked) > 1
