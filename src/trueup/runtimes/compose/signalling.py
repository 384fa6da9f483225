"""New content where the old one is, for programs that read their files again when they are told to.

A mounted file is the very file that it was when the container started, so it is written where it is. Three ways lead there: the disk of
this machine, where the engine is on it; for a folder the carrier, if nothing has to go from it; and a container of the service's own image,
whose shell does it. Where none does, the service is restarted, which always works.
"""

import asyncio
import os
import posixpath
import shlex
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trueup.model.contracts import Tree
from trueup.model.errors import Refused
from trueup.runtimes.compose.carrier import OF_PROJECT
from trueup.runtimes.compose.content import Leaf, Piece
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.disk import own_disk
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.packing import archive

_NEW: Final = ".trueup-new"
_THERE: Final = "/.trueup-there"


@dataclass(frozen=True, slots=True)
class _Difference:
    """What has to be done in a folder of the volume: files to be written, and names that have to go."""

    written: Mapping[str, Leaf]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signalling:
    """Writes in place for one service; ``image`` is the identity of its image."""

    delivery: Delivery
    image: str

    async def write(self, piece: Piece, tree: Tree) -> bool:
        """Bring the mount of a piece to its content without a restart; whether that could be done.

        It cannot where the mount leads to the new version already: whatever runs may have started before that.
        """
        folder = (await self.delivery.links()).get(piece.mount, "")
        if not folder or folder.partition(".")[0] == piece.version:
            return False
        await self.delivery.forget(folder)
        there = await self.delivery.contents(folder, piece.algorithm)
        written = {path: leaf for path, leaf in piece.leaves.items() if there.get(path) != piece.wanted[path]}
        difference = _Difference(written, tuple(sorted(there.keys() - piece.leaves.keys())))
        if piece.is_folder == ("" in there):
            return False
        done = (
            await self._on_disk(folder, piece, difference, tree)
            or await self._by_carrier(folder, piece, difference, tree)
            or await self._by_shell(folder, difference, tree)
        )
        return done and await self.delivery.holds(folder, piece)

    async def _on_disk(self, folder: str, piece: Piece, difference: _Difference, tree: Tree) -> bool:
        # Into a folder that a container may write to, it may have put links that lead anywhere on this machine.
        root = await own_disk(self.delivery.carrier) if piece.read_only or not piece.is_folder else None
        if root is None:
            return False
        try:
            await asyncio.to_thread(_write_all, root / "files" / folder / "it", difference, tree)
        except OSError:
            return False
        return True

    async def _by_carrier(self, folder: str, piece: Piece, difference: _Difference, tree: Tree) -> bool:
        if not piece.is_folder or difference.gone:
            return False
        members = [(_member(f"files/{folder}/it/{path}", leaf), leaf.read(tree)) for path, leaf in difference.written.items()]
        await self.delivery.carrier.unpack(await asyncio.to_thread(archive, members))
        return True

    async def _by_shell(self, folder: str, difference: _Difference, tree: Tree) -> bool:
        """A container of the service's image, which has neither network nor anything of the service, copies what is put into it."""
        engine = self.delivery.carrier.engine
        source = f"{await self.delivery.carrier.mountpoint()}/files/{folder}/it"
        body = {
            "Image": self.image,
            "User": "0:0",
            "Entrypoint": ["sh", "-c", _script(difference)],
            "Cmd": [],
            "Labels": {OF_PROJECT: self.delivery.carrier.project},
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {"NetworkMode": "none", "Mounts": [{"Type": "bind", "Source": source, "Target": _THERE}]},
        }
        made = str((await engine.post("/containers/create", body))["Id"])
        try:
            members = [(_member(f"{_NEW}/{number}", leaf), leaf.read(tree)) for number, leaf in enumerate(difference.written.values())]
            await engine.put_archive(made, "/", await asyncio.to_thread(archive, members))
            await engine.post(f"/containers/{made}/start")
            return bool((await engine.post(f"/containers/{made}/wait"))["StatusCode"] == 0)
        except Refused:
            # There is no shell in it.
            return False
        finally:
            with suppress(Absent):
                await engine.delete(f"/containers/{made}", force=True, v=True)


def _script(difference: _Difference) -> str:
    lines = ["set -e"]
    for number, (path, leaf) in enumerate(difference.written.items()):
        target = shlex.quote(posixpath.join(_THERE, path) if path else _THERE)
        folder = shlex.quote(posixpath.dirname(posixpath.join(_THERE, path))) if path else ""
        lines += [f"mkdir -p {folder}"] if folder else []
        lines += [f"cat /{_NEW}/{number} > {target}", f"chmod {leaf.mode:o} {target}", f"chown {leaf.user}:{leaf.group} {target}"]
    lines += [f"rm -f {shlex.quote(posixpath.join(_THERE, path))}" for path in difference.gone]
    return "\n".join(lines)


def _member(name: str, leaf: Leaf) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.uid, member.gid = leaf.mode, leaf.user, leaf.group
    return member


def _write_all(there: Path, difference: _Difference, tree: Tree) -> None:
    """A file that is mounted itself is written where it is; in a folder a file is exchanged at once."""
    for path, leaf in difference.written.items():
        content = leaf.read(tree)
        if not path:
            _overwrite(there, leaf, content)
            continue
        target = there / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}{_NEW}")
        draft.unlink(missing_ok=True)
        draft.touch(0o600)
        _overwrite(draft, leaf, content)
        draft.replace(target)
    for path in difference.gone:
        (there / path).unlink(missing_ok=True)


def _overwrite(path: Path, leaf: Leaf, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.truncate()
        os.fchown(file.fileno(), leaf.user, leaf.group)
        os.fchmod(file.fileno(), leaf.mode)
        file.flush()
        os.fsync(file.fileno())
