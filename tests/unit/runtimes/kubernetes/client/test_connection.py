"""Connections that notice when nobody is there any more."""

import asyncio
import socket
from pathlib import Path

import pytest

from trueup.runtimes.kubernetes.client.access import Access
from trueup.runtimes.kubernetes.client.connection import _PROBES, Connection
from trueup.runtimes.kubernetes.client.credentials import Fixed, Proof
from trueup.runtimes.kubernetes.client.request import Request


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells the timers of its sockets")
async def test_the_kernel_asks_whether_the_other_side_is_still_there() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(Access(f"http://127.0.0.1:{port}", Fixed(Proof())), 4)
    try:
        assert (await connection.ask(Request("GET", "/"))).object == {}
        # The kernel's own list: local address, remote address, state, queues, and the timer that runs; 2 is the one that keeps alive.
        rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]]
        [timer] = [row[5] for row in rows if row[2] == f"0100007F:{port:04X}" and row[3] == "01"]
        kind, ticks = timer.split(":")
        assert kind == "02"
        assert int(ticks, 16) / 100 <= 15
    finally:
        await connection.close()
        server.close()


def test_half_a_minute_is_all_it_takes() -> None:
    assert _PROBES["TCP_KEEPIDLE"] + _PROBES["TCP_KEEPINTVL"] * _PROBES["TCP_KEEPCNT"] <= 30
    assert all(hasattr(socket, name) for name in _PROBES) or not Path("/proc").exists()
