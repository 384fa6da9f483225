import asyncio
import os
import time
from pathlib import Path

import pytest

from trueup.model.errors import SettingsError
from trueup.toolkit import process
from trueup.toolkit.process import Ending, Limits, run

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def shell(script: str, **limits: float) -> process.Completed:
    return await run(["sh", "-c", script], environment=ENVIRONMENT, limits=Limits(**limits))  # type: ignore[arg-type]


async def test_a_program_returns_what_it_said() -> None:
    completed = await run(["sh", "-c", "cat; echo no >&2; exit 3"], environment=ENVIRONMENT, input=b"x" * 200_000)
    assert (completed.code, len(completed.out), completed.err, completed.ending) == (3, 200_000, b"no\n", Ending.EXITED)


async def test_a_program_sees_only_the_environment_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_OPERATOR", "x")
    assert b"TOKEN" not in (await run(["env"], environment=ENVIRONMENT)).out


async def test_a_missing_program_is_told_with_a_hint() -> None:
    with pytest.raises(SettingsError, match="no-such-program") as caught:
        await run(["no-such-program"], environment=ENVIRONMENT)
    assert "PATH" in caught.value.hint


async def test_the_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    completed = await shell(f"trap '' TERM; sleep 60 & echo $! $$ > {pids}; wait; sleep 60", deadline=1.0, grace=0.1)
    assert completed.ending is Ending.DEADLINE
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


async def test_a_cancelled_caller_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.create_task(shell(f"sleep 60 & echo $! $$ > {pids}; wait"))
    while not (pids.exists() and pids.read_text()):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


async def test_a_child_that_keeps_the_pipe_open_does_not_hold_the_caller() -> None:
    started = time.monotonic()
    completed = await shell("sleep 100 & echo done", deadline=60)
    assert (completed.out, completed.succeeded) == (b"done\n", True)
    assert time.monotonic() - started < 30


async def test_a_daemon_in_a_session_of_its_own_does_not_hold_the_caller(tmp_path: Path) -> None:
    completed = await shell(f"setsid sleep 100 & echo $! > {tmp_path / 'pid'}; sleep 0.2; echo done", deadline=60)
    assert completed.out == b"done\n"
    os.kill(int((tmp_path / "pid").read_text()), 9)


async def test_silence_ends_a_program_and_words_keep_it_alive() -> None:
    talking = await shell("for i in 1 2 3 4 5 6; do echo $i; sleep 0.25; done", silence=1.2)
    silent = await shell("echo 1; sleep 60", silence=0.3)
    assert (talking.ending, silent.ending, silent.out) == (Ending.EXITED, Ending.SILENCE, b"1\n")


async def test_a_flood_is_cut_at_the_limit() -> None:
    completed = await run(["yes"], environment=ENVIRONMENT, limits=Limits(output=100_000))
    assert (completed.ending, len(completed.out)) == (Ending.FLOOD, 100_000)


async def test_many_hung_programs_do_not_delay_a_quick_one() -> None:
    hung = [asyncio.create_task(shell("sleep 60")) for _ in range(40)]
    await asyncio.sleep(0.1)
    assert (await shell("echo quick")).out == b"quick\n"
    assert not any(task.done() for task in hung)
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)


async def test_a_machine_without_pidfd_is_served_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert (await shell("sleep 0.1; echo done; exit 4")).code == 4


async def test_nothing_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        await shell("echo done")
        await shell("sleep 9", deadline=0.05)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
