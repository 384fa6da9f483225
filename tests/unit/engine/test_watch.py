"""How often a watch that breaks is begun again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from trueup.engine.equipment import Equipment
from trueup.engine.watch import Watches
from trueup.model.application import Target, TargetSpec
from trueup.model.contracts import Moved
from trueup.model.errors import Unreachable


async def _through(ask: Callable[..., Any], *arguments: Any) -> Any:
    return ask(*arguments)


async def _breaks() -> AsyncIterator[Moved]:
    for broken in (True,):
        if broken:
            raise Unreachable("it broke")
        yield cast(Moved, None)


async def test_a_watch_that_breaks_at_once_is_begun_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            raise asyncio.CancelledError

    async def opened(_: Target) -> Any:
        return SimpleNamespace(watch=_breaks)

    monkeypatch.setattr(asyncio, "sleep", pause)
    equipment = SimpleNamespace(
        memory=SimpleNamespace(standings=lambda repository: []),
        store=SimpleNamespace(through=_through),
        targets=SimpleNamespace(open=opened),
        telemetry=SimpleNamespace(warn=lambda *_, **__: None),
    )

    async def wake(*_: Any) -> None:
        return None

    target = Target("file:///r#main", "here", TargetSpec(runtime="memory"), "trueup.yaml", 1)
    with pytest.raises(asyncio.CancelledError):
        await Watches(cast(Equipment, equipment), wake).keep_watching(target, finds=False)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
