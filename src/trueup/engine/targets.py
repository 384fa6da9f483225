"""Declared targets -> opened runtimes, one for each, kept open while the declaration stays as it is."""

import asyncio
from collections.abc import Callable

from trueup.model.application import Target
from trueup.model.contracts import Kinds, Offers, Place, Runtime
from trueup.model.errors import SettingsError


class Targets:
    """Opens targets within the operator's settings. ``place`` gives the folder, the limits and the secrets of one."""

    def __init__(self, kinds: Kinds, place: Callable[[Target], Place]) -> None:
        self._kinds = kinds
        self._place = place
        self._opened: dict[tuple[str, str], tuple[Target, Runtime]] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def open(self, target: Target) -> Runtime:
        """The runtime of this target. Raises Unreachable or SettingsError."""
        name = (target.repository, target.name)
        async with self._turns.setdefault(name, asyncio.Lock()):
            opened = self._opened.get(name)
            if opened and opened[0].spec == target.spec:
                return opened[1]
            kind = self._kinds.runtimes.get(target.runtime)
            if kind is None:
                raise SettingsError(
                    f"the runtime `{target.runtime}` of target `{target.name}` is not installed", hint="install its plug-in"
                )
            place = self._place(target)
            kind.permitted(target, place)
            runtime = await kind.open(target, place)
            self._opened[name] = (target, runtime)
            if opened:
                await opened[1].close()
            return runtime

    async def offers(self, target: Target) -> dict[str, object]:
        """What it has for renders now. Raises Unreachable, Refused or SettingsError."""
        runtime = await self.open(target)
        return await runtime.offers() if isinstance(runtime, Offers) else {}

    def opened(self) -> list[tuple[Target, Runtime]]:
        """What is open now."""
        return list(self._opened.values())

    async def close(self) -> None:
        """Let go of all of them. One that cannot let go keeps nobody from stopping."""
        await asyncio.gather(*(runtime.close() for _, runtime in self._opened.values()), return_exceptions=True)
        self._opened.clear()
