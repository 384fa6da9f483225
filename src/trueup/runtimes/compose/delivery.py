"""Pieces -> the record volume: complete versions beside each other, looked at once they are there, and then exchanged by one link.

``files/FOLDER/it`` is a version, ``index/VERSION`` says in which folder it is complete and which files it has, ``live/MOUNT`` is the link
that a container's mount goes through. The engine follows the link when a container starts, so what runs keeps the version that it started
with.
"""

import asyncio
import tarfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final

from trueup.model.contracts import Tree
from trueup.model.errors import Refused, TrueupError
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.content import Piece, blob_id
from trueup.runtimes.compose.disk import clear, link, own_disk
from trueup.runtimes.compose.packing import archive, folders_of, packed

LIVE: Final = "live"
_WHOLE: Final = "whole"
_BEGUN: Final = "begun"

_LONGEST_LISTING: Final = 1000

Contents = dict[str, tuple[str, int, int, int]]
Listing = Mapping[str, tuple[str, int]]
"""The files of a version by their path inside: object id and mode."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Brings files to one project at one engine."""

    carrier: Carrier

    async def put(self, pieces: Iterable[Piece], tree: Tree) -> dict[str, str]:
        """Have every piece complete in the volume: version -> the folder that it is in. What runs is not touched.

        What was there is read again and must be what Git says, byte for byte. Raises Refused: no room, or it did not arrive as it left.
        """
        index = await self._index()
        folders: dict[str, str] = {}
        for piece in {piece.version: piece for piece in pieces}.values():
            folders[piece.version] = await self._one(piece, tree, index.get(piece.version, ("", "")))
        return folders

    async def links(self) -> dict[str, str]:
        """Mount -> the folder that it leads to."""
        found = await self.carrier.files(LIVE)
        return {member.name.rpartition("/")[2]: member.linkname.split("/")[2] for member, _ in found if member.issym()}

    async def exchange(self, folders: Mapping[str, str]) -> None:
        """Let mounts lead to these folders. Only what starts from now on sees it.

        At an engine far away there is a moment without the link: what is started in it cannot start, says so, and is started again by the
        update that exchanges the link, or by the next look.
        """
        root = await own_disk(self.carrier) if folders else None
        if root is not None:
            with suppress(OSError):
                await asyncio.to_thread(link, root / LIVE, {mount: _target(folder) for mount, folder in folders.items()})
                return
        if folders:
            await self.carrier.unpack(_links(folders))

    async def sweep(self, used: Iterable[str], mounts: Collection[str] | None = None) -> list[str]:
        """Take away the folders that no mount leads to and that are not among those used; which they were.

        Where ``mounts`` are given, every other mount is taken away too.
        """
        links = await self.links()
        ended = [] if mounts is None else [mount for mount in links if mount not in mounts]
        kept = {*used, *(folder for mount, folder in links.items() if mount not in ended)}
        gone = {version: folder for version, (_, folder) in (await self._index()).items() if folder and folder not in kept}
        names = [
            *(f"{LIVE}/{mount}" for mount in ended),
            *(f"index/{version}" for version in gone),
            *(f"files/{folder}" for folder in gone.values()),
        ]
        if names:
            await self._take_away(names)
        return sorted(gone.values())

    async def _take_away(self, names: Collection[str]) -> None:
        root = await own_disk(self.carrier)
        if root is not None:
            with suppress(OSError):
                await asyncio.to_thread(clear, root, names)
                return
        # A file takes the place of the folder, and nothing of the version is left: an archive cannot take away by itself.
        await self.carrier.unpack(archive((tarfile.TarInfo(name), b"") for name in names))

    async def listed(self, folder: str) -> Listing | None:
        """The files of the version that was put into a folder; None when that is not known, or not true any more."""
        content = await self.carrier.read(f"index/{version_in(folder)}") or b""
        head, *lines = content.decode().split("\n")
        if head != f"{_WHOLE} {folder}" or not lines:
            return None
        parts = (line.split(" ", 2) for line in lines)
        return {path: (identity, int(mode, 8)) for identity, mode, path in parts}

    async def forget(self, folder: str) -> None:
        """A version is going to be written in place: nobody may take it for complete."""
        await self.carrier.write(f"index/{version_in(folder)}", f"{_BEGUN} {folder}".encode())

    async def holds(self, folder: str, piece: Piece) -> bool:
        """Whether a folder of the volume holds this piece, byte for byte."""
        return await self.contents(folder, piece.algorithm) == piece.wanted

    async def contents(self, folder: str, algorithm: str = "sha1") -> Contents:
        """Every file in a folder of the volume: its object id, mode, user and group by its path, as it is read there now."""
        file = await self.carrier.spooled(f"files/{folder}/it")
        if file is None:
            return {}
        with file:
            return await asyncio.to_thread(_read_back, file, algorithm)

    async def _one(self, piece: Piece, tree: Tree, known: tuple[str, str]) -> str:
        state, folder = known
        if state == _WHOLE and await self.holds(folder, piece):
            return folder
        folder = _next(piece.version, folder) if folder else piece.version
        try:
            await self.carrier.write(f"index/{piece.version}", f"{_BEGUN} {folder}".encode())
            await self._send(piece, folder, tree)
            arrived = await self.holds(folder, piece)
            if arrived:
                await self.carrier.write(f"index/{piece.version}", "\n".join([f"{_WHOLE} {folder}", *_lines(piece)]).encode())
        except Refused as error:
            hint = (
                "make room on the engine's disk; what runs was not touched" if "no space" in error.message else "what runs was not touched"
            )
            raise Refused(f"`{piece.named}` cannot be put on the engine: {error.message}", where=error.where, hint=hint) from error
        if not arrived:
            raise Refused(
                f"`{piece.named}` is not on the engine as it was sent", hint="look at the engine's disk; what runs was not touched"
            )
        return folder

    async def _send(self, piece: Piece, folder: str, tree: Tree) -> None:
        faults: list[TrueupError] = []
        try:
            root = f"files/{folder}/it"
            folders = [f"files/{folder}", *(f"{root}/{each}".rstrip("/") for each in folders_of(piece.leaves) if piece.is_folder)]
            leaves = {f"{root}/{inside}".rstrip("/"): leaf for inside, leaf in piece.leaves.items()}
            await self.carrier.unpack(packed(folders, leaves, tree, faults))
        except TrueupError as error:
            # What is wrong in the repository breaks the connection off; it is not the engine that does not answer.
            raise (faults[0] if faults else error) from None

    async def _index(self) -> dict[str, tuple[str, str]]:
        """Version -> its state and folder."""
        found = {}
        for member, content in await self.carrier.files("index"):
            if member.isfile() and content:
                state, _, folder = content.decode().partition("\n")[0].partition(" ")
                found[member.name.rpartition("/")[2]] = (state, folder)
        return found


def version_in(folder: str) -> str:
    """The version that a folder was made for."""
    return folder.partition(".")[0]


def _lines(piece: Piece) -> list[str]:
    """The files of a piece, as its index entry lists them; none of very many."""
    named = [f"{leaf.identity} {leaf.mode:o} {path}" for path, leaf in sorted(piece.leaves.items())]
    return named if len(named) <= _LONGEST_LISTING and not any("\n" in path for path in piece.leaves) else []


def _next(version: str, folder: str) -> str:
    """Another folder for a version: the one before was broken off, or written in."""
    return f"{version}.{int(folder.partition('.')[2] or 0) + 1}"


def _links(folders: Mapping[str, str]) -> bytes:
    return archive((_link(f"{LIVE}/{mount}", _target(folder)), b"") for mount, folder in folders.items())


def _target(folder: str) -> str:
    return f"../files/{folder}/it"


def _link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def _read_back(file: IO[bytes], algorithm: str) -> Contents:
    found = {}
    with tarfile.open(fileobj=file, mode="r:") as opened:
        for member in opened:
            content = opened.extractfile(member) if member.isfile() else None
            if content is not None:
                inside = member.name.removeprefix("it").lstrip("/")
                found[inside] = (blob_id(content.read(), algorithm), member.mode & 0o7777, member.uid, member.gid)
    return found
