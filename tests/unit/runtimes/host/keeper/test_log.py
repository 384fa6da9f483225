"""Logs of bounded size."""

import re
import time
from pathlib import Path

import pytest

from trueup.runtimes.host.keeper.log import LONGEST, RATE, Log


def texts(folder: Path) -> list[str]:
    files = sorted(folder.glob("log*"), key=lambda file: -int(file.suffix[1:] or 0))
    return [line.partition(" ")[2] for file in files for line in file.read_text().splitlines()]


def test_every_line_has_its_time(tmp_path: Path) -> None:
    Log(f"{tmp_path}/log", 4096, 1, []).take(b"hello\nworld\n")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (hello|world)", line) is not None for line in lines] == [True, True]


def test_a_line_is_kept_when_it_is_whole(tmp_path: Path) -> None:
    log = Log(f"{tmp_path}/log", 4096, 1, [])
    assert log.take(b"hel") == []
    assert log.take(b"lo\nrest") == [b"hello"]
    assert log.flush() == [b"rest"]
    assert texts(tmp_path) == ["hello", "rest"]


def test_a_line_without_end_is_broken(tmp_path: Path) -> None:
    log = Log(f"{tmp_path}/log", 1 << 20, 1, [])
    log.take(b"x" * (3 * LONGEST + 1))
    assert [len(text) for text in texts(tmp_path)] == [LONGEST] * 3
    assert len(log.rest) == 1


def test_old_lines_go_when_the_log_is_full(tmp_path: Path) -> None:
    log = Log(f"{tmp_path}/log", 4096, 2, [])
    for number in range(1000):
        log.take(f"line {number}\n".encode())
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log", "log.1", "log.2"]
    assert all(file.stat().st_size <= 4096 for file in files)
    kept = texts(tmp_path)
    assert kept == [f"line {number}" for number in range(1000 - len(kept), 1000)]


def test_without_older_ones_the_log_begins_anew(tmp_path: Path) -> None:
    log = Log(f"{tmp_path}/log", 4096, 0, [])
    for number in range(500):
        log.take(f"line {number}\n".encode())
    assert [file.name for file in tmp_path.iterdir()] == ["log"]
    assert texts(tmp_path)[-1] == "line 499"


def test_a_flood_is_counted_and_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    log = Log(f"{tmp_path}/log", 1 << 30, 1, [])
    lines = RATE // 1025 * 2
    for _ in range(lines):
        log.take(b"x" * 1000 + b"\n")
    kept = len(texts(tmp_path))
    assert RATE // 1025 <= kept <= RATE // 1025 + 2
    now += 1
    log.take(b"again\n")
    assert texts(tmp_path)[-2:] == [f"-- {lines - kept} lines dropped: more than 1 MiB a second, or the disk was full", "again"]


def test_secrets_are_masked_the_longer_ones_first(tmp_path: Path) -> None:
    Log(f"{tmp_path}/log", 4096, 1, ["", "horse", "correct horse"]).take(b"a correct horse, a horse\n")
    assert texts(tmp_path) == ["a (secret), a (secret)"]


def test_a_log_that_cannot_be_written_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    log = Log(f"{tmp_path}/missing/log", 4096, 1, [])
    log.take(b"lost\n")
    (tmp_path / "missing").mkdir()
    log.second -= 1
    log.take(b"kept\n")
    assert [text.partition(":")[0] for text in texts(tmp_path / "missing")] == ["-- 1 lines dropped", "kept"]
