"""An engine behind ssh -> a socket on this machine, by the user's own ssh program: its configuration and known hosts count."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trueup.model.errors import SettingsError, Unreachable
from trueup.runtimes.compose.access import REMOTE_SOCKET

_OPENING_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.05
# Ends ssh when our end of standard input closes, however we go.
_KEEPER: Final = 'exec 3<&0; "$@" </dev/null & ssh=$!; { read -r _ <&3; kill "$ssh" 2>/dev/null; } & wait "$ssh"'
_OPTIONS: Final = (
    *("-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3", "-o", "ControlPath=none"),
)


@dataclass(slots=True)
class Tunnel:
    """A running ssh that carries one socket."""

    address: str
    folder: Path
    process: asyncio.subprocess.Process

    @property
    def socket(self) -> Path:
        """This end of it."""
        return self.folder / "s"

    @property
    def broken(self) -> bool:
        """Whether ssh ended."""
        return self.process.returncode is not None

    async def close(self) -> None:
        """End ssh."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


async def opened(address: str) -> Tunnel:
    """Connect. Raises SettingsError without an ssh program, Unreachable with ssh's own words."""
    program = shutil.which("ssh")
    if program is None:
        raise SettingsError(f"{address} needs the ssh program", where=address, hint="install openssh-client")
    # A socket's path may have about a hundred characters: the state folder may be deeper.
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="trueup-ssh-"))
    command = [program, "-nNT", *_OPTIONS, *_destination(address, folder / "s")]
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _KEEPER, "sh", *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    tunnel = Tunnel(address, folder, process)
    try:
        await _ready(tunnel)
    except BaseException:
        await tunnel.close()
        raise
    return tunnel


def _destination(address: str, socket: Path) -> list[str]:
    parts = urlsplit(address)
    port = ["-p", str(parts.port)] if parts.port else []
    user = f"{parts.username}@" if parts.username else ""
    remote = parts.path if parts.path.strip("/") else REMOTE_SOCKET
    return [*port, "-L", f"{socket}:{remote}", "--", f"{user}{parts.hostname}"]


async def _ready(tunnel: Tunnel) -> None:
    deadline = time.monotonic() + _OPENING_SECONDS
    while not tunnel.socket.exists():
        if tunnel.broken:
            said = await tunnel.process.stderr.read(4096) if tunnel.process.stderr else b""
            raise _unreachable(tunnel.address, said.decode(errors="replace").strip() or "ssh ended")
        if time.monotonic() > deadline:
            raise _unreachable(tunnel.address, "it does not answer in time")
        await asyncio.sleep(_LOOK_SECONDS)


def _unreachable(address: str, words: str) -> Unreachable:
    hint = f"`ssh {urlsplit(address).netloc.replace(':', ' -p ')} true` must work without a question for the user that Trueup runs as"
    return Unreachable(f"{address} cannot be reached by ssh: {words}", where=address, hint=hint)
