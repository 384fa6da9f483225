"""A connection on which the other side calls and this one answers: gRPC over HTTP/2, in clear, as a builder speaks it in a session."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RemoteSettingsChanged, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError

_PIECE: Final = 1 << 16
_HEAD: Final = 5  # a byte for whether it is compressed, and four for the length
OK: Final = 0
NOT_FOUND: Final = 5
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13


class NoAnswer(Exception):
    """A call is answered with a status of gRPC and a word about it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Call:
    """One call. ``told`` is what its headers say."""

    connection: "Connection"
    stream: int
    told: Mapping[str, str]
    _waiting: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _rest: bytearray = field(default_factory=bytearray)

    async def messages(self) -> AsyncIterator[bytes]:
        """What the caller says, until it has said everything."""
        while (message := await self._waiting.get()) is not None:
            yield message

    async def message(self) -> bytes:
        """What the caller asks, where it is one message."""
        return await self._waiting.get() or b""

    async def send(self, message: bytes) -> None:
        """Say something."""
        await self.connection.send(self.stream, b"\0" + len(message).to_bytes(4, "big") + message)

    def hear(self, data: bytes) -> None:
        """A piece of what the caller says came in."""
        self._rest += data
        while len(self._rest) >= _HEAD and len(self._rest) >= (end := _HEAD + int.from_bytes(self._rest[1:_HEAD], "big")):
            self._waiting.put_nowait(bytes(self._rest[_HEAD:end]))
            del self._rest[:end]

    def hear_the_end(self) -> None:
        """The caller has said everything."""
        self._waiting.put_nowait(None)


Answer = Callable[[Call], Awaitable[None]]


class Connection:
    """Answers calls by their path, each on its own, until the other side goes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Mapping[str, Answer]) -> None:
        self._reader = reader
        self._writer = writer
        self._answers = answers
        self._state = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._calls: dict[int, tuple[Call, asyncio.Task[None]]] = {}
        self._room = asyncio.Event()

    async def serve(self) -> None:
        """Answer until the connection ends."""
        try:
            self._state.initiate_connection()
            await self._flush()
            while data := await self._reader.read(_PIECE):
                for event in self._state.receive_data(data):
                    self._take(event)
                await self._flush()
        except (OSError, ProtocolError):
            return  # whoever waits for the build learns it there
        finally:
            tasks = [task for _, task in self._calls.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, stream: int, data: bytes) -> None:
        """Send as fast as the other side takes it."""
        rest = memoryview(data)
        while rest:
            room = min(self._state.local_flow_control_window(stream), self._state.max_outbound_frame_size)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            self._state.send_data(stream, bytes(rest[:room]))
            rest = rest[room:]
            await self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                call = Call(self, event.stream_id, {str(name): str(value) for name, value in event.headers})
                self._calls[event.stream_id] = (call, asyncio.create_task(self._answer(call)))
            case DataReceived():
                if event.stream_id in self._calls:
                    self._calls[event.stream_id][0].hear(event.data)
                self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                if event.stream_id in self._calls:
                    self._calls[event.stream_id][0].hear_the_end()
            case StreamReset():
                if event.stream_id in self._calls:
                    self._calls[event.stream_id][1].cancel()
            case WindowUpdated() | RemoteSettingsChanged():
                self._room.set()

    async def _answer(self, call: Call) -> None:
        try:
            self._state.send_headers(call.stream, [(":status", "200"), ("content-type", "application/grpc")])
            status, message = await self._status(call)
            self._state.send_headers(call.stream, [("grpc-status", str(status)), ("grpc-message", quote(message))], end_stream=True)
            await self._flush()
        except (OSError, ProtocolError):
            pass  # the caller went before it was answered
        finally:
            self._calls.pop(call.stream, None)

    async def _status(self, call: Call) -> tuple[int, str]:
        """Answer; with which status, and a word about it."""
        answer = self._answers.get(call.told.get(":path", ""))
        if answer is None:
            return UNIMPLEMENTED, "is not answered here"
        try:
            await answer(call)
        except NoAnswer as error:
            return error.status, str(error)
        except (OSError, ValueError, LookupError):
            return INTERNAL, "cannot be answered"  # who hears nothing waits for ever, and the build with it
        return OK, ""

    async def _flush(self) -> None:
        data = self._state.data_to_send()
        if data:
            self._writer.write(data)
            await self._writer.drain()
