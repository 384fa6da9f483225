"""Asks a Docker engine over its socket, one request a connection: the test's own view, which shares nothing with the code under test."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, address: str, body: object = None) -> tuple[int, Any]:
    """The status and the parsed answer, or its bytes. A body of bytes is sent as a tar archive, any other as JSON."""
    connection = _Connection(path)
    try:
        if isinstance(body, bytes):
            connection.request(method, address, body, {"Content-Type": "application/x-tar"})
        else:
            connection.request(method, address, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, content
