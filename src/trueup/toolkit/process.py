"""Runs another program and returns what it said: no shell, a process group of its own, a deadline, a limit on its output.

Nothing of it stays behind: when it ends, when a limit is passed and when the caller is cancelled, its whole group is killed.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from trueup.model.errors import SettingsError

CHUNK = 65536


class Ending(StrEnum):
    """How a program came to its end."""

    EXITED = "exited"
    DEADLINE = "deadline"
    SILENCE = "silence"
    FLOOD = "flood"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for the whole, seconds without a word, bytes per stream, and seconds between the polite and the hard signal."""

    deadline: float = 60.0
    silence: float | None = None
    output: int = 64 * 1024 * 1024
    grace: float = 1.0


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program said. ``code`` is its exit code, negative the signal that ended it, as in ``subprocess``."""

    code: int
    out: bytes
    err: bytes
    ending: Ending

    @property
    def succeeded(self) -> bool:
        """It ended by itself, with exit code 0."""
        return self.ending is Ending.EXITED and self.code == 0


async def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    input: bytes = b"",  # noqa: A002  (the word of `subprocess`)
    limits: Limits = Limits(),
) -> Completed:
    """Run a program to its end, in exactly this environment.

    Raises SettingsError when it cannot be started. Passing a limit is no error here but an ``ending``: only the caller knows what it means.
    """
    conversation = _Conversation(_started(arguments, environment, folder, input), limits)
    try:
        ending = await conversation.over
        if ending is not Ending.EXITED:
            await conversation.stop()
    except asyncio.CancelledError:
        await conversation.stop()
        raise
    finally:
        await conversation.close()
    return conversation.completed(ending)


def _started(arguments: Sequence[str], environment: Mapping[str, str], folder: Path | None, input_: bytes) -> "subprocess.Popen[bytes]":
    # A file as standard input cannot fill up and block, however much the program says before it reads.
    with tempfile.TemporaryFile() if input_ else Path(os.devnull).open("rb") as source:
        if input_:
            source.write(input_)
            source.seek(0)
        try:
            return subprocess.Popen(
                list(arguments),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            if folder is not None and not folder.is_dir():
                raise SettingsError(f"there is no folder {folder} to run {arguments[0]} in", where=str(folder)) from error
            message = f"the program {arguments[0]} cannot be started: {error.strerror}"
            raise SettingsError(message, hint=f"install {arguments[0]}, or put it on PATH") from error


class _Conversation:
    """Listens to one process until it ends or passes a limit.

    Readers on the bare descriptors instead of asyncio's subprocess: that one waits until *every* holder of the pipes is gone, so a
    daemon left behind by the program (ssh's ControlPersist, a credential cache) would hold the caller for ever.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._limits = limits
        self._said = (bytearray(), bytearray())
        self._pipes = {pipe: said for pipe, said in zip((process.stdout, process.stderr), self._said, strict=True) if pipe is not None}
        self.over: asyncio.Future[Ending] = self._loop.create_future()
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._deadline = self._loop.call_later(limits.deadline, self._end, Ending.DEADLINE)
        self._silence: asyncio.TimerHandle | None = None
        self._rearm()
        self._watch = _watch_exit(self._loop, process.pid, self._exit)
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._loop.add_reader(pipe.fileno(), self._hear, pipe)

    def completed(self, ending: Ending) -> Completed:
        code = self._process.returncode
        return Completed(-signal.SIGKILL if code is None else code, bytes(self._said[0]), bytes(self._said[1]), ending)

    async def stop(self) -> None:
        """Ask the group to end, so that it may take its lock files with it."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._exited}, timeout=self._limits.grace)

    async def close(self) -> None:
        """Kill what is left of the group and let go of the pipes."""
        try:
            self._signal(signal.SIGKILL)
            await asyncio.wait({self._exited}, timeout=5)
        finally:
            self._watch()
            for pipe in list(self._pipes):
                self._drain(pipe)
            for timer in (self._deadline, self._silence):
                if timer is not None:
                    timer.cancel()
            self._process.poll()
        await self._vanish()

    async def _vanish(self) -> None:
        """Give the killed children of the program the moment that dying takes."""
        for _ in range(5):
            try:
                os.killpg(self._process.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            await asyncio.sleep(0.01)

    def _signal(self, number: int) -> None:
        # The group is signalled only while its leader is not reaped: afterwards its number may be another's.
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _exit(self) -> None:
        if not self._exited.done():
            self._exited.set_result(None)
        self._end(Ending.EXITED)

    def _end(self, ending: Ending) -> None:
        if not self.over.done():
            self.over.set_result(ending)

    def _rearm(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        if self._limits.silence is not None:
            self._silence = self._loop.call_later(self._limits.silence, self._end, Ending.SILENCE)

    def _hear(self, pipe: IO[bytes]) -> bool:
        """Take what is there; True while there may be more at once."""
        try:
            chunk = os.read(pipe.fileno(), CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._release(pipe)
            return False
        said = self._pipes[pipe]
        said += chunk[: max(0, self._limits.output - len(said))]
        if len(said) >= self._limits.output:
            self._end(Ending.FLOOD)
            return False
        self._rearm()
        return True

    def _drain(self, pipe: IO[bytes]) -> None:
        while self._hear(pipe):
            pass
        if pipe in self._pipes:
            self._release(pipe)

    def _release(self, pipe: IO[bytes]) -> None:
        self._loop.remove_reader(pipe.fileno())
        del self._pipes[pipe]
        pipe.close()


def _watch_exit(loop: asyncio.AbstractEventLoop, pid: int, exited: Callable[[], None]) -> Callable[[], None]:
    """Call ``exited`` once the process has ended, without reaping it; returns what stops the watch."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return _poll_exit(loop, pid, exited)

    def gone() -> None:
        loop.remove_reader(descriptor)
        exited()

    def stop() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)

    loop.add_reader(descriptor, gone)
    return stop


def _poll_exit(loop: asyncio.AbstractEventLoop, pid: int, exited: Callable[[], None]) -> Callable[[], None]:
    timers: list[asyncio.TimerHandle] = []

    def look() -> None:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            timers[:] = [loop.call_later(0.02, look)]
        else:
            exited()

    look()
    return lambda: timers[0].cancel() if timers else None
