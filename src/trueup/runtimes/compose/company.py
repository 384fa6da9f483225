"""Services that exchange ports of the host with each other: each goes on to the next step when all of them are so far."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from trueup.model.errors import Refused
from trueup.model.manifest import Key


class Parted(Refused):
    """Another one of the company did not come so far."""


@dataclass(slots=True)
class Company:
    """The services by name. All are made, then all are stopped, then all start; and all go back when one does not do well."""

    names: tuple[str, ...]
    _unwell: list[str] = field(default_factory=list)
    _barrier: asyncio.Barrier = field(init=False)

    def __post_init__(self) -> None:
        self._barrier = asyncio.Barrier(len(self.names))

    async def gather(self) -> None:
        """Wait until all are here. Raises Parted when one will not come."""
        try:
            await self._barrier.wait()
        except asyncio.BrokenBarrierError as error:
            raise Parted(f"ports are exchanged between {' and '.join(self.names)}, and one of them could not go on") from error

    async def leave(self) -> None:
        """Nobody is to wait for this one any more."""
        await self._barrier.abort()

    async def verdict(self, name: str, trouble: str) -> str:
        """Wait until all have started; who does not do well, or nothing. Raises Parted."""
        if trouble:
            self._unwell.append(name)
        await self.gather()
        others = [each for each in self._unwell if each != name]
        return f"{others[0]}, which it exchanges ports with, does not do well" if others else ""


def companies(rings: Iterable[frozenset[Key]]) -> dict[Key, Company]:
    """Service -> the company that it is in."""
    found: dict[Key, Company] = {}
    for ring in rings:
        found |= dict.fromkeys(ring, Company(tuple(sorted(key.name for key in ring))))
    return found
