"""Files of the repository -> an archive that is made while it is sent."""

import asyncio
import io
import tarfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Final

from trueup.model.contracts import Tree
from trueup.model.errors import TrueupError
from trueup.runtimes.compose.content import Leaf

_BLOCK: Final = 512
_PIECE: Final = 1 << 20


async def packed(folders: Iterable[str], leaves: Mapping[str, Leaf], tree: Tree, faults: list[TrueupError]) -> AsyncIterator[bytes]:
    """An archive of folders and files by their path in it, about a megabyte at a time; files are read in a thread.

    A file that cannot be read breaks the connection off: what is wrong with it is told in ``faults``.
    """
    blocks = _blocks(folders, leaves, tree)
    try:
        while block := await asyncio.to_thread(_gathered, blocks):
            yield block
    except TrueupError as error:
        faults.append(error)
        raise


def archive(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A small archive, at once."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as opened:
        for member, content in members:
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return target.getvalue()


def folders_of(paths: Iterable[str]) -> list[str]:
    """Every folder that files are in, the ones above first; ``""`` is the root."""
    found = {""}
    for path in paths:
        steps = path.split("/")[:-1]
        found.update("/".join(steps[: end + 1]) for end in range(len(steps)))
    return sorted(found)


def _gathered(blocks: Iterator[bytes]) -> bytes:
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block)
        if size >= _PIECE:
            break
    return b"".join(gathered)


def _blocks(folders: Iterable[str], leaves: Mapping[str, Leaf], tree: Tree) -> Iterator[bytes]:
    # The time of now: what serves these files tells versions apart by it.
    now = int(time.time())
    for folder in folders:
        yield _head(folder, now)
    for path, leaf in leaves.items():
        content = leaf.read(tree)
        yield _head(path, now, leaf, len(content))
        yield content
        yield bytes(-len(content) % _BLOCK)
    yield bytes(2 * _BLOCK)


def _head(name: str, time_of_change: int, leaf: Leaf | None = None, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.mtime = time_of_change
    if leaf is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    else:
        member.mode, member.uid, member.gid, member.size = leaf.mode, leaf.user, leaf.group, size
    return member.tobuf(tarfile.PAX_FORMAT)
