"""A real chart repository on loopback: made by `helm package` and `helm repo index`, served over HTTP, with a token if wanted."""

import base64
import contextlib
import hashlib
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tests.testbed.loopback import Answering, answering
from tests.testbed.programs import helm


@dataclass
class ChartRepository:
    """The repository, and what a test may do to it while it serves."""

    folder: Path
    token: str = ""
    redirect: str = ""
    """Send whoever asks for an archive there."""
    down: bool = False
    asked: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Authorization headers, as they came."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/charts"

    def publish(self, name: str, files: Mapping[str, str], version: str = "1.0.0") -> str:
        """Package a chart, index it, and say its digest."""
        source = self.folder / "sources" / name
        for path, content in {"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n", **files}.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(content)
        served = self.folder / "charts"
        served.mkdir(exist_ok=True)
        environment = {**os.environ, "HOME": str(self.folder)}
        for arguments in (["package", str(source), "--destination", str(served)], ["repo", "index", str(served)]):
            subprocess.run([str(helm()), *arguments], check=True, capture_output=True, env=environment)
        return self.digest(f"{name}-{version}")

    def push(self, reference: str, registry: str, *login: str) -> None:
        """Push a packaged chart to a registry."""
        archive = self.folder / "charts" / f"{reference}.tgz"
        command = [str(helm()), "push", str(archive), registry, "--plain-http", *login]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HOME": str(self.folder)})

    def digest(self, reference: str) -> str:
        """As an application pins it."""
        return f"sha256:{hashlib.sha256((self.folder / 'charts' / f'{reference}.tgz').read_bytes()).hexdigest()}"


@contextlib.contextmanager
def chart_repository(folder: Path, token: str = "") -> Iterator[ChartRepository]:
    """Serve an empty one."""
    state = ChartRepository(folder, token)

    class Handler(_Handler):
        served = state

    with answering(Handler) as state.port:
        yield state


class _Handler(Answering):
    served: ChartRepository

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        given = self.headers.get("Authorization", "")
        self.served.seen += [given] if given else []
        file = self.served.folder / self.path.lstrip("/")
        expected = f"Basic {base64.b64encode(f'x-access-token:{self.served.token}'.encode()).decode()}"
        if self.served.down:
            self._answer(503)
        elif self.served.token and given != expected:
            self._answer(401)
        elif self.served.redirect and file.suffix == ".tgz":
            self._answer(302, location=self.served.redirect + self.path)
        elif file.is_file():
            self._answer(200, file.read_bytes())
        else:
            self._answer(404)

    def _answer(self, status: int, content: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass
class TokenGate:
    """What stands before a registry and lets in who has a token from ``realm``; it gives them itself."""

    registry: str
    realm: str = ""
    told: list[str] = field(default_factory=list)
    """Who asked for a token: the query and the credentials."""
    port: int = 0


@contextlib.contextmanager
def token_gate(registry: str) -> Iterator[TokenGate]:
    """Stand before a registry."""
    state = TokenGate(registry)

    class Handler(_Gate):
        served = state

    with answering(Handler) as state.port:
        state.realm = f"http://127.0.0.1:{state.port}/token"
        yield state


class _Gate(Answering):
    served: TokenGate

    def do_GET(self) -> None:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        path, _, query = self.path.partition("?")
        if path == "/token":
            self.served.told.append(f"{unquote(query)} {base64.b64decode(given).decode()}")
            self._answer(200, b'{"token": "open-sesame"}')
        elif (kind, given) == ("Bearer", "open-sesame"):
            headers = {"Accept": self.headers["Accept"]}
            with urllib.request.urlopen(urllib.request.Request(f"http://{self.served.registry}{self.path}", headers=headers)) as answer:
                self._answer(200, answer.read())
        else:
            self._answer(401)

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        if status == 401:
            challenge = f'Bearer realm="{self.served.realm}",service="test",scope="repository:charts/web:pull"'
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
