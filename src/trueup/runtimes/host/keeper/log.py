"""What a service prints becomes a log of bounded size, a line at a time, each with its time."""

import os
import time

from trueup.runtimes.host.keeper.file import write

LONGEST = 8192
"""A longer line is broken: a service that prints no line ends must not fill the memory."""
RATE = 1 << 20
"""Bytes a second that are kept; what is printed beyond that is counted and dropped, so that a flood costs neither disk nor service."""


def stamp(seconds: float) -> str:
    """A time as RFC 3339 in UTC, with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class Log:
    """A file ``log`` and up to ``keep`` older ones, ``log.1`` the newest. Secret values are masked.

    A full disk loses lines, never the service.
    """

    def __init__(self, path: str, size: int, keep: int, masks: list[str]) -> None:
        self.path = path
        self.size = size
        self.keep = keep
        self.masks = [mask.encode() for mask in sorted(masks, key=len, reverse=True) if mask]
        self.rest = b""
        self.dropped = 0
        self.second = 0
        self.budget = RATE
        self.descriptor = -1
        self.written = 0

    def take(self, data: bytes) -> list[bytes]:
        """Keep what was printed; gives the whole lines in it."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        while len(self.rest) > LONGEST:
            lines.append(self.rest[:LONGEST])
            self.rest = self.rest[LONGEST:]
        self._keep(lines)
        return lines

    def flush(self) -> list[bytes]:
        """The end of what was printed: a last line without a line end counts too."""
        lines, self.rest = ([self.rest] if self.rest else []), b""
        self._keep(lines)
        return lines

    def note(self, text: str) -> None:
        """A line of the keeper's own."""
        self._append(self._line(f"-- {text}".encode()))

    def _keep(self, lines: list[bytes]) -> None:
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.budget = second, RATE
            self._tell_dropped()
        kept = []
        for line in lines:
            if self.budget < 0:
                self.dropped += 1
                continue
            self.budget -= len(line) + 25
            kept.append(self._line(line))
        if kept:
            self._append(b"".join(kept))

    def _tell_dropped(self) -> None:
        if self.dropped:
            count, self.dropped = self.dropped, 0
            self.note(f"{count} lines dropped: more than {RATE >> 20} MiB a second, or the disk was full")

    def _line(self, line: bytes) -> bytes:
        for mask in self.masks:
            line = line.replace(mask, b"(secret)")
        return stamp(time.time()).encode() + b" " + line.rstrip(b"\r") + b"\n"

    def _append(self, data: bytes) -> None:
        try:
            if self.descriptor < 0 or self.written + len(data) > self.size:
                self._turn(len(data))
            self.written += len(data)
            write(self.descriptor, data)
        except OSError:
            self.dropped += data.count(b"\n")

    def _turn(self, coming: int) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        if os.path.exists(self.path) and os.path.getsize(self.path) + coming > self.size:  # noqa: PTH110, PTH202
            for number in range(self.keep, 0, -1):
                older = self.path if number == 1 else f"{self.path}.{number - 1}"
                if os.path.exists(older):  # noqa: PTH110
                    os.rename(older, f"{self.path}.{number}")  # noqa: PTH104
            if not self.keep:
                os.unlink(self.path)  # noqa: PTH108
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.written = os.fstat(self.descriptor).st_size
