"""What a builder asks while it builds, and what it is answered: the files of the build, the logins at registries, and the build's secrets.

BuildKit takes no archive as the older builder did. It opens calls on a connection that stays open beside the build (a *session*), and takes
of the files only what the Dockerfile needs. Secrets go to the one step that mounts them, and into no layer.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from trueup.model.contracts import Tree
from trueup.model.errors import TrueupError
from trueup.runtimes.compose.calls import INTERNAL, NOT_FOUND, Answer, Call, Connection, NoAnswer
from trueup.runtimes.compose.content import Leaf
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.login import Login
from trueup.runtimes.compose.packing import folders_of
from trueup.runtimes.compose.protobuf import message_of, number_in, text_in
from trueup.runtimes.compose.references import HUB

CONTEXT: Final = "context"
DOCKERFILE: Final = "dockerfile"
_HUB_HOSTS: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")
_STAT, _ASKED, _DATA, _DONE, _FAILED = range(5)
_FOLDER: Final = 1 << 31 | 0o755  # as Go writes the mode of a folder
_PIECE: Final = 1 << 16
_SERVING: Final = 1


@dataclass(slots=True)
class Answers:
    """What one build may ask for. ``folders`` are its files, by the name of the folder that the builder asks for.

    ``revealed`` are the secrets that it was told, and ``faults`` what could not be answered.
    """

    tree: Tree
    folders: Mapping[str, Mapping[str, Leaf]]
    logins: Mapping[str, Login]
    secrets: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    revealed: list[bytes] = field(default_factory=list)
    faults: list[TrueupError] = field(default_factory=list)

    @property
    def all(self) -> dict[str, Answer]:
        """Every answer by the path of its call."""
        return {
            "/grpc.health.v1.Health/Check": self._health,
            "/moby.filesync.v1.Auth/Credentials": self._credentials,
            "/moby.filesync.v1.FileSync/DiffCopy": self._files,
            "/moby.buildkit.secrets.v1.Secrets/GetSecret": self._secret,
        }

    async def _health(self, call: Call) -> None:
        await call.send(message_of((1, _SERVING)))

    async def _credentials(self, call: Call) -> None:
        host = text_in(await call.message(), 1)
        login = self.logins.get(HUB if host in _HUB_HOSTS else host)
        await call.send(message_of((1, login.username), (2, login.password.reveal())) if login else b"")

    async def _secret(self, call: Call) -> None:
        name = text_in(await call.message(), 1)
        if name not in self.secrets:
            raise NoAnswer(NOT_FOUND, f"the build declares no secret {name}")
        try:
            value = await asyncio.to_thread(self.secrets[name])
        except TrueupError as error:
            self.faults.append(error)
            raise NoAnswer(INTERNAL, f"the secret {name} cannot be had") from None
        self.revealed.append(value)
        await call.send(message_of((1, value)))

    async def _files(self, call: Call) -> None:
        """Tell of every file, and then send those that are asked for."""
        leaves = self.folders.get(call.told.get("dir-name", ""))
        if leaves is None:
            raise NoAnswer(NOT_FOUND, "there is no such folder")
        now = time.time_ns()
        folders = dict.fromkeys(folder for folder in folders_of(leaves) if folder)
        paths = sorted([*folders, *leaves], key=lambda path: path.split("/"))
        for path in paths:
            await call.send(_packet(_STAT, stat=_stat(path, leaves.get(path), now)))
        await call.send(_packet(_STAT))
        async for message in call.messages():
            match number_in(message, 1):
                case kind if kind == _ASKED:
                    await self._file(call, number_in(message, 3), leaves[paths[number_in(message, 3)]])
                case kind if kind == _DONE:
                    await call.send(_packet(_DONE))
                    return
                case _:
                    return

    async def _file(self, call: Call, number: int, leaf: Leaf) -> None:
        try:
            content = await asyncio.to_thread(leaf.read, self.tree)
        except TrueupError as error:
            self.faults.append(error)
            raise NoAnswer(INTERNAL, "a file cannot be read") from None
        for start in range(0, len(content), _PIECE):
            await call.send(_packet(_DATA, number, content[start : start + _PIECE]))
        await call.send(_packet(_DATA, number))


@asynccontextmanager
async def session(engine: Engine, answers: Answers) -> AsyncIterator[str]:
    """Answer an engine's builder for as long as this is open; under which name it finds us. Raises Unreachable, Refused."""
    # A key that nobody else has: files are told apart by it, and one with the size and time of another must not be taken for it.
    identity = uuid.uuid4().hex
    headers = [("X-Docker-Expose-Session-Uuid", identity), ("X-Docker-Expose-Session-Sharedkey", identity)]
    headers += [("X-Docker-Expose-Session-Name", "trueup")]
    headers += [("X-Docker-Expose-Session-Grpc-Method", path) for path in answers.all]
    reader, writer = await engine.switched("/session", "h2c", headers)
    serving = asyncio.create_task(Connection(reader, writer, answers.all).serve())
    try:
        yield identity
    finally:
        serving.cancel()
        writer.close()
        await asyncio.gather(serving, return_exceptions=True)


def _packet(kind: int, number: int = 0, data: bytes = b"", stat: bytes = b"") -> bytes:
    return message_of((1, kind), (2, stat), (3, number), (4, data))


def _stat(path: str, leaf: Leaf | None, now: int) -> bytes:
    if leaf is None:
        return message_of((1, path), (2, _FOLDER), (6, now))
    return message_of((1, path), (2, leaf.mode), (3, leaf.user), (4, leaf.group), (5, leaf.size), (6, now))
