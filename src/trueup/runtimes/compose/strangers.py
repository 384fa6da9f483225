"""Containers that somebody else made and that a service would take over -> what is not as we would make it."""

import asyncio
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trueup.model.contracts import Tree
from trueup.model.plan import Change
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.content import Piece, algorithm_of, blob_id, pieces_of
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.likeness import unlike
from trueup.runtimes.compose.picture import Picture
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.wanted import Surroundings, container_of, endpoints_of
from trueup.toolkit.together import together

_IN_PLACE = "/its own content"


@dataclass(frozen=True, slots=True)
class Strangers:
    """Looks at them."""

    picture: Picture
    tree: Tree
    networks: Mapping[str, str]
    volumes: Mapping[str, str]

    async def of(self, services: Iterable[tuple[Service, Sequence[Container]]]) -> dict[str, tuple[Change, ...]]:
        """Container -> what differs; nothing is told of those that we made."""
        asked = [(service, each) for service, found in services for each in found if each.marks.spec is None and each.service]
        told = await together(self._one(service, each) for service, each in asked)
        return {each.id: changes for (_, each), changes in zip(asked, told, strict=True)}

    async def _one(self, service: Service, container: Container) -> tuple[Change, ...]:
        try:
            image = (await self.picture.engine.get(f"/images/{container.image}/json")).get("Config") or {}
        except Absent:
            image = {}
        pieces = await asyncio.to_thread(pieces_of, service.name, service.spec, self.tree)
        held = {piece.target for piece in pieces if await self._holds(container, piece)}
        secrets = {str(entry["target"]) for entry in service.spec.get("secrets") or ()}
        shown = replace(container, body=_with_mounts(container, held, secrets))
        around = Surroundings(
            service.image,
            self.networks,
            self.volumes,
            mounted={piece.target: _IN_PLACE for piece in pieces},
            inherited=container.inherited(),
        )
        number = container.number or 1
        wanted = container_of(service, number, around, {})
        return tuple(unlike(shown, wanted, image, list(endpoints_of(service, number, around))))

    async def _holds(self, container: Container, piece: Piece) -> bool:
        """Whether a container sees, at the place of a piece, what Git has: file by file, and nothing else."""
        try:
            archive = await self.picture.engine.get_archive(container.id, piece.target)
        except Absent:
            return False
        found = await asyncio.to_thread(_files, archive, next((leaf.identity for leaf in piece.leaves.values()), ""))
        return found == {path: (leaf.identity, bool(leaf.mode & 0o100)) for path, leaf in piece.leaves.items()}


def _with_mounts(container: Container, held: set[str], secrets: set[str]) -> dict[str, object]:
    """The container as if what it holds of the repository were mounted by us; secrets are compared by their values elsewhere."""
    mounts = [
        {**mount, "Source": _IN_PLACE} if mount["Destination"] in held else mount
        for mount in container.body.get("Mounts") or ()
        if mount["Destination"] not in secrets
    ]
    return {**container.body, "Mounts": mounts}


def _files(archive: bytes, identity: str) -> dict[str, tuple[str, bool]]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            content = opened.extractfile(member) if member.isfile() else None
            if content is not None:
                inside = member.name.partition("/")[2] if "/" in member.name else ""
                found[inside] = (blob_id(content.read(), algorithm_of(identity)), bool(member.mode & 0o100))
    return found
