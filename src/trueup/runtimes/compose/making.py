"""Containers are made, without being started: named, labelled, in their networks, with their files and secrets."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from trueup.model.errors import Refused, TrueupError
from trueup.model.manifest import Body
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.confiding import secret_volumes, secrets_of
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.content import Piece, pieces_of
from trueup.runtimes.compose.delivery import LIVE
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.labels import Marks, marks_of
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.wanted import Surroundings, container_of, endpoints_of


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
            inherited=_inherited(before) if before else {},
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
        if self.service.spec.get("secrets") and self.scene.secret is not None:
            archives = await asyncio.to_thread(secrets_of, self.service.spec, self.scene.desired.tree, self.scene.secret)
            for folder, archive in archives.items():
                await self.engine.put_archive(identity, folder, archive)

    async def _mounted(self) -> dict[str, str]:
        pieces = self.pieces
        if not pieces:
            return {}
        mountpoint = await self.carrier.mountpoint()
        return {piece.target: f"{mountpoint}/{LIVE}/{piece.mount}" for piece in pieces}


def _inherited(before: Container) -> dict[str, str]:
    """Volumes without a name go on with the next container; those that hold only its secrets do not."""
    own = secret_volumes(before)
    return {target: name for target, name in before.inherited().items() if name not in own}


async def stop(engine: Engine, container: Container) -> None:
    """Stop one, with the grace that it asks for."""
    with suppress(Absent):
        await engine.post(f"/containers/{container.id}/stop")
