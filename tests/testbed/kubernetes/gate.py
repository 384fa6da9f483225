"""A gate in front of an API server: everything passes until it is shut, and what was open is cut off then.

The certificate of the server is for its address, whatever the port; so a kubeconfig that leads through the gate needs only another port.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit


class Gate:
    """Passes connections on to one address. `passed` counts the connections that came."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), int(address.port or 443)
        self._own_port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self.passed = 0

    async def open(self) -> None:
        """Let pass."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Let nobody in, and cut off who is in."""
        if self._server is not None:
            self._server.close()
            self.cut()
            self._server = None

    def cut(self) -> None:
        """Cut off who is in; who comes again may pass."""
        for writer in list(self._open):
            writer.transport.abort()

    def silence(self) -> None:
        """Who is in hears nothing more, and is not told so, as where a network swallows what it carries; who comes again may pass."""
        self._silent.update(self._open)

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Shut for a while."""
        await self.shut()
        try:
            yield
        finally:
            await self.open()

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """A kubeconfig that leads through the gate."""
        content = json.loads(original.read_text(encoding="utf-8"))
        for each in content["clusters"]:
            each["cluster"]["server"] = f"https://{self._host}:{self._own_port}"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            there, back = await asyncio.open_connection(self._host, self._port)
            self._open.update((writer, back))
            await asyncio.gather(self._pour(reader, back), self._pour(there, writer))
            self._open.difference_update((writer, back))

    async def _pour(self, source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                if drain not in self._silent:
                    drain.write(piece)
                    await drain.drain()
        drain.close()
