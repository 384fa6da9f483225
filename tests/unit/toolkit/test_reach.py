"""Why something could not be reached."""

import socket
import ssl

import aiohttp
import pytest

from trueup.toolkit.reach import words_of


async def test_a_connection_that_is_refused_is_told_in_two_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError) as refused:
            await session.get(f"http://127.0.0.1:{port}/")
        assert words_of(refused.value) == "Connection refused"
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector("/nowhere/docker.sock")) as session:
        with pytest.raises(aiohttp.ClientError) as missing:
            await session.get("http://docker/")
        assert words_of(missing.value) == "No such file or directory"


def test_what_has_no_number_speaks_for_itself() -> None:
    assert words_of(aiohttp.ServerDisconnectedError()) == "Server disconnected"
    assert words_of(OSError()) == "OSError"
    assert words_of(ssl.SSLError(1, "certificate verify failed")) == "certificate verify failed"
    assert words_of(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
