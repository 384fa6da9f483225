"""What is in files, as Git would name it: a quiet look costs a ``stat`` for each file, no reading."""

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field
from typing import Any

_RACY = 2.0
"""A file that changed so recently could change again without its times telling."""
_MOST_KNOWN = 200_000
LARGEST_SHOWN = 4096
"""Bytes of a file that a plan shows; of a larger one it shows size and id."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing in a folder. ``kind``: file, link, folder or other; ``identity``: a file's object id, a link's target."""

    kind: str
    identity: str = ""
    mode: int = 0
    size: int = 0

    @property
    def plain(self) -> list[Any]:
        """For digests."""
        return [self.kind, self.identity, self.mode]

    @property
    def short(self) -> str:
        """In a few words, for people."""
        if self.kind != "file":
            return f"{self.kind} {self.identity}".strip()
        return f"{self.identity[:10]} {self.mode:04o} {self.size} bytes"


@dataclass(slots=True)
class Contents:
    """Object ids of files, remembered for as long as inode, size and times stay."""

    known: dict[tuple[int, int], tuple[tuple[int, int, int, int], str]] = field(default_factory=dict)

    def look(self, name: str, folder: int, algorithm: str) -> Seen | None:
        """What is at a name in an open folder, links not followed; None when nothing is."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            return Seen("link", os.readlink(name, dir_fd=folder))
        if not stat.S_ISREG(status.st_mode):
            return Seen("folder" if stat.S_ISDIR(status.st_mode) else "other", "", mode)
        identity = self._identity(name, folder, algorithm, status)
        return None if identity is None else Seen("file", identity, mode, status.st_size)

    def _identity(self, name: str, folder: int, algorithm: str, status: os.stat_result) -> str | None:
        times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, len(algorithm))
        place = (status.st_dev, status.st_ino)
        known = self.known.get(place)
        if known and known[0] == times:
            return known[1]
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return None
        try:
            identity = _hashed(descriptor, status.st_size, algorithm)
        finally:
            os.close(descriptor)
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        if abs(time.time() - status.st_ctime) > _RACY:
            self.known[place] = (times, identity)
        return identity


def blob_id(data: bytes, algorithm: str = "sha1") -> str:
    """The object id that Git gives to a file with this content."""
    digest = hashlib.new(algorithm, b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def algorithm_of(object_id: str) -> str:
    """The hash that a repository names its objects by."""
    return "sha256" if len(object_id) == 64 else "sha1"


def shown(data: bytes) -> str:
    """A file's content for a plan: text when it is short, else its size and id."""
    if len(data) <= LARGEST_SHOWN and b"\0" not in data:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return f"{blob_id(data)[:10]}, {len(data)} bytes"


def _hashed(descriptor: int, size: int, algorithm: str) -> str:
    digest = hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)
    while block := os.read(descriptor, _BLOCK):
        digest.update(block)
    return digest.hexdigest()
