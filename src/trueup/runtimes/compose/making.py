"""Containers are made, without being started: named, labelled, in their networks, with their files and secrets."""

import asyncio
import io
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from trueup.model.errors import Refused, TrueupError
from trueup.model.manifest import Body
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.content import Piece, bits_of, owner_of, pieces_of
from trueup.runtimes.compose.delivery import LIVE, Delivery
from trueup.runtimes.compose.engine import Absent, Clash, Engine
from trueup.runtimes.compose.labels import Marks, marks_of
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.wanted import Surroundings, container_of, endpoints_of

_SECRET_MODE = 0o444


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the containers of one service, as a scene has it."""

    engine: Engine
    carrier: Carrier
    scene: Scene
    service: Service

    @property
    def marks(self) -> Marks:
        """What is written at them."""
        return marks_of(self.scene.desired, self.scene.manifests[self.service.key], self.service.applied)

    @property
    def pieces(self) -> list[Piece]:
        """What they take along from the repository."""
        return pieces_of(self.service.name, self.service.spec, self.scene.desired.tree)

    async def deliver(self) -> dict[str, str]:
        """Have all that they take along complete at the engine; what runs is not touched. Mount -> the folder of its version."""
        pieces = self.pieces
        if not pieces:
            return {}
        folders = await Delivery(self.carrier).put(pieces, self.scene.desired.tree)
        return {piece.mount: folders[piece.version] for piece in pieces}

    async def surroundings(self, image: str, before: Container | None = None) -> Surroundings:
        """What they are made in; volumes without a name go on from the container before."""
        project = self.service.project
        others = {key.name: found[0].id for key, found in self.scene.containers.items() if key.namespace == project and found}
        return Surroundings(
            image=image,
            networks=self.scene.names("Network", project),
            volumes=self.scene.names("Volume", project),
            others=others,
            mounted=await self._mounted(),
            inherited=before.inherited() if before else {},
        )

    async def create(self, number: int, name: str, around: Surroundings) -> str:
        """Make one; its identity. What was half made by it is taken away again when it is refused. Raises Refused."""
        of_compose = self.scene.of_compose(self.scene.manifests[self.service.key])
        labels = of_compose.of_container(self.service.name, number, self.service.spec, self.marks)
        body = self._body(number, around, {**labels, **self.marks.labels})
        made = await self.engine.post("/containers/create", body, name=name, platform=self.service.spec.get("platform"))
        identity = str(made["Id"])
        try:
            await self._furnish(identity, number, around)
        except BaseException:
            with suppress(TrueupError):
                await asyncio.shield(self.engine.delete(f"/containers/{identity}", force=True))
            raise
        return identity

    def _body(self, number: int, around: Surroundings, labels: Mapping[str, str]) -> Body:
        try:
            return container_of(self.service, number, around, labels)
        except ValueError as error:
            raise Refused(f"{self.service.key}: {error}", key=str(self.service.key), hint="correct it in the Compose file") from error

    async def _furnish(self, identity: str, number: int, around: Surroundings) -> None:
        for network, endpoint in list(endpoints_of(self.service, number, around).items())[1:]:
            await self.engine.post(f"/networks/{network}/connect", {"Container": identity, "EndpointConfig": endpoint})
        if self.service.spec.get("secrets"):
            await self.engine.put_archive(identity, "/", await asyncio.to_thread(self._secrets))

    def _secrets(self) -> bytes:
        """Secrets, and the folders that they are in, as an archive: they go into the container and nowhere else."""
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            for entry, value in self.secret_values():
                path = str(entry["target"]).lstrip("/")
                for folder in _above(path):
                    member = tarfile.TarInfo(folder)
                    member.type, member.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(member)
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(value), bits_of(entry.get("mode"), _SECRET_MODE)
                member.uid, member.gid = owner_of(entry)
                archive.addfile(member, io.BytesIO(value))
        return target.getvalue()

    def secret_values(self) -> Iterator[tuple[Body, bytes]]:
        """Each secret of the service, and its value. Raises SettingsError for one that the operator did not set."""
        for entry in self.service.spec.get("secrets") or ():
            if "content" in entry:
                yield entry, self.scene.desired.tree.read(str(entry["content"]).strip("/"))
            elif self.scene.secret is not None:
                yield entry, self.scene.secret(str(entry["name"])).reveal().encode()

    async def _mounted(self) -> dict[str, str]:
        pieces = self.pieces
        if not pieces:
            return {}
        mountpoint = await self.carrier.mountpoint()
        return {piece.target: f"{mountpoint}/{LIVE}/{piece.mount}" for piece in pieces}


async def stop(engine: Engine, container: Container) -> None:
    """Stop one, with the grace that it asks for."""
    with suppress(Absent):
        await engine.post(f"/containers/{container.id}/stop")


async def remove(engine: Engine, identity: str) -> None:
    """Take one away, whether it runs or not; volumes without a name stay for the next one."""
    with suppress(Absent, Clash):
        await engine.delete(f"/containers/{identity}", force=True)


def _above(path: str) -> list[str]:
    folders = []
    while path := posixpath.dirname(path):
        folders.append(path)
    return folders[::-1]
