"""The images that were pulled or built for a project: remembered beside its record, and taken away when nobody uses them any more.

Tens of updates a day would fill a host's disk. The last versions of each service stay, so that going back needs neither registry nor build.
What somebody else pulled, built or named is never touched.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trueup.model.errors import Refused
from trueup.model.wire import decode, encode
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.references import reference_of

FILE: Final = "images.json"


class Brought(msgspec.Struct, frozen=True):
    """An image that the engine has because of a service, and the names that it was given for it."""

    service: str
    identity: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """Which images stay: those of any container, by identity; those that are desired, by name; and ``keep`` more for each service."""

    used: frozenset[str]
    names: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    keep: int = 0

    def idle(self, brought: Brought) -> bool:
        """Whether nobody uses it."""
        return _bare(brought.identity) not in self.used and self.names.isdisjoint(brought.names)


@dataclass(frozen=True, slots=True)
class Stock:
    """What was brought for a project. The order is that in which it came."""

    carrier: Carrier

    async def remember(self, brought: Brought) -> None:
        """An image came. Raises Refused."""
        async with self.carrier.changing:
            known = await self._load()
            others = (each for each in known if (each.service, each.identity) != (brought.service, brought.identity))
            await self.carrier.write(FILE, encode((*others, brought)))

    async def tidy(self, needs: Needs) -> None:
        """Take away what nobody needs. What the engine holds on to is tried again the next time. Raises Refused."""
        async with self.carrier.changing:
            known = await self._load()
            gone = [each for each in _superfluous(known, needs) if await self._remove(each)]
            if gone:
                await self.carrier.write(FILE, encode(tuple(each for each in known if each not in gone)))

    async def clear(self, used: Iterable[str]) -> None:
        """The project goes: nothing of it is needed, but what some container still uses. Raises Refused."""
        for each in _superfluous(await self._load(), Needs(frozenset(map(_bare, used)))):
            await self._remove(each)

    async def _load(self) -> tuple[Brought, ...]:
        content = await self.carrier.read(FILE)
        with suppress(msgspec.DecodeError, ValueError):
            return decode(content, tuple[Brought, ...]) if content else ()
        return ()

    async def _remove(self, brought: Brought) -> bool:
        """Take away the names that it has from us, and with the last of all names the image itself; whether it is gone from our side."""
        engine = self.carrier.engine
        try:
            body = await engine.get(f"/images/{brought.identity}/json")
        except Absent:
            return True
        try:
            for name in _ours(body, brought):
                with suppress(Absent):
                    await engine.delete(f"/images/{name}")
        except Refused:
            return False
        return True


def used_by(summaries: Iterable[Any]) -> frozenset[str]:
    """The images of containers, as a list of these tells them."""
    return frozenset(_bare(str(each.get("ImageID") or "")) for each in summaries)


def _superfluous(known: Iterable[Brought], needs: Needs) -> list[Brought]:
    by_service: dict[str, list[Brought]] = {}
    for each in known:
        if needs.idle(each):
            by_service.setdefault(each.service, []).append(each)
    kept = {service: needs.keep if service in needs.services else 0 for service in by_service}
    return [each for service, idle in by_service.items() for each in idle[: max(len(idle) - kept[service], 0)]]


def _ours(body: Any, brought: Brought) -> list[str]:
    """The names of an image that it has from us, tags first: with its last tag an image that was pulled goes with all its digests."""
    tags = [name for name in body.get("RepoTags") or () if reference_of(name).tagged in brought.names]
    digests = [name for name in body.get("RepoDigests") or () if reference_of(name).tagged in brought.names]
    unnamed = not body.get("RepoTags") and not body.get("RepoDigests")
    return [*tags, *digests] or ([brought.identity] if unnamed else [])


def _bare(identity: str) -> str:
    return identity.removeprefix("sha256:")
