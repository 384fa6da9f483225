"""One state folder, one serve."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trueup.model.errors import SettingsError
from trueup.store import ServeLock, Serving, this_process

HOLD = """
import sys, time
from pathlib import Path
from trueup.store.lock import ServeLock

lock = ServeLock.acquire(Path(sys.argv[1]), "here:1")
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_serve_is_refused_by_name(state: Path) -> None:
    with ServeLock.acquire(state, "127.0.0.1:8420"), pytest.raises(SettingsError) as caught:
        ServeLock.acquire(state, "127.0.0.1:8421")
    assert caught.value.message == f"another serve (pid {os.getpid()}) already uses {state}"
    assert "--state" in caught.value.hint
    ServeLock.acquire(state).release()


def test_a_live_serve_is_found_and_a_gone_one_is_not(state: Path) -> None:
    assert ServeLock.find(state) is None
    lock = ServeLock.acquire(state, "127.0.0.1:0")
    lock.announce("127.0.0.1:8420")
    me = this_process()
    assert ServeLock.find(state) == Serving(me.pid, me.started, "127.0.0.1:8420")
    assert json.loads((state / "serve.lock").read_text()) == {"pid": me.pid, "started": me.started, "listen": "127.0.0.1:8420"}
    lock.release()
    lock.release()
    assert ServeLock.find(state) is None


def test_the_lock_ends_with_its_process(state: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(state)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        found = ServeLock.find(state)
        assert found
        assert (found.pid, found.listen) == (process.pid, "here:1")
        process.send_signal(signal.SIGKILL)
    assert ServeLock.find(state) is None
    ServeLock.acquire(state).release()


def test_who_only_looks_is_never_in_the_way(state: Path) -> None:
    ServeLock.acquire(state).release()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            ServeLock.find(state)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            ServeLock.acquire(state).release()
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()


def test_what_an_earlier_serve_wrote_is_not_believed_while_a_new_one_starts(state: Path) -> None:
    state.mkdir()
    with (state / "serve.lock").open("w+") as file:
        file.write('{"pid": 999999999, "started": 1, "listen": "old"}' + " " * 200)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = threading.Timer(0.05, ServeLock(file.fileno()).announce, ["new"])
        writer.start()
        found = ServeLock.find(state)
        writer.join()
    assert found
    assert (found.pid, found.listen) == (os.getpid(), "new")


def test_only_the_owner_may_read_the_lock(state: Path) -> None:
    with ServeLock.acquire(state):
        assert (state / "serve.lock").stat().st_mode & 0o777 == 0o600
