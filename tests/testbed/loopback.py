"""A small HTTP server on loopback, for as long as a test needs it."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"


class Answering(BaseHTTPRequestHandler):
    """Answers, and says nothing of it on standard error."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@contextlib.contextmanager
def answering(handler: type[Answering], port: int = 0) -> Iterator[int]:
    """Serve in a thread of its own; the port, which is any free one when none is named."""
    server = ThreadingHTTPServer((HOST, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
