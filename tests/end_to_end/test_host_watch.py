"""What comes into a folder in the very moment in which that begins to be watched."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.machine import Machine, eventually, file
from trueup.model.contracts import Moved
from trueup.runtimes.host.inotify import Inotify


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path)
    yield await machine.open()
    await machine.runtime.close()
    Machine.clear(tmp_path)


async def test_what_comes_just_before_its_folder_is_watched_is_watched_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    await machine.apply(file("settings", content="a"))
    records = machine.root / ".trueup"
    away = (records / "shop").rename(machine.root.parent / "away")
    watched = Inotify.add

    def add(kernel: Inotify, path: str, mask: int) -> int:
        if path == str(records) and away.exists():
            away.rename(records / "shop")
        return watched(kernel, path, mask)

    monkeypatch.setattr(Inotify, "add", add)
    async with machine.listening() as told:
        await eventually(lambda: not away.exists())
        (machine.home / "settings").write_text("by hand")
        await eventually(lambda: [moved for moved in told if isinstance(moved, Moved) and str(moved.key) == "File/settings"])
