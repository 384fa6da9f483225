"""``trueup`` with one more runtime: ``python -m tests.end_to_end.moody`` knows ``moody`` targets, which are memory targets with moods.

What stands in the file that ``MOOD`` names is done by every moody target: ``plan raises``, ``health hangs``, ``apply is unreachable``.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trueup import assembly
from trueup.cli import main
from trueup.model.application import Target
from trueup.model.contracts import Desired, Lost, Moved, Owned, Place
from trueup.model.errors import Unreachable
from trueup.model.health import Health
from trueup.model.manifest import Key, Manifest
from trueup.model.plan import Action, Plan
from trueup.model.run import Outcome
from trueup.runtimes.memory.kind import Memory, Specification, _file
from trueup.runtimes.memory.runtime import MemoryRuntime
from trueup.runtimes.memory.world import World


def mood() -> tuple[str, str]:
    """The method that is meant, and what it does."""
    file = Path(os.environ["MOOD"])
    method, _, does = file.read_text().partition(" ") if file.exists() else ("", "", "")
    return method, does.strip()


async def have(method: str) -> None:
    """The mood, when it is this method's."""
    meant, does = mood()
    if meant != method:
        return
    if does == "raises":
        raise ZeroDivisionError("a secret: hunter2")
    if does == "is unreachable":
        raise Unreachable("it is in a mood", where="here", hint="wait")
    await asyncio.sleep(3600)


class MoodyRuntime(MemoryRuntime):
    """A memory target with moods."""

    async def owned(self) -> list[Owned]:
        await have("owned")
        return await super().owned()

    async def plan(self, desired: Desired) -> Plan:
        await have("plan")
        return await super().plan(desired)

    async def apply(self, desired: Desired, actions: Sequence[Action]) -> AsyncIterator[Outcome]:
        async for outcome in super().apply(desired, actions):
            yield outcome
            await have("apply")

    async def health(self, desired: Desired, versions: Mapping[Key, str]) -> dict[Key, Health]:
        await have("health")
        return await super().health(desired, versions)

    async def watch(self) -> AsyncIterator[Moved | Lost]:
        await have("watch")
        async for event in super().watch():
            yield event
            await have("watch")

    async def close(self) -> None:
        await super().close()
        await have("close")


class Moody(Memory):
    """The kind."""

    name = "moody"

    def references(self, manifest: Manifest) -> list[str]:
        while mood() == ("references", "hangs"):
            time.sleep(0.02)
        if mood() == ("references", "raises"):
            raise ZeroDivisionError("a secret: hunter2")
        return super().references(manifest)

    async def open(self, target: Target, place: Place) -> MemoryRuntime:
        await have("open")
        specification = Specification.model_validate(target.spec.options)
        return MoodyRuntime(target, World(_file(target, place), target.name), specification.delay)


def run() -> int:
    """The program, with one more runtime."""
    plugins = assembly.Plugins

    def with_moods(group: str, *words: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = plugins(group, *words)
        return {**found, "moody": Moody()} if group == "trueup.runtimes" else found

    assembly.Plugins = with_moods  # type: ignore[misc, assignment]
    return main()


if __name__ == "__main__":
    sys.exit(run())
