"""Keepers from the outside: started, found again by identity, told to stop.

Where systemd is PID 1 each keeper is a unit of its own, so that it outlives the unit that Trueup itself runs in.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import trueup
from trueup.model.errors import Refused
from trueup.runtimes.host.keeper.file import flush_folder, replace
from trueup.runtimes.host.keeper.process import TOKEN, Process, bearing, boot_id, lives, process, send, token_of
from trueup.runtimes.host.keeper.state import REQUEST, STATE
from trueup.runtimes.host.thread import in_thread

_BOOT = "import sys; sys.path.append(sys.argv[2]); from trueup.runtimes.host.keeper.launch import main; main(sys.argv[3])"
_LONGEST_START = 30.0
_GRACE = 5.0
"""Seconds that a keeper has beyond its service's own time to stop, before it is killed itself."""


class Identity(msgspec.Struct, frozen=True):
    """A process for ever, together with the boot id."""

    pid: int
    start: int

    @property
    def lives(self) -> bool:
        """Whether it runs, on the present boot."""
        return lives(self.pid, self.start)


class LastExit(msgspec.Struct, frozen=True):
    """How a process ended: in words, its code (negative: a signal; None: it was never started), when, and after how long."""

    text: str
    code: int | None
    at: str
    seconds: float


class Result(msgspec.Struct, frozen=True):
    """How a job ended. ``code`` is None when it was stopped."""

    text: str
    code: int | None


class Instance(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One start of a service or job, as its keeper tells of it (``keeper.state``). A keeper may be older than we are, and tell less."""

    folder: str = ""
    token: str
    version: str
    boot: str
    keeper: Identity
    uses: dict[str, str] = {}
    spec: dict[str, Any] = {}
    process: Identity | None = None
    phase: str = "prepared"
    ready: bool = False
    failing: bool = False
    reason: str = ""
    restarts: int = 0
    last_exit: LastExit | None = None
    result: Result | None = None
    port: int = 0
    patience: float = 10.0
    predecessors: tuple[str, ...] = ()
    stopped: bool = False

    @property
    def kept(self) -> bool:
        """Whether its keeper runs."""
        return self.boot == boot_id() and self.keeper.lives and token_of(self.keeper.pid) == self.token

    @property
    def orphaned(self) -> bool:
        """Whether its process runs and its keeper does not."""
        return self.boot == boot_id() and self.process is not None and self.process.lives and not self.kept


@dataclass(frozen=True, slots=True)
class Keepers:
    """The keepers of one service or job; ``folder`` holds one folder for each start, named so that they sort in their order."""

    folder: Path

    @property
    def service(self) -> str:
        """The first half of every token of this service."""
        return hashlib.sha256(os.path.realpath(self.folder).encode()).hexdigest()[:16]

    def instances(self) -> list[Instance]:
        """Every start whose keeper told of itself, oldest first."""
        try:
            names = sorted(os.listdir(self.folder))  # noqa: PTH208
        except FileNotFoundError:
            return []
        return [instance for name in names if (instance := _read(self.folder / name))]

    async def start(self, order: Mapping[str, Any]) -> Instance:
        """Start a keeper; when this returns it has written its first state. Raises Refused."""
        return await in_thread(self._start, dict(order))

    async def stop(self, instance: Instance) -> None:
        """Ask a keeper to stop what it keeps, and wait. What does not go is killed, and so is what a dead keeper left behind."""
        keeper = process(instance.keeper.pid) if instance.kept else None
        if keeper:
            send(keeper, signal.SIGTERM)
            await _gone([keeper], instance.patience + _GRACE)
        await self._kill(instance.token)

    async def settle(self) -> None:
        """Wait for keepers that a walk began to start before it was broken off: they tell of themselves in a moment, or never."""
        for _ in range(round(_GRACE / 0.02)):
            if not await in_thread(self._coming):
                return
            await asyncio.sleep(0.02)

    async def clear(self) -> None:
        """Stop and kill everything that any keeper of this service started, whatever the files say."""
        for instance in await in_thread(self.instances):
            if instance.kept or instance.orphaned:
                await self.stop(instance)
        await self._kill("")

    async def reload(self, instance: Instance, version: str, uses: dict[str, str], number: int) -> None:
        """Have the service signalled, and its version told from now on. Raises Refused, OSError."""
        request = json.dumps({"version": version, "uses": uses, "signal": number}).encode()
        await in_thread(replace, f"{instance.folder}/{REQUEST}", request, False)
        keeper = process(instance.keeper.pid)
        if not (keeper and instance.kept and send(keeper, signal.SIGHUP)):
            raise Refused("its keeper is gone", hint="it is started anew by the next walk")
        for _ in range(100):
            now = await in_thread(_read, Path(instance.folder))
            if now and now.version == version:
                return
            await asyncio.sleep(0.05)
        raise Refused("its keeper does not answer", hint=f"see {instance.folder}/trouble")

    def tidy(self, keep: int) -> None:
        """Remove the folders of starts that are over, but for the newest ``keep``: their logs are what a person reads after a failure."""
        over = [each for each in self.instances() if not each.kept]
        for instance in over[: len(over) - keep]:
            shutil.rmtree(instance.folder, ignore_errors=True)

    def forget(self) -> None:
        """Remove the folder, logs included."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            flush_folder(str(self.folder.parent))

    def _start(self, order: dict[str, Any]) -> Instance:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Counted, not dated: a clock that jumps must not change which start is the last.
        numbers = [int(name.partition("-")[0]) for name in os.listdir(self.folder) if name.partition("-")[0].isdigit()]  # noqa: PTH208
        name = f"{max(numbers, default=0) + 1:08d}-{os.urandom(4).hex()}"
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        flush_folder(str(self.folder))
        order["token"] = f"{self.service}.{name}"
        order["environment"] = {**order["environment"], TOKEN: order["token"]}
        started = self._started(folder, order)
        instance = _read(folder)
        if started.returncode or not instance:
            words = started.stderr.decode(errors="replace").strip().splitlines() or ["it told nothing"]
            raise Refused(f"its keeper cannot be started: {words[-1]}", where=str(folder), hint="free what it needs; it is tried again")
        return instance

    def _started(self, folder: Path, order: dict[str, Any]) -> "subprocess.CompletedProcess[bytes]":
        source = str(Path(trueup.__file__).parent.parent)
        keeper = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, "trueup-keeper", source, str(folder)]
        wrapped = unit_around(f"trueup-{self.service}-{folder.name}")
        started = _run([*wrapped, *keeper], order)
        # A service manager that does not answer is no reason to start nothing.
        return _run(keeper, order) if wrapped and started.returncode and not (folder / STATE).exists() else started

    def _coming(self) -> bool:
        known = {instance.token for instance in self.instances()}
        return any(token not in ("", *known) for token in (token_of(each.pid) for each in bearing(self.service)))

    async def _kill(self, token: str) -> None:
        """Kill what bears a token of this service; with an empty one, any."""
        left: list[Process] = []
        for _ in range(50):
            left = [each for each in await in_thread(bearing, self.service) if token in ("", token_of(each.pid))]
            for each in left:
                send(each, signal.SIGKILL)
            if not left:
                return
            await asyncio.sleep(0.02)
        raise Refused(f"PID {left[0].pid} ({left[0].name}) cannot be killed", hint="it hangs in the kernel: look at its disk or network")


def unit_around(name: str) -> list[str]:
    """What to put before a keeper's command where systemd is PID 1: a unit of its own, for else it would be stopped together with the unit
    that Trueup runs in. Empty elsewhere, and where this user has no service manager."""
    program = shutil.which("systemd-run")
    if not program or not os.path.isdir("/run/systemd/system"):  # noqa: PTH112
        return []
    ours = [] if os.geteuid() == 0 else ["--user"]
    if ours and not os.path.exists(f"{os.environ.get('XDG_RUNTIME_DIR', '')}/systemd/private"):  # noqa: PTH110
        return []
    return [program, *ours, "--quiet", "--collect", "--scope", f"--unit={name}", "--description=A service that Trueup keeps", "--"]


def _run(arguments: list[str], order: dict[str, Any]) -> "subprocess.CompletedProcess[bytes]":
    """Start a keeper; returns when it has told of itself, or has ended. Raises Refused."""
    bus = {name: os.environ[name] for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if name in os.environ}
    try:
        return subprocess.run(
            arguments,
            input=json.dumps(order).encode(),
            capture_output=True,
            cwd="/",
            env={**bus, TOKEN: order["token"]},
            start_new_session=True,
            timeout=_LONGEST_START,
            check=False,
        )
    except subprocess.TimeoutExpired:
        hint = "something that it needs hangs: look at the disk that its working directory is on"
        raise Refused(f"its keeper did not start within {_LONGEST_START:.0f}s", hint=hint) from None


def _read(folder: Path) -> Instance | None:
    try:
        instance = msgspec.json.decode((folder / STATE).read_bytes(), type=Instance)
    except (OSError, msgspec.MsgspecError):
        return None
    return msgspec.structs.replace(instance, folder=str(folder))


async def _gone(those: list[Process], timeout: float) -> None:
    """Wait until they have ended, or for so long."""
    end = time.monotonic() + timeout
    pause = 0.01
    while time.monotonic() < end and any(lives(each.pid, each.start) for each in those):
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)
