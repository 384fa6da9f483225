"""The log files of a service or a job, as lines: oldest first, across rotations and starts."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from trueup.runtimes.host.thread import in_thread

_PAUSE = 0.2
_NUMBERED = re.compile(r"log(?:\.(\d+))?")


async def lines_of(folder: Path, follow: bool) -> AsyncIterator[str]:
    """Every line below a keeper's folder; with ``follow`` also those to come, until the caller stops."""
    reader = _Reader(folder)
    while True:
        for line in await in_thread(reader.more):
            yield line
        if not follow:
            return
        await asyncio.sleep(_PAUSE)


class _Reader:
    """Remembers where it is: files are known by inode, since they are renamed under the reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inode = 0
        self.position = 0
        self.rest = b""

    def more(self) -> list[str]:
        """The whole lines since the last time."""
        files = self._files()
        inodes = [inode for inode, _ in files]
        here = inodes.index(self.inode) if self.inode in inodes else 0
        if self.inode not in inodes:
            self.position = 0
        data = b""
        for inode, file in files[here:]:
            if inode != self.inode:
                self.inode, self.position = inode, 0
            data += self._read(file)
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _read(self, file: Path) -> bytes:
        try:
            with file.open("rb") as open_:
                open_.seek(self.position)
                data = open_.read()
        except FileNotFoundError:
            return b""
        self.position += len(data)
        return data

    def _files(self) -> list[tuple[int, Path]]:
        found = []
        for start in sorted(self.folder.glob("*-*")):
            numbered = {int(match[1] or 0): start / name for name in os.listdir(start) if (match := _NUMBERED.fullmatch(name))}  # noqa: PTH208
            found += [numbered[number] for number in sorted(numbered, reverse=True)]
        return [(inode, file) for file in found if (inode := _inode(file))]


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0
