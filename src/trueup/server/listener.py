"""An application of ASGI answers at an address, in the loop that is running, until it is told to stop."""

import contextlib
import os
import socket
from collections.abc import Iterator

import uvicorn
from litestar import Litestar

from trueup.model.errors import SettingsError


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """A bound address. Bound before anything starts, so that a port in use is told at once."""

    def __init__(self, host: str, port: int) -> None:
        """Raises SettingsError when the address cannot be had."""
        try:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.create_server(place[:2], family=family, backlog=128)
        except OSError as error:
            hint = "choose another one with --listen HOST:PORT, or `--listen off`"
            reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            raise SettingsError(f"cannot listen: {reason}", where=f"{host}:{port}", hint=hint) from error
        self._server: uvicorn.Server | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT`` as it was bound."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def serve(self, application: Litestar) -> None:
        """Answer until ``stop``."""
        config = uvicorn.Config(
            application,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=3,
            limit_concurrency=200,
            ws="none",
        )
        self._server = _Server(config)
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Answer what was asked, and no more."""
        if self._server:
            self._server.should_exit = True

    def close(self) -> None:
        """Let go of the address."""
        self._socket.close()
