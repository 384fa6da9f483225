"""A runtime that breaks, hangs or does not answer, at any of its methods, stops nobody else's applications, and goes on when it can."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.estate import Estate, Ground, application, documents, eventually, target, thing
from tests.end_to_end.serving import log_of, remembering, runs, serving_several
from tests.testbed.repositories import Workplace
from trueup.model.memory import Address
from trueup.model.run import RunState, Status
from trueup.model.source import Repository

QUICK = {"retry": {"limit": 3, "from": "200ms", "to": "500ms"}}


@pytest.fixture
def mood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "mood"
    monkeypatch.setenv("MOOD", str(file))
    return file


@contextmanager
def serving(estate: Estate) -> "Iterator[subprocess.Popen[bytes]]":
    words = ["serve", "--repo", estate.url, "--state", str(estate.state), "--poll", "200ms", "--listen", "off"]
    with (estate.folder / "serve.log").open("a") as log:
        process = subprocess.Popen([sys.executable, "-m", "tests.end_to_end.moody", *words], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(90)


def commit(estate: Estate, size: int, many: int = 1) -> str:
    names = [f"moody{number}" for number in range(many)]
    declared = documents(
        target(), target("there", "moody", file="there.world"), application(), *(application(name, "there", policy=QUICK) for name in names)
    )
    things = {f"{name}/a.yaml": documents(thing(name, size=size), thing(f"{name}-too", size=size)) for name in ("web", *names)}
    return estate.commit({"trueup.yaml": declared, **things})


def sizes(estate: Estate, runtime: str = "memory", name: str = "here") -> set[int]:
    return {record.entry.body["spec"]["size"] for record in ground(estate, runtime, name).objects().values()}


def ground(estate: Estate, runtime: str, name: str) -> Ground:
    return Ground(estate.state / "targets" / runtime / Repository(estate.repository.identity).short / f"{name}.world")


def status(estate: Estate, name: str, place: str) -> Status:
    with remembering(estate) as memory:
        standing = memory.standing(Address(estate.repository.identity, name, place))
    assert standing
    return standing.status


MOODS = [f"{method} {does}" for method in ("plan", "apply", "health", "watch") for does in ("raises", "is unreachable")]


async def test_a_target_in_trouble_stops_nobody_else(estate: Estate, mood: Path) -> None:
    commit(estate, 0)
    with serving(estate) as process:
        await eventually(lambda: {run.state for run in runs(estate)} == {RunState.SUCCEEDED} and len(runs(estate)) == 2)
        for size, does in enumerate(MOODS, 1):
            await endure(estate, mood, does, size)
        await see_what_nobody_heard(estate, mood, len(MOODS))
        assert process.poll() is None
    assert "hunter2" not in log_of(estate)


@pytest.mark.parametrize("does", ["open raises", "open is unreachable", "owned raises"])
async def test_a_target_that_is_in_trouble_from_the_start_stops_nobody_else(estate: Estate, mood: Path, does: str) -> None:
    mood.write_text(does)
    commit(estate, 1)
    with serving(estate):
        await eventually(lambda: sizes(estate) == {1})
        await eventually(lambda: "ZeroDivisionError" in log_of(estate) or "in a mood" in log_of(estate))
        mood.unlink()
        await eventually(lambda: sizes(estate, "moody", "there") == {1})


async def endure(estate: Estate, mood: Path, does: str, size: int) -> None:
    """A commit while it is in this mood, and what becomes of it afterwards."""
    mood.write_text(does)
    head = commit(estate, size)
    await eventually(lambda: sizes(estate) == {size})
    if not does.startswith("watch"):
        await eventually(lambda: "mood" in told(estate) or "ZeroDivisionError" in told(estate))
        assert "hunter2" not in told(estate)
    mood.unlink()
    await eventually(lambda: sizes(estate, "moody", "there") == {size})
    await eventually(lambda: (runs(estate, "moody0")[0].revision, runs(estate, "moody0")[0].state) == (head, RunState.SUCCEEDED))
    await eventually(lambda: told(estate) == "")


async def see_what_nobody_heard(estate: Estate, mood: Path, size: int) -> None:
    """A hand changes something while the target cannot be watched."""
    mood.write_text("watch is unreachable")
    before = log_of(estate).count("cannot watch")
    ground(estate, "moody", "there").put(thing("moody0", size=98))  # the watch breaks at what it hears
    await eventually(lambda: log_of(estate).count("cannot watch") > before + 1)
    await eventually(lambda: sizes(estate, "moody", "there") == {size})
    ground(estate, "moody", "there").put(thing("moody0", size=99))
    mood.unlink()
    await eventually(lambda: sizes(estate, "moody", "there") == {size})


def told(estate: Estate) -> str:
    return status(estate, "moody0", "there").message


async def test_a_target_that_hangs_takes_no_place_of_another(estate: Estate, mood: Path) -> None:
    mood.write_text("plan hangs")
    commit(estate, 1, many=40)  # more than are walked at once, at one target or at all
    with serving(estate):
        await eventually(lambda: sizes(estate) == {1})
        commit(estate, 2, many=40)
        await eventually(lambda: sizes(estate) == {2})
        assert sizes(estate, "moody", "there") == set()


async def test_a_manifest_that_breaks_a_plug_in_is_its_applications_fault_alone(estate: Estate, mood: Path) -> None:
    commit(estate, 1)
    with serving(estate):
        await eventually(lambda: sizes(estate) == {1} == sizes(estate, "moody", "there"))
        mood.write_text("references raises")
        commit(estate, 2)
        await eventually(lambda: sizes(estate) == {2})
        await eventually(lambda: "ZeroDivisionError" in told(estate))
        assert sizes(estate, "moody", "there") == {1}
        mood.write_text("plan raises")
        words = [sys.executable, "-m", "tests.end_to_end.moody", "plan", "--all", "--repo", estate.url, "--state", str(estate.state)]
        said = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (said.returncode, "web on here" in said.stdout, "moody0" in said.stderr) == (1, True, True), said


async def test_repositories_that_take_long_to_read_hold_up_no_other(estate: Estate, mood: Path, tmp_path: Path) -> None:
    large = [Workplace(tmp_path / f"large{number}") for number in range(3)]  # more than there are threads for what applications need
    for workplace in large:
        declared = documents(target("there", "moody", file="there.world"), application("web", "there"))
        workplace.commit({"trueup.yaml": declared, "web/a.yaml": documents(thing("a"))})
    estate.commit({"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("web", size=1))})
    mood.write_text("references hangs")
    urls = [*(workplace.origin for workplace in large), estate.url]
    with serving_several(estate, "".join(f'[[repositories]]\nurl = "{url}"\npoll = "100ms"\n' for url in urls), "tests.end_to_end.moody"):
        await eventually(lambda: sizes(estate) == {1})
        estate.commit({"web/a.yaml": documents(thing("web", size=2))})
        await eventually(lambda: sizes(estate) == {2})
        mood.unlink()


async def test_an_unreachable_target_is_tried_for_ever_and_ever_more_seldom(estate: Estate, mood: Path) -> None:
    mood.write_text("plan is unreachable")
    commit(estate, 1)
    with serving(estate):
        await eventually(lambda: "attempts=6" in log_of(estate))  # more than the three refusals that the policy has patience for
        times = [line.split()[0] for line in log_of(estate).splitlines() if "unreachable" in line and "attempts=" in line]
        assert len(times) >= 6
        mood.unlink()
        await eventually(lambda: sizes(estate, "moody", "there") == {1})


async def test_what_was_done_before_it_broke_is_told(estate: Estate, mood: Path) -> None:
    mood.write_text("apply is unreachable")
    commit(estate, 1)
    with serving(estate):
        await eventually(lambda: [len(run.outcomes) for run in runs(estate, "moody0")] == [1])
        mood.unlink()
        await eventually(lambda: [(run.state, len(run.outcomes)) for run in runs(estate, "moody0")] == [(RunState.SUCCEEDED, 2)])


def test_a_command_does_not_wait_for_ever_for_a_target_that_does_not_answer(estate: Estate, mood: Path) -> None:
    mood.write_text("plan is unreachable")
    declared = documents(target("there", "moody", file="there.world"), application("moody0", "there", policy={**QUICK, "timeout": "1s"}))
    estate.commit({"trueup.yaml": declared, "moody0/a.yaml": documents(thing("a"))})
    command = [sys.executable, "-m", "tests.end_to_end.moody", "apply", "--repo", estate.url, "--state", str(estate.state)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert (said.returncode, "it is in a mood" in said.stderr) == (1, True), said
