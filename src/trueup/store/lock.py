"""The lock of ``serve``: one state folder, one serve. It ends with the process that holds it, however that ends."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

import msgspec

from trueup.model.errors import SettingsError
from trueup.store.folder import open_private, private_folder
from trueup.store.lease import started

_FILE = "serve.lock"
_PATIENCE = 0.3  # longer than anybody needs who only looks
_PAUSE = 0.01


class Serving(msgspec.Struct, frozen=True):
    """A serve that runs: its process, the start of that process in clock ticks since the boot, and the address where it answers."""

    pid: int
    started: int
    listen: str = ""


class ServeLock:
    """The held lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, folder: Path, listen: str = "") -> "ServeLock":
        """Take the lock of this state folder. Raises SettingsError when another serve has it, or the folder cannot be used."""
        path = private_folder(folder) / _FILE
        descriptor = open_private(path)
        if not _locked(descriptor):
            holder = _read(descriptor)
            os.close(descriptor)
            raise SettingsError(
                f"another serve (pid {holder.pid if holder else 'unknown'}) already uses {folder}",
                where=str(path),
                hint="stop it, or give this one a folder of its own with --state",
            )
        lock = cls(descriptor)
        lock.announce(listen)
        return lock

    @staticmethod
    def find(folder: Path) -> Serving | None:
        """The serve that runs on this state folder; None when there is none. Never in the way of one that starts."""
        try:
            descriptor = os.open(folder / _FILE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _holder(descriptor)
        finally:
            os.close(descriptor)

    def announce(self, listen: str) -> None:
        """Tell where this serve answers, once it is known."""
        told = Serving(os.getpid(), started(os.getpid()) or 0, listen)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, msgspec.json.encode(told), 0)

    def release(self) -> None:
        """Let go of it. Doing it twice is doing it once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "ServeLock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _locked(descriptor: int) -> bool:
    """Take it alone. Somebody who only looks has it for an instant, so one refusal proves nothing."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        if _flock(descriptor, fcntl.LOCK_EX):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)


def _flock(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> Serving | None:
    """Who has the lock. One that has just taken it may not yet have written who it is: what an earlier one wrote is not believed."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        if _flock(descriptor, fcntl.LOCK_SH):
            return None
        found = _read(descriptor)
        if found and started(found.pid) == found.started:
            return found
        if time.monotonic() > deadline:  # it runs where its process id means nothing to us, such as in a container
            return found or Serving(0, 0)
        time.sleep(_PAUSE)


def _read(descriptor: int) -> Serving | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Serving)
    except msgspec.MsgspecError:
        return None
