"""What the porter does for its client, and what is left of it."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.components import missing
from trueup.model.errors import SettingsError
from trueup.toolkit.confine import Confinement
from trueup.toolkit.porter.client import Order, Porter
from trueup.toolkit.process import Completed, Ending, Limits

CONFINEMENT = Confinement()


@pytest.fixture
def porter() -> Porter:
    if not CONFINEMENT._isolates:
        missing(f"commands cannot be confined here: {CONFINEMENT.missing}")
    return Porter()


def order(script: str, files: dict[str, bytes] | None = None) -> Order:
    return CONFINEMENT._order("/bin/sh", ["-c", script], files or {})


def said(porter: Porter, given: Order) -> Completed:
    return porter.run(given, Limits())


def test_much_goes_in_and_comes_out(porter: Porter) -> None:
    content = os.urandom(1024**2) * 8
    completed = said(porter, order("cat below/large; cat below/large >&2; exit 3", {"below/large": content}))
    assert completed == Completed(3, content, content, Ending.EXITED)


def test_a_command_that_cannot_be_let_in_says_why(porter: Porter) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        said(porter, replace(order("true"), program="/program/none"))
    with pytest.raises(SettingsError, match="unpack"):
        said(porter, replace(order("true"), binds=[("/usr",)]))  # type: ignore[list-item]
    assert said(porter, order("true")).succeeded


def test_a_command_is_in_its_control_group_from_the_first(porter: Porter, tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    assert said(porter, replace(order("true"), group=str(tmp_path / "cgroup.procs"))).succeeded
    assert (tmp_path / "cgroup.procs").read_text(encoding="ascii") == "0"


def test_when_the_porter_is_killed_its_command_is_too_and_another_takes_its_place(porter: Porter) -> None:
    assert said(porter, order("true")).succeeded
    first = porter._process
    assert first
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(said, porter, order("sleep 60 & sleep 60"))
        while not _commands(first.pid) & {"sh", "sleep"}:
            pass
        first.kill()
        # Both pipes are closed only once nobody is left who could write to them.
        with pytest.raises(SettingsError, match="has ended"):
            waiting.result(30)
    assert said(porter, order("true")).succeeded
    assert porter._process is not first


@pytest.mark.usefixtures("porter")
def test_the_porter_ends_with_who_asked_for_it() -> None:
    own = Porter()
    assert said(own, order("true")).succeeded
    process = own._process
    assert process
    del own
    gc.collect()
    assert process.returncode == 0


def _commands(parent: int) -> set[str]:
    """What the children of a process are by now."""
    stats = [text.rpartition(")") for text in map(_stat, Path("/proc").iterdir()) if text]
    return {head.partition("(")[2] for head, _, tail in stats if tail.split()[1] == str(parent)}


def _stat(process: Path) -> str:
    try:
        return (process / "stat").read_text(encoding="utf-8") if process.name.isdigit() else ""
    except OSError:
        return ""
