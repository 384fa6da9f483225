"""What can happen to the state folder and to the clock: what runs stays, and the walk goes on by itself."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing
from tests.end_to_end.serving import generation, log_of, remembering, runs, shop
from trueup.model.run import RunState


def size(number: int, name: str = "web") -> dict[str, str | bytes | None]:
    return {f"{name}/thing.yaml": documents(thing(name, size=number))}


def lose_the_state(estate: Estate) -> None:
    """Everything but the targets themselves, which for the memory runtime lie in the same folder."""
    for place in estate.state.iterdir():
        if place.name != "targets":
            shutil.rmtree(place) if place.is_dir() else place.unlink()


# ---------------------------------------------------------------------- lost


async def test_with_an_empty_state_nothing_is_deleted_or_taken_and_orphans_are_held(estate: Estate) -> None:
    estate.commit(shop("web", "orphan", "other"))
    assert estate.trueup("apply").code == 0
    estate.world().put(thing("nobodys"))
    before = {key: (record.entry.uid, record.entry.generation) for key, record in estate.world().objects().items()}
    lose_the_state(estate)
    estate.commit({"orphan/trueup.yaml": None})
    with estate.serving():
        await eventually(lambda: {run.state for run in runs(estate)} == {RunState.SUCCEEDED, RunState.HELD} and len(runs(estate)) == 3)
        time.sleep(0.5)
    assert {key: (record.entry.uid, record.entry.generation) for key, record in estate.world().objects().items()} == before
    assert estate.world().owners() == {"Thing/nobodys": "", "Thing/orphan": "orphan", "Thing/other": "other", "Thing/web": "web"}
    with remembering(estate) as memory:
        assert [(hold.application, hold.kind) for hold in memory.holds()] == [("orphan", "approval")]


def test_with_an_empty_state_and_broken_declarations_everything_stays(estate: Estate) -> None:
    estate.commit(shop("web", "orphan"))
    assert estate.trueup("apply").code == 0
    lose_the_state(estate)
    estate.commit(
        {
            "orphan/trueup.yaml": None,
            "web/trueup.yaml": "kind: Application\napiVersion: trueup.dev/v1\nmetadata: {name: web}\nspec: {tarhet: here}\n",
        }
    )
    said = estate.trueup("apply")
    assert (said.code, "web/trueup.yaml:4" in said.err, "target" in said.err) == (1, True, True)
    assert estate.world().names() == ["Thing/orphan", "Thing/web"]
    with remembering(estate) as memory:
        assert memory.holds() == []


# ---------------------------------------------------------------------- damaged and full


def test_a_damaged_memory_is_told_with_the_way_out(estate: Estate) -> None:
    estate.commit(shop("web"))
    assert estate.trueup("apply").code == 0
    for name in ("memory.db-wal", "memory.db-shm"):
        (estate.state / name).unlink(missing_ok=True)
    (estate.state / "memory.db").write_bytes(b"not a database at all" * 1000)
    for command in ("apply", "status", "serve"):
        said = estate.trueup(command)
        assert (said.code, "damaged" in said.err, "delete memory.db" in said.err) == (1, True, True), said
    (estate.state / "memory.db").unlink()
    assert estate.trueup("apply").code == 0
    assert generation(estate, "web") == 1


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return ballast


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
async def test_a_full_disk_is_told_and_waited_for(estate: Estate) -> None:
    estate.commit(shop("web"))
    with small_disk(estate.state, "12m"):
        with estate.serving() as process:
            await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
            ballast = fill(estate.state)
            commit = estate.commit(size(2))
            await eventually(lambda: "make room" in log_of(estate))
            said = estate.trueup("apply")
            assert (said.code, "room" in said.err) == (1, True), said
            assert process.poll() is None
            ballast.unlink()
            await eventually(lambda: estate.world().specification("Thing/web") == {"size": 2})
            await eventually(lambda: (runs(estate)[0].revision, runs(estate)[0].state) == (commit, RunState.SUCCEEDED))
        assert [run.state for run in runs(estate)] == [RunState.SUCCEEDED] * 2


# ---------------------------------------------------------------------- the clock


CLOCK = """
import signal, sys, time
real, ahead = time.time, [0.0]
time.time = lambda: real() + ahead[0]
signal.signal(signal.SIGUSR1, lambda *_: ahead.__setitem__(0, ahead[0] - 7200.0))
signal.signal(signal.SIGUSR2, lambda *_: ahead.__setitem__(0, ahead[0] + 7200.0))
from trueup.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("jump", [signal.SIGUSR1, signal.SIGUSR2], ids=["back", "ahead"])
async def test_a_clock_that_jumps_stops_nothing(estate: Estate, jump: signal.Signals) -> None:
    both = documents(target(), application(), application("slow"))
    slow = documents(thing("slow", health="unknown"))
    estate.commit({"trueup.yaml": both, "web/thing.yaml": documents(thing("web", size=1)), "slow/thing.yaml": slow})
    script = estate.folder / "clock.py"
    script.write_text(CLOCK)
    command = [
        sys.executable,
        str(script),
        "serve",
        "--repo",
        estate.url,
        "--state",
        str(estate.state),
        "--poll",
        "300ms",
        "--listen",
        "off",
    ]
    with (estate.folder / "serve.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await eventually(lambda: sorted(run.state for run in runs(estate)) == [RunState.RUNNING, RunState.SUCCEEDED])
        await heal(estate, 1, 4)
        process.send_signal(jump)
        commit = estate.commit(size(2))
        await eventually(lambda: estate.world().specification("Thing/web") == {"size": 2})
        await eventually(lambda: {run.revision: run.state for run in runs(estate)}[commit] is RunState.SUCCEEDED)
        await heal(estate, 2, 2)
        [waits] = [run for run in runs(estate) if run.application == "slow"]
        assert (waits.state, waits.message) == (RunState.RUNNING, ""), "its five minutes are not over"
    finally:
        process.terminate()
        process.wait(90)


async def heal(estate: Estate, size: int, times: int) -> None:
    """Change it by another hand, and wait until that is undone."""
    for _ in range(times):
        estate.world().put(thing("web", size=9))
        await eventually(lambda: estate.world().specification("Thing/web") == {"size": size})
