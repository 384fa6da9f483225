"""The record volume of one Compose project, and the way into it: a container that is made, never started, and mounts it.

An engine far away has no folder of ours. Its archive requests reach into a container that does not run, and so into every volume that the
container mounts. They can also take away: a file that is unpacked where a folder is replaces it with all that is in it.
"""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from trueup.model.errors import Refused
from trueup.runtimes.compose.engine import Absent, Clash, Engine
from trueup.runtimes.compose.images import Heard, drained
from trueup.runtimes.compose.labels import RECORD
from trueup.runtimes.compose.packing import archive

IMAGE: Final = "trueup/empty:1"
INSIDE: Final = "/trueup"
"""Where the carrier mounts the volume."""
OF_PROJECT: Final = "dev.trueup.project"
"""The label of volume and carrier."""
_EMPTY_TAR: Final = bytes(1024)
_IN_MEMORY: Final = 4 << 20


@dataclass(slots=True)
class Carrier:
    """The record volume of a project at one engine. Reading makes no volume; writing makes whatever is missing."""

    engine: Engine
    project: str
    keep: int | None = None
    """How many older versions of an image stay for a service; None: all."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who reads a file of the volume to write it anew."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def volume(self) -> str:
        """The volume's name."""
        return f"{RECORD}{self.project}"

    @property
    def container(self) -> str:
        """The carrier's name."""
        return f"{RECORD}{self.project}_carrier"

    async def mountpoint(self) -> str:
        """Where the engine's machine has the volume's files; empty when there is no volume."""
        try:
            return str((await self.engine.get(f"/volumes/{self.volume}"))["Mountpoint"])
        except Absent:
            return ""

    async def read(self, path: str) -> bytes | None:
        """A file of the volume; None when it is not there."""
        for member, content in await self.files(path):
            if member.isfile():
                return content
        return None

    async def files(self, path: str) -> list[tuple[tarfile.TarInfo, bytes]]:
        """What is at a path of the volume, a folder with all that is in it: for small ones. Nothing when it is not there."""
        archive = await self._archive(path)
        if archive is None:
            return []
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            return [(member, _content(opened, member)) for member in opened]

    async def spooled(self, path: str) -> IO[bytes] | None:
        """What is at a path as an archive in a file that goes when it is closed; None when nothing is there."""
        file: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - who asked closes it
        try:
            for last in (False, True):
                with suppress(Absent), _below_a_file():
                    async for piece in self.engine.pieces(f"/containers/{self.container}/archive", path=f"{INSIDE}/{path}"):
                        await asyncio.to_thread(file.write, piece)
                    file.seek(0)
                    return file
                if last or not await self._mended():
                    break
        except BaseException:
            file.close()
            raise
        file.close()
        return None

    async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        """Put one small file. A reader sees the old one, the new one, or for a moment none."""
        member = tarfile.TarInfo(path)
        member.mode = mode
        await self.unpack(archive([(member, content)]))

    async def unpack(self, tar: bytes | AsyncIterable[bytes]) -> None:
        """Unpack an archive into the volume, which is made when it is not there. Raises Refused, also when the disk is full."""
        if not isinstance(tar, bytes):
            await self.prepare()  # what comes in pieces comes once
            await self.engine.put_archive(self.container, INSIDE, tar)
            return
        try:
            await self.engine.put_archive(self.container, INSIDE, tar)
        except Absent:
            await self.prepare()
            await self.engine.put_archive(self.container, INSIDE, tar)

    async def prepare(self) -> None:
        """Make the volume and the carrier, as far as they are missing."""
        async with self._making:
            if not await self.mountpoint():
                await self.engine.post("/volumes/create", {"Name": self.volume, "Labels": {OF_PROJECT: self.project}})
            await self._make_carrier()

    async def remove(self) -> None:
        """Take away volume and carrier."""
        with suppress(Absent):
            await self.engine.delete(f"/containers/{self.container}", force=True)
        with suppress(Absent):
            await self.engine.delete(f"/volumes/{self.volume}")

    async def _archive(self, path: str) -> bytes | None:
        for last in (False, True):
            with suppress(Absent), _below_a_file():
                return await self.engine.get_archive(self.container, f"{INSIDE}/{path}")
            if last or not await self._mended():
                break
        return None

    async def _mended(self) -> bool:
        """Whether the carrier was missing, and is there now. A prune takes it, for it does not run."""
        async with self._making:
            return bool(await self.mountpoint()) and await self._make_carrier()

    async def _make_carrier(self) -> bool:
        with suppress(Absent):
            await self.engine.get(f"/containers/{self.container}/json")
            return False
        try:
            await self._create()
        except Absent:
            await _import_empty(self.engine)
            await self._create()
        return True

    async def _create(self) -> None:
        labels = {OF_PROJECT: self.project}
        # A prune may take the volume at this very moment: then the engine makes it anew, which must not be without its label.
        mount = {"Type": "volume", "Source": self.volume, "Target": INSIDE, "VolumeOptions": {"Labels": labels}}
        body = {"Image": IMAGE, "Cmd": ["-"], "Labels": labels, "HostConfig": {"NetworkMode": "none", "Mounts": [mount]}}
        # A clash: somebody else made it at this very moment.
        with suppress(Clash):
            await self.engine.post("/containers/create", body, name=self.container)


@contextmanager
def _below_a_file() -> Iterator[None]:
    """What is looked for below a file is not there either."""
    try:
        yield
    except Refused as error:
        if "not a directory" in error.message:
            raise Absent(error.message, where=error.where) from error
        raise


async def _import_empty(engine: Engine) -> None:
    name, _, tag = IMAGE.partition(":")
    told: Heard = []
    await drained(engine.lines("POST", "/images/create", _EMPTY_TAR, fromSrc="-", repo=name, tag=tag), told)
    # Podman names what it imports in a way of its own.
    await engine.post(f"/images/{told[-1]['status']}/tag", repo=name, tag=tag)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member) if member.isfile() else None
    return opened.read() if opened else b""
