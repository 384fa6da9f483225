"""A Docker host to test on: a real engine, reached through a gate that can be shut, and a project of the test's own."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from tests.testbed.docker.engine import Engine
from trueup.model.application import Ignore
from trueup.model.contracts import Owner, Place, Runtime
from trueup.model.errors import SettingsError
from trueup.model.manifest import Body, Key
from trueup.model.secret import Secret
from trueup.runtimes.compose import compose
from trueup.testing import Ground, Thing, World

IMAGE = "test/sleep:1"
API = "compose.trueup.dev/v1"


class ComposeGround(Ground):
    """Two services, and a network; none needs another, so that each can be the only one that is there."""

    kind = compose
    engine: ClassVar[Engine]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.project = "c" + hashlib.sha256(str(folder).encode()).hexdigest()[:10]
        self.engine.clear()
        self.gate = Gate(str(self.engine.socket), folder)
        self._secrets: dict[str, Secret] = {}

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """The first one's environment is the version; its restart policy is what a hand changes."""
        more: Body = {"image": IMAGE, "restart": "always", "network_mode": "none"}
        return [
            self._body("Service", f"{prefix}-web", {"environment": {"VERSION": str(version)}, **more}),
            self._body("Service", f"{prefix}-worker", more),
            self._body("Network", f"{prefix}-net", {"name": f"{self.project}_{prefix}-net"}),
        ]

    def secret_bodies(self, secret: Secret, prefix: str) -> list[Body]:
        """A service that prints its secret."""
        self._secrets["PASSWORD"] = secret
        secrets = [{"target": "/run/secrets/password", "name": "PASSWORD"}]
        return [self._body("Service", prefix, {"image": IMAGE, "restart": "always", "network_mode": "none", "secrets": secrets})]

    def refused_body(self, prefix: str) -> Body:
        """A service that asks for what no engine has."""
        return self._body("Service", prefix, {"image": IMAGE, "network_mode": "none", "cap_add": ["NO_SUCH_RIGHT"]})

    def ignore(self, key: Key) -> Ignore:
        """The field that ``tamper`` changes."""
        return Ignore(key=str(key), field="spec.restart")

    async def tamper(self, owner: Owner, key: Key) -> None:
        """Another restart policy."""
        for container in self.containers(key):
            self.engine.docker("update", "--restart", "no", container)

    async def expose(self, owner: Owner, key: Key, value: str) -> None:
        """Another password, in clear."""
        file = self.folder / "password"
        file.write_text(value)
        for container in self.containers(key):
            self.engine.docker("cp", str(file), f"{container}:/run/secrets/password")

    async def remove(self, owner: Owner, key: Key) -> None:
        """Delete its containers, or the network."""
        assert key in await self.world(), f"{key} is not there"
        if key.kind == "Network":
            self.engine.docker("network", "rm", f"{key.namespace}_{key.name}")
        else:
            self.engine.docker("rm", "-f", *self.containers(key))

    async def plant(self, owner: Owner, body: Body) -> None:
        """Make it as Compose does."""
        key, spec = Key.of(body), body["spec"]
        labels = {"project": key.namespace, "service": key.name, "oneoff": "False", "container-number": "1"}
        told = [part for name, value in labels.items() for part in ("--label", f"com.docker.compose.{name}={value}")]
        environment = [part for name, value in spec["environment"].items() for part in ("-e", f"{name}={value}")]
        name = f"{key.namespace}-{key.name}-1"
        self.engine.docker("run", "-d", "--name", name, "--network", "none", "--restart", "always", *told, *environment, spec["image"])

    def unreachable(self) -> AbstractAsyncContextManager[None]:
        """Shut the gate."""
        return self.gate.closed()

    async def world(self) -> World:
        """The containers and networks of the project, without the labels that we keep to ourselves."""
        containers = self._inspected("container", "ps", "-aq", "--no-trunc")
        networks = self._inspected("network", "network", "ls", "-q", "--no-trunc")
        found = {
            _key("Service", each): Thing(each["Id"], _container(each), each["State"]["Status"] == "created")
            for each in containers
            if "com.docker.compose.service" in _labels(each)
        }
        return found | {_key("Network", each): Thing(each["Id"], each["Options"]) for each in networks}

    def options(self) -> dict[str, object]:
        """The engine behind the gate."""
        return {"engine": self.gate.address}

    def place(self) -> Place:
        """The operator allows it."""
        return Place(self.folder / "state", self._secret, {"engines": [self.gate.address]})

    async def open(self) -> Runtime:
        """Open the gate first."""
        await self.gate.open()
        return await super().open()

    def containers(self, key: Key) -> list[str]:
        """The containers of a service."""
        return self._listed("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.service={key.name}")

    def _listed(self, *arguments: str) -> list[str]:
        return self.engine.docker(*arguments, "--filter", f"label=com.docker.compose.project={self.project}").split()

    def _inspected(self, kind: str, *listing: str) -> "list[dict[str, Any]]":
        names = self._listed(*listing)
        return json.loads(self.engine.docker(kind, "inspect", *names)) if names else []

    def _body(self, kind: str, name: str, spec: Body) -> Body:
        return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": self.project}, "spec": spec}

    def _secret(self, name: str) -> Secret:
        if name not in self._secrets:
            raise SettingsError(f"no secret is named {name}", hint="set it in the settings")
        return self._secrets[name]


class Gate:
    """Passes connections on to an engine's socket until it is shut; what was open is cut off then."""

    def __init__(self, there: str, folder: Path) -> None:
        self._there = there
        # A socket's path may have about a hundred characters.
        self._here = f"/tmp/trueup-gate-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """Where the engine is reached."""
        return f"unix://{self._here}"

    async def open(self) -> None:
        """Let pass."""
        if self._server is None or not self._server.is_serving():
            self._server = await asyncio.start_unix_server(self._pass, self._here)

    async def shut(self) -> None:
        """Let nobody in, and cut off who is in."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Shut for a while."""
        await self.shut()
        try:
            yield
        finally:
            await self.open()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_unix_connection(self._there)
            self._open.update((writer, back))
            with suppress(asyncio.CancelledError):
                await asyncio.gather(_pour(reader, back), _pour(there, writer))
            self._open.difference_update((writer, back))


async def _pour(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65536):
            drain.write(piece)
            await drain.drain()
    drain.close()


def _labels(body: "dict[str, Any]") -> "dict[str, str]":
    return (body.get("Config") or body).get("Labels") or {}


def _key(kind: str, body: "dict[str, Any]") -> Key:
    return Key(kind, _labels(body)[f"com.docker.compose.{kind.lower()}"], "", _labels(body)["com.docker.compose.project"])


def _container(body: "dict[str, Any]") -> object:
    return {
        "name": body["Name"],
        "command": body["Config"]["Cmd"],
        "environment": body["Config"]["Env"],
        "restart": body["HostConfig"]["RestartPolicy"]["Name"],
        "networks": sorted(body["NetworkSettings"]["Networks"]),
        "running": body["State"]["Running"],
    }
