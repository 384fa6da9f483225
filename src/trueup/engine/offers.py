"""What renders take from targets: asked for once, remembered on disk, so that no render waits for a target that was reached before."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Final

import msgspec

from trueup.engine.targets import Targets
from trueup.model.application import Target
from trueup.model.errors import TrueupError, Unreachable, Unwritable
from trueup.model.manifest import digest_of

ANSWER: Final = 15.0
"""How long a target may take to say what it has, in seconds."""

CALM: Final = 10.0
"""How long one that did not say it is not asked again."""
LOOK_AGAIN: Final = 300.0
"""How long what was said is believed, when somebody wants to know whether it is still so."""


class Offered(msgspec.Struct, frozen=True):
    """What a target had when it was asked last; ``target`` is the digest of its declaration: another one may be another place."""

    target: str
    values: dict[str, object]

    @property
    def digest(self) -> str:
        """Changes whenever it has something else."""
        return digest_of(self.values)


class TargetOffers:
    """``file`` says where to remember what a target has. Made in the loop that opens targets; ``known`` and ``of`` are for any thread."""

    def __init__(self, targets: Targets, file: Callable[[Target], Path]) -> None:
        self._targets = targets
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._asked: set[Future[Offered]] = set()
        self._failed: dict[Path, tuple[float, TrueupError]] = {}
        self._looked: dict[Path, float] = {}

    def known(self, target: Target) -> Offered | None:
        """What is remembered."""
        try:
            offered = msgspec.json.decode(self._file(target).read_bytes(), type=Offered)
        except (OSError, msgspec.DecodeError):
            return None
        return offered if offered.target == _identity(target) else None

    def of(self, target: Target) -> Offered:
        """What is remembered, else what the target says now. Blocks; must not be called in the loop. Raises Unreachable, Refused or
        SettingsError."""
        known = self.known(target)
        if known is not None:
            return known
        at, error = self._failed.get(self._file(target), (0.0, None))
        if error is not None and time.monotonic() - at < CALM:
            raise error
        asked = asyncio.run_coroutine_threadsafe(self.look(target), self._loop)
        self._asked.add(asked)
        try:
            return asked.result()
        except CancelledError:
            raise Unreachable(f"target `{target.name}` was not asked: this process stops", where=f"target {target.name}") from None
        finally:
            self._asked.discard(asked)

    async def look(self, target: Target) -> Offered:
        """Ask the target now, and remember it. Raises as ``of`` does."""
        file = self._file(target)
        self._looked[file] = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER):
                offered = Offered(_identity(target), await self._targets.offers(target))
        except (TrueupError, TimeoutError) as error:
            told = error if isinstance(error, TrueupError) else Unreachable("it does not answer", where=f"target {target.name}")
            self._failed[file] = (time.monotonic(), told)
            raise told from error
        if offered != self.known(target):
            _remember(file, offered)
        return offered

    async def refresh(self, target: Target) -> None:
        """Ask again when the last time was a while ago. What does not answer keeps what is remembered of it."""
        if time.monotonic() - self._looked.get(self._file(target), float("-inf")) < LOOK_AGAIN:
            return
        try:
            await self.look(target)
        except TrueupError:
            return

    def close(self) -> None:
        """Whoever waits for an answer is told that there will be none."""
        for asked in list(self._asked):
            asked.cancel()


def _remember(file: Path, offered: Offered) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = file.with_suffix(".new")
        written.write_bytes(msgspec.json.encode(offered))
        written.replace(file)
    except OSError as error:
        message = f"what a target has for renders cannot be remembered: {error.strerror}"
        raise Unwritable(message, where=str(file), hint="make room in the state folder, and see who owns it") from error


def _identity(target: Target) -> str:
    return digest_of(target.spec.model_dump(mode="json"))
