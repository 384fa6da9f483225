"""Strangers' expressions, evaluated in a process of its own that is killed when it takes too much."""

import os
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec

from trueup.toolkit.expression.finding import Finding, Limits, Question

LENGTH: Final = struct.Struct("!I")
PROGRAM: Final = "trueup.toolkit.expression.worker"
LIMITS: Final = Limits()


class Confined:
    """Evaluates CEL and Lua. The process starts when it is first needed; an expression that made it die is not evaluated again.

    It may be used from several threads; each waits for its answer, which takes some 0.2 ms, and never more than the limits say.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._deadly: dict[tuple[str, ...], str] = {}

    def cel(self, texts: Sequence[str], given: Mapping[str, Any], now: datetime) -> list[Finding]:
        """What each expression gives. ``given`` are the variables by name; ``now`` is one more, a timestamp."""
        return self._asked(Question("cel", tuple(texts), dict(given), now.timestamp()))

    def lua(self, source: str, body: Mapping[str, Any], now: datetime) -> Finding:
        """What a health script says of an object: ``[status, message]``, or None when it says nothing."""
        return self._asked(Question("lua", (source,), {"obj": body}, now.timestamp()))[0]

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process:
                self._process.end()
            self._process = None

    def _asked(self, question: Question) -> list[Finding]:
        try:
            asked = msgspec.json.encode(question)
        except (RecursionError, UnicodeEncodeError):
            return [Finding(fault="the object cannot be written as JSON")] * len(question.texts)
        with self._lock:
            fault = self._deadly.get(question.texts)
            if fault is None:
                try:
                    self._process = self._process or _Process(self._limits)
                    return msgspec.json.decode(self._process.answer(asked), type=list[Finding])
                except (OSError, EOFError) as error:
                    fault = self._deadly[question.texts] = self._reason(error)
        return [Finding(fault=fault)] * len(question.texts)

    def _reason(self, error: OSError | EOFError) -> str:
        code = self._process.end() if self._process else None
        self._process = None
        if code == -signal.SIGPROF:
            return f"it takes more than {self._limits.seconds:g} s of processor time"
        if isinstance(error, TimeoutError):
            return f"it gives no answer in {self._limits.patience:g} s"
        if isinstance(error, EOFError | BrokenPipeError):
            return "it takes more memory than it may, or breaks its interpreter"
        return f"it cannot be evaluated: {error.strerror}"


class _Process:
    """The process and its pipes."""

    def __init__(self, limits: Limits) -> None:
        reading, asking = os.pipe()
        answering, writing = os.pipe()
        order = msgspec.json.encode(limits).decode()
        self._patience = limits.patience
        self._asking, self._answering = open(asking, "wb", buffering=0), open(answering, "rb", buffering=0)  # noqa: SIM115, PTH123
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM, order],
                stdin=reading,
                stdout=writing,
                stderr=subprocess.DEVNULL,
                # Nothing of the caller's environment, which may hold secrets; only the place where the packages are.
                env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(reading)
            os.close(writing)

    def answer(self, asked: bytes) -> bytes:
        """Ask, and wait. Raises TimeoutError, another OSError, or EOFError when it died."""
        rest = memoryview(LENGTH.pack(len(asked)) + asked)
        while rest:
            rest = rest[self._asking.write(rest) :]
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        return self._read(length)

    def end(self) -> int:
        """Its exit code, negative the signal that it died of."""
        self._asking.close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(0.2)
        self._popen.kill()
        self._answering.close()
        return self._popen.wait()

    def _read(self, length: int) -> bytes:
        poll, read = select.poll(), b""
        poll.register(self._answering, select.POLLIN)
        while len(read) < length:
            if not poll.poll(self._patience * 1000):
                raise TimeoutError
            part = self._answering.read(length - len(read))
            if not part:
                raise EOFError
            read += part
        return read
