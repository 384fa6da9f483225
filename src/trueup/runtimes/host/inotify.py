"""The kernel's inotify, without a dependency (``man 7 inotify``)."""

import ctypes
import os
import struct
from dataclasses import dataclass

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
Q_OVERFLOW, IGNORED, ISDIR = 0x4000, 0x8000, 0x40000000
_ONLYDIR, _DONT_FOLLOW = 0x01000000, 0x02000000
_HEAD = struct.Struct("iIII")


@dataclass(frozen=True, slots=True)
class Event:
    """``watch`` is the number that ``Inotify.add`` gave, -1 when events were lost; ``name`` is empty for the folder itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One instance. Raises OSError where the machine's limits are reached."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, folder: str, mask: int) -> int:
        """Watch a folder; the same folder again is the same number. Raises OSError."""
        return self._checked(self._libc.inotify_add_watch(self.descriptor, os.fsencode(folder), mask | _ONLYDIR | _DONT_FOLLOW))

    def remove(self, watch: int) -> None:
        """Watch no longer; nothing when the folder is gone already."""
        self._libc.inotify_rm_watch(self.descriptor, watch)

    def read(self) -> list[Event]:
        """Everything that happened; empty when nothing did."""
        events: list[Event] = []
        while True:
            try:
                data = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                return events
            place = 0
            while place < len(data):
                watch, mask, _, length = _HEAD.unpack_from(data, place)
                place += _HEAD.size
                events.append(Event(watch, mask, os.fsdecode(data[place : place + length].rstrip(b"\0"))))
                place += length

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self.descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
