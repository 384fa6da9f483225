"""Services that exchange ports, addresses or names with each other: each goes on to the next step when all of them are so far."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from trueup.model.errors import Refused
from trueup.model.manifest import Key

WHAT: Final = "ports, addresses or names"


class Parted(Refused):
    """Another one of the company did not come so far."""


@dataclass(slots=True)
class _Step:
    """One step: how many are so far, and whether it can be gone on with. A step that all came to stays so, whoever leaves later."""

    here: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    whole: bool = False


@dataclass(slots=True)
class Company:
    """The services by name. All are made, then all are stopped, then all start; and all go back when one does not do well."""

    names: tuple[str, ...]
    _unwell: list[str] = field(default_factory=list)
    _parted: bool = False
    _step: _Step = field(default_factory=_Step)

    async def gather(self) -> None:
        """Wait until all are here. Raises Parted when one will not come."""
        step = self._step
        step.here += 1
        if step.here == len(self.names) and not self._parted:
            self._step, step.whole = _Step(), True
            step.over.set()
        if not self._parted:
            await step.over.wait()
        if not step.whole:
            raise Parted(f"{' and '.join(self.names)} exchange {WHAT}, and one of them could not go on")

    def leave(self) -> None:
        """Nobody is to wait for this one any more."""
        self._parted = True
        self._step.over.set()

    async def verdict(self, name: str, trouble: str) -> str:
        """Wait until all have started; who does not do well, or nothing. Raises Parted."""
        if trouble:
            self._unwell.append(name)
        await self.gather()
        others = [each for each in self._unwell if each != name]
        return f"{others[0]}, with which it exchanges {WHAT}, does not do well" if others else ""


def companies(rings: Iterable[frozenset[Key]]) -> dict[Key, Company]:
    """Service -> the company that it is in."""
    found: dict[Key, Company] = {}
    for ring in rings:
        found |= dict.fromkeys(ring, Company(tuple(sorted(key.name for key in ring))))
    return found
