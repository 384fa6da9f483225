"""Files that are damaged, full, read-only or too new are told, with what to do next."""

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.unit.store.samples import ESTATE, WEB, declared, files, followed, step
from trueup.model.errors import SettingsError, Unreachable
from trueup.model.memory import Advance, Memory
from trueup.model.run import Trigger
from trueup.store import database as databases
from trueup.store import open_memory
from trueup.store.database import Database
from trueup.store.schema import STEPS, migrate


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_remembered_is_there_after_a_restart(state: Path) -> None:
    first = open_memory(state)
    first.wake([WEB], Trigger.PUSH)
    first.close()
    first.close()
    assert open_memory(state).pending() == [WEB]


def test_nobody_else_may_read_the_state(state: Path) -> None:
    memory = open_memory(state)
    memory.wake([WEB], Trigger.PUSH)
    assert mode(state) == 0o700
    names = {file.name: mode(file) for file in state.iterdir()}
    assert names == {"memory.db": 0o600, "memory.db-wal": 0o600, "memory.db-shm": 0o600}


def test_files_that_others_may_read_are_closed_to_them(state: Path) -> None:
    open_memory(state).close()
    (state / "memory.db").chmod(0o644)
    open_memory(state).close()
    assert mode(state / "memory.db") == 0o600


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError) as caught:
        open_memory(tmp_path / "file" / "state")
    assert caught.value.where == str(tmp_path / "file" / "state")
    assert "--state" in caught.value.hint


@pytest.mark.parametrize("content", [b"this is no database at all, but it is long enough", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_memory_is_told_with_what_is_lost(state: Path, content: bytes) -> None:
    state.mkdir()
    (state / "memory.db").write_bytes(content)
    with pytest.raises(SettingsError, match="the memory is damaged") as caught:
        open_memory(state)
    assert "delete memory.db" in caught.value.hint
    assert "history" in caught.value.hint
    assert (state / "memory.db").read_bytes() == content


def test_damage_in_the_middle_is_told_when_it_is_met(state: Path) -> None:
    memory = open_memory(state)
    memory.advance(Advance(followed=followed(), applications=[(declared(f"app-{number:04}"), files("a")) for number in range(500)]))
    memory.close()
    path = state / "memory.db"
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    with pytest.raises(SettingsError, match="the memory is damaged"):
        open_memory(state).applications(ESTATE)


def test_a_row_that_this_version_cannot_read_is_told(memory: Memory, state: Path) -> None:
    memory.advance(step(declared("web")))
    with sqlite3.connect(state / "memory.db") as connection:
        connection.execute("update application set body = replace(body, 'laptop\"', 'laptop\", \"invented\": 1')")
    with pytest.raises(SettingsError, match="cannot read") as caught:
        memory.declared(ESTATE, "web")
    assert caught.value.hint


def test_a_full_disk_is_told_and_leaves_the_memory_whole(state: Path) -> None:
    database = Database(state.parent / "memory.db")
    migrate(database)
    with database.reading() as transaction:
        (pages,) = transaction.one("pragma page_count")
        transaction.one(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(SettingsError, match="cannot be written") as caught, database.writing() as transaction:
        transaction.change_each(
            "insert into render (digest, manifests, kept_at) values (:digest, :text, 0)",
            ({"digest": str(i), "text": b"x" * 1000} for i in range(100)),
        )
    assert "make room" in caught.value.hint
    with database.writing() as transaction:
        assert transaction.one("select count(*) from render") == (0,)
        transaction.enter_repository(ESTATE)
    with database.reading() as transaction:
        assert transaction.repository(ESTATE) is not None


def test_a_failure_in_the_middle_changes_nothing(state: Path) -> None:
    database = Database(state.parent / "memory.db")
    migrate(database)

    def write_and_fail() -> None:
        with database.writing() as transaction:
            transaction.enter_repository(ESTATE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    with database.reading() as transaction:
        assert transaction.repository(ESTATE) is None


def test_a_memory_that_another_keeps_is_told_as_busy(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_memory(state).close()
    monkeypatch.setattr(databases, "_PRAGMAS", ("pragma busy_timeout = 50",))
    memory = open_memory(state)
    other = sqlite3.connect(state / "memory.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Unreachable, match="another process has kept the memory"):
        memory.wake([WEB], Trigger.PUSH)
    other.execute("rollback")
    memory.wake([WEB], Trigger.PUSH)
    assert memory.pending() == [WEB]


def test_an_opening_waits_for_another_that_is_just_making_the_file(state: Path) -> None:
    state.mkdir()
    other = sqlite3.connect(state / "memory.db", isolation_level=None, check_same_thread=False)
    other.execute("create table unfinished (id integer)")
    other.execute("begin immediate")
    done = threading.Timer(0.1, other.execute, ["rollback"])
    done.start()
    memory = open_memory(state)
    done.join()
    assert memory.pending() == []


def test_a_memory_of_a_newer_version_is_refused_and_left_alone(state: Path) -> None:
    open_memory(state).close()
    with sqlite3.connect(state / "memory.db") as connection:
        connection.execute("update schema_version set version = 99")
    with pytest.raises(SettingsError, match="a newer Trueup wrote the memory") as caught:
        open_memory(state)
    assert "--state" in caught.value.hint
    with sqlite3.connect(state / "memory.db") as connection:
        assert connection.execute("select version from schema_version").fetchall() == [(99,)]


def test_a_step_is_made_once_and_keeps_what_was_there(state: Path) -> None:
    first = open_memory(state)
    first.wake([WEB], Trigger.PUSH)
    first.close()
    database = Database(state / "memory.db")
    steps = (*STEPS, ("alter table queue add column note text not null default 'new'",))
    for _ in range(2):
        migrate(database, steps)
    with database.reading() as transaction:
        assert transaction.all("select application, note from queue") == [("web", "new")]


def test_a_step_that_fails_leaves_the_tables_as_they_were(state: Path) -> None:
    open_memory(state).close()
    database = Database(state / "memory.db")
    with pytest.raises(sqlite3.OperationalError):
        migrate(database, (*STEPS, ("create table half (id integer)", "this is no statement")))
    with database.reading() as transaction:
        assert not transaction.has_table("half")
        assert transaction.one("select version from schema_version") == (len(STEPS),)
