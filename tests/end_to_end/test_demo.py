"""`make demo` shows what it says, and however it is ended, it leaves neither a process nor a file behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.playground import ROOT, running


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo", *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    """What it told up to these words; all of it when they never came."""
    told = ""
    for line in demo.stdout or ():
        told += line
        if words in line:
            break
    return told


def left(folder: Path) -> tuple[list[int], list[Path]]:
    return running(folder), list(folder.iterdir())


@pytest.mark.slow
def test_two_demos_at_once_show_all_of_it_and_leave_nothing(tmp_path: Path) -> None:
    for demo in [start(tmp_path), start(tmp_path)]:
        told, troubles = demo.communicate()
        assert demo.returncode == 0, told + troubles
        assert troubles == ""
        assert "\033" not in told
        for words in ("synced  healthy", "Good evening", "drift", "set by", 'Revert "shop: tidy up" for web', "nothing is left running"):
            assert words in told, words
    assert left(tmp_path) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    demo = start(tmp_path)
    told = read_until(demo, "answered by process")
    assert "answered by process" in told, told + (demo.stderr.read() if demo.stderr else "")
    demo.send_signal(number)
    _, troubles = demo.communicate()
    assert demo.returncode == 130
    assert "interrupted" in troubles
    assert left(tmp_path) == ([], [])


def test_what_stays_goes_when_it_is_interrupted(tmp_path: Path) -> None:
    demo = start(tmp_path, "--stay")
    told = read_until(demo, "Ctrl-C ends it")
    assert "export PATH=" in told, told + (demo.stderr.read() if demo.stderr else "")
    assert running(tmp_path)
    demo.send_signal(signal.SIGINT)
    demo.communicate()
    assert demo.returncode == 0
    assert left(tmp_path) == ([], [])


def test_a_demo_that_cannot_show_what_it_says_fails(tmp_path: Path) -> None:
    nothing = tmp_path / "programs"
    nothing.mkdir()
    (nothing / "git").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (nothing / "git").chmod(0o755)
    folder = tmp_path / "temporary"
    folder.mkdir()

    environment = {**os.environ, "TMPDIR": str(folder), "PATH": f"{nothing}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-m", "scripts.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "git init" in done.stderr
    assert "ended with 1, not with 0" in done.stderr
    assert left(folder) == ([], [])
