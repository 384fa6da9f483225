"""Real Git servers on loopback: over http with a token, `git daemon`, sshd with a key, and one that never answers.

Each is a context manager that serves every bare repository in a folder, and leaves no process behind.
"""

import base64
import contextlib
import getpass
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.components import require
from tests.testbed.loopback import HOST, Answering, answering


@dataclass
class HttpServer:
    """`git http-backend`, and what a test may do to it while it serves."""

    root: Path
    token: str = ""
    status: int = 0
    """Answer everything with this status."""
    cut_after: int | None = None
    """Break the connection after so many bytes of an answer to a POST, as a server that dies does."""
    silent: bool = False
    """Take every request and say nothing, for as long as this is set."""
    redirect: str = ""
    """Send everybody there."""
    sent: int = 0
    asked: int = 0
    seen: list[str] = field(default_factory=list)
    """Authorization headers, as they came."""
    port: int = 0

    def url(self, repository: str = "origin.git") -> str:
        return f"http://{HOST}:{self.port}/{repository}"


@contextlib.contextmanager
def http_server(root: Path, token: str = "", port: int = 0) -> Iterator[HttpServer]:
    """Serve over http; with a token, only to those who give it as a password."""
    state = HttpServer(root, token)

    class Handler(_Handler):
        served = state

    with answering(Handler, port) as state.port:
        yield state


class _Handler(Answering):
    served: HttpServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _serve(self, body: bytes) -> None:
        self.served.asked += 1
        while self.served.silent:
            time.sleep(0.02)
        given = self.headers.get("Authorization", "")
        if given:
            self.served.seen.append(given)
        if self.served.redirect:
            self._answer(302, {"Location": self.served.redirect + self.path})
        elif self.served.status:
            self._answer(self.served.status, {})
        elif self.served.token and not self._knows_the_token(given):
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._answer_by_git(body)

    def _knows_the_token(self, given: str) -> bool:
        kind, _, value = given.partition(" ")
        return kind == "Basic" and base64.b64decode(value).decode().partition(":")[2] == self.served.token

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.served.cut_after if self.command == "POST" else None
        self.wfile.write(body if cut is None else body[:cut])
        self.served.sent += len(body)
        if cut is not None and len(body) > cut:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def _answer_by_git(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.served.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "someone",
            "REMOTE_ADDR": HOST,
        }
        said = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)


@contextlib.contextmanager
def git_daemon(root: Path, port: int = 0) -> Iterator[int]:
    """`git daemon`, which lets everybody read and push; its port."""
    port = port or _free_port()
    arguments = ["git", "daemon", "--reuseaddr", f"--listen={HOST}", f"--port={port}", f"--base-path={root}", "--export-all"]
    with _running([*arguments, "--enable=receive-pack", str(root)], port):
        yield port


@dataclass(frozen=True, slots=True)
class SshServer:
    """An sshd that knows one key."""

    port: int
    root: Path
    key_file: Path
    known_hosts: Path

    def url(self, repository: str = "origin.git") -> str:
        return f"ssh://{getpass.getuser()}@{HOST}:{self.port}{self.root}/{repository}"


@contextlib.contextmanager
def ssh_server(root: Path, folder: Path) -> Iterator[SshServer]:
    """sshd for the user who runs the tests, who gets in with ``key_file`` only. ``folder`` takes its keys."""
    program = require("sshd", "openssh-server")
    folder.mkdir(mode=0o700)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = _free_port()
    public = (folder / "host.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {public[0]} {public[1]}\n")
    (folder / "sshd_config").write_text(
        f"ListenAddress {HOST}:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/key.pub\nStrictModes no\nPidFile none\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n"
    )
    with _running([str(program), "-D", "-e", "-f", str(folder / "sshd_config")], port):
        yield SshServer(port, root, folder / "key", folder / "known_hosts")


@contextlib.contextmanager
def hung_server() -> Iterator[int]:
    """Takes every connection and never says a word; its port."""
    with socket.create_server((HOST, 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def _running(arguments: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _await_port(process, port)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
    return port
