"""What a builder asks while it builds, over a connection of HTTP/2, and what of a message is understood."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, TrailersReceived

from trueup.model.secret import Secret
from trueup.runtimes.compose.calls import Connection
from trueup.runtimes.compose.content import Leaf
from trueup.runtimes.compose.login import Login
from trueup.runtimes.compose.protobuf import fields, message_of, number_in, text_in
from trueup.runtimes.compose.session import Answers
from trueup.testing.trees import FolderTree

Ask = Callable[..., Awaitable[tuple[list[bytes], str]]]
SIZE = 300_000
PASSWORD = "swordfish-3"


def answers() -> Answers:
    tree = FolderTree({"app/big": bytes(SIZE), "app/a": b"a"})
    leaves = {"big": Leaf("1", SIZE, source="app/big"), "deep/a": Leaf("2", 1, source="app/a")}
    logins = {"docker.io": Login("hub", Secret(PASSWORD, "hub"))}
    return Answers(tree, {"context": leaves}, logins, {"token": lambda: b"value"})


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Asks one call, as a builder does: the path, its messages and headers; every answer, and the status."""
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(Connection(reader, writer, answers().all).serve()))

    server = await asyncio.start_server(serve, "127.0.0.1")
    host, port = server.sockets[0].getsockname()

    async def asked(path: str, *messages: bytes, **headers: str) -> tuple[list[bytes], str]:
        reader, writer = await asyncio.open_connection(host, port)
        state = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        state.initiate_connection()
        told = [(name.replace("_", "-"), value) for name, value in headers.items()]
        state.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), *told])
        for message in messages:
            state.send_data(1, b"\0" + len(message).to_bytes(4, "big") + message)
        state.end_stream(1)
        heard, status = bytearray(), ""
        while not status:
            writer.write(state.data_to_send())
            for event in state.receive_data(await reader.read(65536)):
                if isinstance(event, DataReceived):
                    heard += event.data
                    state.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, TrailersReceived):
                    status = {str(name): str(value) for name, value in event.headers}["grpc-status"]
        writer.close()
        return list(_messages(bytes(heard))), status

    yield asked
    server.close()
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


def _messages(data: bytes) -> list[bytes]:
    found = []
    while data:
        end = 5 + int.from_bytes(data[1:5], "big")
        found.append(data[5:end])
        data = data[end:]
    return found


async def test_files_are_told_in_order_and_sent_when_they_are_asked_for(ask: Ask) -> None:
    wanted = [message_of((1, 1)), message_of((1, 1), (3, 2)), message_of((1, 3))]
    heard, status = await ask("/moby.filesync.v1.FileSync/DiffCopy", *wanted, dir_name="context")
    stats = [value for message in heard if not number_in(message, 1) for number, value in fields(message) if number == 2]
    assert [text_in(stat, 1) for stat in stats if isinstance(stat, bytes)] == ["big", "deep", "deep/a"]
    sent = [(number_in(message, 3), text_in(message, 4)) for message in heard if number_in(message, 1) == 2]
    assert sum(len(text) for number, text in sent if number == 0) == SIZE
    assert [text for number, text in sent if number == 2] == ["a", ""]
    assert number_in(heard[-1], 1) == 3
    assert status == "0"


@pytest.mark.parametrize("host", ["registry-1.docker.io", "registry.example.org"])
async def test_a_login_is_told_for_its_own_registry_only(ask: Ask, host: str) -> None:
    (heard,), status = await ask("/moby.filesync.v1.Auth/Credentials", message_of((1, host)))
    assert (text_in(heard, 2), status) == (PASSWORD if "docker.io" in host else "", "0")


async def test_what_is_not_there_is_told_as_that(ask: Ask) -> None:
    assert await ask("/moby.buildkit.secrets.v1.Secrets/GetSecret", message_of((1, "token"))) == ([message_of((1, b"value"))], "0")
    assert await ask("/moby.buildkit.secrets.v1.Secrets/GetSecret", message_of((1, "other"))) == ([], "5")
    assert await ask("/moby.filesync.v1.FileSync/DiffCopy", dir_name="elsewhere") == ([], "5")
    assert await ask("/moby.filesync.v1.Auth/FetchToken", b"") == ([], "12")


@pytest.mark.parametrize(
    "strange", [message_of((1, 1), (3, 99)), message_of((1, 1), (3, 1)), b"\xff"], ids=["no file", "a folder", "no message"]
)
async def test_who_asks_for_what_cannot_be_is_not_left_waiting(ask: Ask, strange: bytes) -> None:
    _, status = await asyncio.wait_for(ask("/moby.filesync.v1.FileSync/DiffCopy", strange, dir_name="context"), 60)
    assert status == "13"


def test_a_message_is_what_was_put_into_it() -> None:
    told: list[tuple[int, int | bytes]] = [(1, 300), (2, b"text"), (15, b"\0\1"), (16, 1 << 62)]
    assert list(fields(message_of(*told))) == told


@pytest.mark.parametrize("broken", [b"\x08", b"\x0a\x05ab", b"\x0b", b"\xff\xff"])
def test_a_message_that_breaks_off_is_none(broken: bytes) -> None:
    with pytest.raises(ValueError, match="message"):
        list(fields(broken))
