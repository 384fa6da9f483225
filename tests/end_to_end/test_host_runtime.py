"""The host runtime with real processes: what is kept, what is healed, and every fault that we could think of."""

import asyncio
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.crashing import estate
from tests.end_to_end.machine import Machine, directory, environment_of, eventually, file, job, rewrite, service
from trueup.model.contracts import Lost, Moved
from trueup.model.health import State
from trueup.model.manifest import Body, Key
from trueup.model.plan import Effect, Verb
from trueup.runtimes.host.keeper.process import lives, process

FOREVER = ["sleep", "1000"]


@pytest.fixture(autouse=True)
def cleared(tmp_path: Path) -> Iterator[None]:
    """Nothing that a test started outlives it."""
    yield
    Machine.clear(tmp_path)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path)
    yield await machine.open()
    await machine.runtime.close()


def free_port() -> int:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return int(finder.getsockname()[1])


def web(port: int, **spec: object) -> Body:
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    readiness = {"http": f"http://127.0.0.1:{port}/", "interval": "100ms", "timeout": "5s"}
    return service("web", command, **{"readiness": readiness, **spec})


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


async def test_a_service_runs_on_when_trueup_ends(machine: Machine) -> None:
    await machine.apply(service("web", FOREVER))
    pid = machine.pid("web")
    await machine.runtime.close()
    again = await Machine(machine.folder).open()
    assert (await again.plan(service("web", FOREVER))).empty
    assert again.pid("web") == pid
    found = process(pid)
    assert found is not None
    keeper = process(found.parent)
    assert keeper is not None
    assert keeper.session == keeper.pid
    assert keeper.parent != os.getpid()


@pytest.mark.skipif(not Path("/run/systemd/system").is_dir(), reason="systemd is not PID 1 here: test_host_systemd.py boots one")
async def test_a_service_outlives_the_unit_that_trueup_runs_in(tmp_path: Path) -> None:
    code = f"""
        import asyncio, pathlib
        from tests.end_to_end.machine import Machine, service
        async def walk():
            machine = await Machine(pathlib.Path("{tmp_path}")).open()
            await machine.apply(service("web", {FOREVER}))
        asyncio.run(walk())
    """
    folder = Path(__file__).parents[2]
    unit = ["systemd-run", "--quiet", "--wait", "--collect", f"--working-directory={folder}", f"--setenv=PYTHONPATH={folder}"]
    subprocess.run([*unit, *python(code)], check=True)
    machine = await Machine(tmp_path).open()
    assert process(machine.pid("web")) is not None
    assert "trueup-" in Path(f"/proc/{machine.pid('web')}/cgroup").read_text()
    assert (await machine.plan(service("web", FOREVER))).empty


async def test_only_a_change_of_it_or_of_what_it_uses_restarts_a_service(machine: Machine) -> None:
    used, unused = file("used", content="1"), file("unused", content="1")
    bodies = [used, unused, service("web", FOREVER, uses=["File/used"]), service("worker", FOREVER, uses=["File/unused"])]
    await machine.apply(*bodies)
    web, worker = machine.pid("web"), machine.pid("worker")
    bodies[0] = file("used", content="2")
    plan = await machine.plan(*bodies)
    assert {action.key: action.effect for action in plan.changes} == {
        Key("File", "used"): Effect.NONE,
        Key("Service", "web"): Effect.RESTART,
    }
    await machine.apply(*bodies)
    await machine.until(State.HEALTHY, "Service", "web")
    assert machine.pid("web") != web
    assert machine.pid("worker") == worker
    assert process(web) is None


async def test_a_service_that_reloads_is_signalled_and_runs_on(machine: Machine) -> None:
    code = """
        import signal, time
        signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
        print("started", flush=True)
        while True: time.sleep(1)
    """
    uses = [{"object": "File/settings", "onChange": "reload"}]
    web = service("web", python(code), uses=uses, readiness={"logLine": "^started", "interval": "50ms"})
    await machine.apply(file("settings", content="1"), web)
    await machine.until(State.HEALTHY, "Service", "web")
    pid = machine.pid("web")
    plan = await machine.plan(file("settings", content="2"), web)
    assert plan.changes[1].effect is Effect.SIGNAL
    await machine.apply(file("settings", content="2"), web)
    await machine.until(State.HEALTHY, "Service", "web")
    assert machine.pid("web") == pid
    deadline = time.monotonic() + 10
    while (reloads := (await machine.log("web")).count("reloaded")) == 0 and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert reloads == 1
    assert (await machine.plan(file("settings", content="2"), web)).empty


async def test_a_service_that_never_becomes_ready_is_degraded_with_its_last_words(machine: Machine) -> None:
    port = free_port()
    readiness = {"http": f"http://127.0.0.1:{port}/", "interval": "50ms", "timeout": "1s"}
    command = ["sh", "-c", "echo waiting for the moon; exec sleep 1000"]
    await machine.apply(service("web", command, readiness=readiness))
    assert (await machine.health("Service", "web")).state is State.PROGRESSING
    health = await machine.until(State.DEGRADED, "Service", "web")
    assert health.message == f"not ready after 1s: connection refused on 127.0.0.1:{port}; its last words: waiting for the moon"


async def test_a_service_that_exits_at_once_is_degraded_and_started_again_all_the_same(machine: Machine) -> None:
    await machine.apply(service("web", ["sh", "-c", "echo no database; exit 7"], readiness={"logLine": "ready"}))
    health = await machine.until(State.DEGRADED, "Service", "web")
    assert health.message.startswith("exited with code 7 (3 times); its last words: no database")
    restarts = machine.instance("web").restarts
    await eventually(lambda: machine.instance("web").restarts > restarts)
    assert (await machine.plan(service("web", ["sh", "-c", "echo no database; exit 7"], readiness={"logLine": "ready"}))).empty


async def test_a_port_that_another_process_holds_is_told_with_its_pid(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        await machine.apply(web(port))
        health = await machine.until(State.DEGRADED, "Service", "web")
        assert health.message.startswith(f"port {port} is held by PID {os.getpid()} (")
    await machine.until(State.HEALTHY, "Service", "web")


async def test_the_answer_of_another_process_makes_nothing_ready(machine: Machine) -> None:
    port = free_port()
    with subprocess.Popen(web(port)["spec"]["command"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=machine.folder) as other:
        try:
            await eventually(lambda: _answers(port))
            readiness = {"http": f"http://127.0.0.1:{port}/", "interval": "50ms", "timeout": "1s"}
            await machine.apply(service("web", FOREVER, readiness=readiness))
            health = await machine.until(State.DEGRADED, "Service", "web")
            assert f"port {port} is held by PID {other.pid} (python" in health.message
        finally:
            other.kill()


async def test_a_command_that_is_not_there_leaves_the_version_before_alone(machine: Machine) -> None:
    await machine.apply(service("web", FOREVER))
    pid = machine.pid("web")
    for command, message in ((["./server"], "command not found: ./server"), (["no-such-program"], "command not found: no-such-program")):
        outcomes = await machine.apply(service("web", command))
        assert [(outcome.state, outcome.message.startswith(message)) for outcome in outcomes] == [("failed", True)]
    (machine.home / "server").write_text("#!/bin/sh\n")
    assert "not executable: ./server" in (await machine.apply(service("web", ["./server"])))[0].message
    assert machine.pid("web") == pid
    assert (await machine.apply(service("web", ["sleep", "2000"])))[0].state == "done"


async def test_a_service_that_ignores_the_stop_signal_is_killed_with_its_children(machine: Machine) -> None:
    mark = f"deaf-{os.getpid()}"
    code = f"""
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time, os; os.setsid(); time.sleep(1000)", "{mark}"])
        print("up", flush=True)
        time.sleep(1000)
    """
    stubborn = service("web", [*python(code), mark], readiness={"logLine": "^up"}, stop={"timeout": "500ms"})
    await machine.apply(stubborn)
    await machine.until(State.HEALTHY, "Service", "web")
    assert len(machine.running(mark)) == 2
    began = time.monotonic()
    assert [outcome.state for outcome in await machine.remove()] == ["done"]
    assert machine.running(mark) == []
    assert time.monotonic() - began >= 0.5


async def test_a_flood_of_output_is_bounded_and_stops_nothing(machine: Machine) -> None:
    flood = service(
        "web", ["sh", "-c", "echo first; yes to a very long and useless line of a log; true"], log={"size": "256KiB", "keep": 1}
    )
    await machine.apply(flood)
    await machine.until(State.HEALTHY, "Service", "web")
    await asyncio.sleep(1.5)
    size = sum(each.stat().st_size for each in machine.keepers("web").folder.glob("*/log*"))
    assert size <= 2 * 256 * 1024
    began = time.monotonic()
    await machine.remove()
    assert time.monotonic() - began < 3


async def test_a_killed_service_is_started_again_at_once_and_health_tells(machine: Machine) -> None:
    await machine.apply(service("web", FOREVER))
    await machine.until(State.HEALTHY, "Service", "web")
    pid = machine.pid("web")
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: machine.instance("web").restarts == 1 and machine.instance("web").phase == "running")
    health = await machine.until(State.HEALTHY, "Service", "web")
    assert health.message == "restarted once, last: was killed by SIGKILL"
    assert machine.pid("web") != pid
    assert (await machine.plan(service("web", FOREVER))).empty


async def test_a_killed_keeper_is_seen_and_replaced_without_a_second_copy(machine: Machine) -> None:
    mark = f"kept-{os.getpid()}"
    web = service("web", ["sh", "-c", "sleep 1000 & wait", mark])
    await machine.apply(web)
    await machine.until(State.HEALTHY, "Service", "web")
    before = machine.instance("web")
    async with machine.listening() as told:
        await asyncio.sleep(0.3)
        told.clear()
        os.kill(before.keeper.pid, signal.SIGKILL)
        await eventually(lambda: told == [Moved(machine.owner, Key("Service", "web"))])
    assert machine.running(mark) != []
    health = await machine.health("Service", "web")
    assert (health.state, health.message) == (State.DEGRADED, "its keeper died")
    plan = await machine.plan(web)
    assert [(action.verb, action.effect, action.reason) for action in plan.changes] == [(Verb.UPDATE, Effect.RESTART, "its keeper died")]
    await machine.apply(web)
    await machine.until(State.HEALTHY, "Service", "web")
    assert len(machine.running(mark)) == 1
    assert machine.instance("web").token != before.token


async def test_a_service_whose_files_of_state_were_lost_is_not_started_twice(machine: Machine) -> None:
    mark = f"lost-{os.getpid()}"
    web = service("web", ["sh", "-c", "sleep 1000 & wait", mark])
    await machine.apply(web)
    for each in machine.keepers("web").folder.glob("*/state.json"):
        each.unlink()
    await machine.apply(web)
    await machine.until(State.HEALTHY, "Service", "web")
    assert len(machine.running(mark)) == 1


async def test_after_a_reboot_services_are_started_again(machine: Machine) -> None:
    await machine.apply(service("web", FOREVER))
    await machine.keepers("web").clear()
    rewrite(machine.instance("web"), boot="another", phase="running", stopped=False)
    plan = await machine.plan(service("web", FOREVER))
    assert [(action.verb, action.reason) for action in plan.changes] == [(Verb.UPDATE, "the machine was restarted")]
    await machine.apply(service("web", FOREVER))
    await machine.until(State.HEALTHY, "Service", "web")


async def test_a_job_runs_once_per_content(machine: Machine) -> None:
    migrate = job("migrate", ["sh", "-c", "echo ran >> ledger"])
    for _ in range(3):
        await machine.apply(migrate)
        await machine.until(State.HEALTHY, "Job", "migrate")
    assert (machine.home / "ledger").read_text() == "ran\n"
    await machine.apply(job("migrate", ["sh", "-c", "echo again >> ledger"]))
    await machine.until(State.HEALTHY, "Job", "migrate")
    assert (machine.home / "ledger").read_text() == "ran\nagain\n"


async def test_a_failed_job_is_degraded_and_not_run_again(machine: Machine) -> None:
    failing = job("migrate", ["sh", "-c", "echo ran >> ledger; echo no such table; exit 3"])
    await machine.apply(failing)
    health = await machine.until(State.DEGRADED, "Job", "migrate")
    assert health.message == "exited with code 3; its last words: no such table"
    assert (await machine.plan(failing)).empty
    await machine.apply(failing)
    assert (machine.home / "ledger").read_text() == "ran\n"


async def test_a_job_that_takes_too_long_is_stopped(machine: Machine) -> None:
    await machine.apply(job("migrate", FOREVER, timeout="300ms", stop={"timeout": "1s"}))
    health = await machine.until(State.DEGRADED, "Job", "migrate")
    assert health.message == "timed out after 0.3s"
    await eventually(lambda: process(machine.instance("migrate", "Job").keeper.pid) is None)


@pytest.mark.parametrize("retry", [False, True])
async def test_a_job_that_nobody_saw_end_is_never_run_again_silently(machine: Machine, retry: bool) -> None:
    migrate = job("migrate", ["sh", "-c", "echo ran >> ledger; exec sleep 1000"], retryUnknown=retry)
    await machine.apply(migrate)
    await eventually((machine.home / "ledger").exists)
    instance = machine.instance("migrate", "Job")
    os.kill(instance.keeper.pid, signal.SIGKILL)
    await eventually(lambda: not instance.keeper.lives)
    assert (await machine.health("Job", "migrate")).message == "running without its keeper"
    assert instance.process is not None
    os.kill(instance.process.pid, signal.SIGKILL)
    await eventually(lambda: not lives(instance.process.pid, instance.process.start) if instance.process else True)
    health = await machine.health("Job", "migrate")
    assert health.state is State.DEGRADED
    assert health.message.startswith("outcome unknown")
    assert (await machine.plan(migrate)).empty is not retry
    await machine.apply(migrate)
    await asyncio.sleep(0.3)
    assert (machine.home / "ledger").read_text() == "ran\n" * (2 if retry else 1)


async def test_a_service_waits_for_the_job_that_it_uses(machine: Machine) -> None:
    good = [job("migrate", ["sh", "-c", "sleep 0.5; echo done > ledger"]), service("web", ["sh", "-c", "cat ledger; exec sleep 1000"])]
    good[1]["spec"]["uses"] = ["Job/migrate"]
    assert {outcome.state for outcome in await machine.apply(*good)} == {"done"}
    await machine.until(State.HEALTHY, "Service", "web")
    pid = machine.pid("web")
    assert "done" in await machine.log("web")
    bad = [job("migrate", ["sh", "-c", "exit 1"]), good[1]]
    outcomes = {outcome.key.kind: outcome for outcome in await machine.apply(*bad)}
    assert outcomes["Service"].state == "failed"
    assert outcomes["Service"].message.startswith("Job/migrate did not end well: exited with code 1")
    assert machine.pid("web") == pid


async def test_the_old_version_runs_until_the_new_one_is_ready(machine: Machine) -> None:
    def version(text: str, seconds: float) -> Body:
        readiness = {"logLine": "^ready", "timeout": "2s"}
        return service("web", ["sh", "-c", f"sleep {seconds}; echo ready; exec sleep 1000", text], update="startFirst", readiness=readiness)

    await machine.apply(version("one", 0))
    await machine.until(State.HEALTHY, "Service", "web")
    one = machine.pid("web")
    await machine.apply(version("two", 1))
    assert process(one) is not None
    assert (await machine.health("Service", "web")).state is State.PROGRESSING
    assert (await machine.plan(version("two", 1))).empty
    await machine.until(State.HEALTHY, "Service", "web")
    assert process(one) is None
    two = machine.pid("web")
    await machine.apply(version("three", 600))
    await machine.until(State.DEGRADED, "Service", "web")
    assert process(two) is not None
    await machine.apply(version("two", 1))
    await machine.until(State.HEALTHY, "Service", "web")
    assert machine.running("three") == []
    assert process(two) is not None


async def test_a_port_of_its_own_lets_two_versions_run_side_by_side(machine: Machine) -> None:
    def version(number: int) -> Body:
        command = ["sh", "-c", f'exec {sys.executable} -m http.server "$PORT" --bind 127.0.0.1', str(number)]
        readiness = {"http": "http://127.0.0.1:$PORT/", "interval": "50ms"}
        return service("web", command, update="startFirst", port="auto", readiness=readiness)

    await machine.apply(version(1))
    await machine.until(State.HEALTHY, "Service", "web")
    first = machine.instance("web").port
    await machine.apply(version(2))
    await machine.until(State.HEALTHY, "Service", "web")
    assert machine.instance("web").port != first
    assert _answers(machine.instance("web").port)
    assert not _answers(first)


async def test_secrets_are_in_no_command_line_no_log_and_no_file_but_their_own(machine: Machine) -> None:
    web = service("web", ["sh", "-c", 'echo "I was given $PASSWORD"; exec sleep 1000'], environment={"PASSWORD": {"secret": "password"}})
    os.environ["TRUEUP_SOMETHING"] = "ours"
    try:
        await machine.apply(web)
    finally:
        del os.environ["TRUEUP_SOMETHING"]
    await machine.until(State.HEALTHY, "Service", "web")
    await eventually(lambda: "I was given" in (Path(machine.instance("web").folder) / "log").read_text())
    keeper = machine.instance("web").keeper.pid
    assert "value-of-password" not in environment_of(keeper) + Path(f"/proc/{keeper}/cmdline").read_text()
    assert "PASSWORD=value-of-password" in environment_of(machine.pid("web"))
    assert "TRUEUP_SOMETHING" not in environment_of(machine.pid("web"))
    assert "I was given (secret)" in await machine.log("web")
    assert [each for each in machine.root.rglob("*") if each.is_file() and b"value-of-password" in each.read_bytes()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run something as another user")
async def test_a_service_runs_as_the_user_that_it_names() -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = await Machine(Path(folder)).open()
        try:
            await _run_as_nobody(machine)
        finally:
            await asyncio.to_thread(Machine.clear, machine.folder)


async def _run_as_nobody(machine: Machine) -> None:
    mark = f"user-{os.getpid()}"
    web = service("web", ["sh", "-c", "id -un; echo $HOME; sleep 1000 & wait", mark], user="nobody", readiness={"logLine": "^/"})
    await machine.apply(web)
    health = await machine.until(State.DEGRADED, "Service", "web")
    assert health.message.startswith("its user may not enter the working directory: Permission denied")
    machine.folder.chmod(0o755)
    await machine.until(State.HEALTHY, "Service", "web")
    status = Path(f"/proc/{machine.pid('web')}/status").read_text()
    uid, groups = (next(line.split()[1:] for line in status.splitlines() if line.startswith(name)) for name in ("Uid:", "Groups:"))
    assert uid == ["65534"] * 4
    assert "0" not in groups
    assert "nobody" in await machine.log("web")
    outcomes = await machine.apply(service("web", ["sleep", "1"], user="no-such-user"))
    assert outcomes[0].message.startswith("Service/web: there is no user `no-such-user` on this host")
    assert len(machine.running(mark)) == 1
    await machine.remove()
    assert machine.running(mark) == []


async def test_a_link_that_somebody_planted_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    machine.home.mkdir(parents=True)
    (machine.home / "conf").symlink_to(outside)
    outcome = (await machine.apply(file("a", content="x"), file("b", path="ok", content="y")))[0]
    assert outcome.state == "done"
    with pytest.raises(Exception, match="not a folder but a link"):
        await machine.apply(file("a", path="conf/app.ini", content="x"))
    assert list(outside.iterdir()) == []
    (machine.home / "ok").unlink()
    (outside / "target").write_text("theirs")
    (machine.home / "ok").symlink_to(outside / "target")
    plan = await machine.plan(file("b", path="ok", content="y"))
    assert plan.changes[0].verb is Verb.UPDATE
    await machine.apply(file("b", path="ok", content="y"))
    assert (outside / "target").read_text() == "theirs"
    assert (machine.home / "ok").read_text() == "y"
    assert not (machine.home / "ok").is_symlink()


async def test_a_directory_is_exchanged_as_a_whole_and_keeps_what_is_not_ours(tmp_path: Path) -> None:
    machine = await Machine(tmp_path, {"site/index.html": b"one", "site/old.html": b"old", "site/css/a.css": b"a"}).open()
    site = directory("site", keep=["uploads/**"])
    await machine.apply(site)
    (machine.home / "site/uploads").mkdir()
    (machine.home / "site/uploads/cat.jpg").write_text("meow")
    (machine.home / "site/planted.php").write_text("evil")
    plan = await machine.plan(site)
    assert [[change.path for change in action.changes] for action in plan.changes] == [['files["planted.php"]']]
    machine.tree = machine.tree.changed("site/index.html", b"two").changed("site/old.html", None)
    kept_open = (machine.home / "site/uploads/cat.jpg").open("a")
    await machine.apply(site)
    kept_open.write(" meow")
    kept_open.close()
    there = {
        str(each.relative_to(machine.home / "site")): each.read_text() for each in (machine.home / "site").rglob("*") if each.is_file()
    }
    assert there == {"index.html": "two", "css/a.css": "a", "uploads/cat.jpg": "meow meow"}
    assert (await machine.plan(site)).empty
    await machine.remove()
    assert (machine.home / "site/uploads/cat.jpg").exists()
    assert not (machine.home / "site/index.html").exists()


async def test_a_reader_never_misses_a_directory_while_it_is_exchanged(tmp_path: Path) -> None:
    machine = await Machine(tmp_path, {"site/index.html": b"0"}).open()
    await machine.apply(directory("site"))
    seen: set[str] = set()
    reading = True

    def read() -> None:
        while reading:
            seen.add((machine.home / "site/index.html").read_text())

    reader = asyncio.create_task(asyncio.to_thread(read))
    for number in range(1, 15):
        machine.tree = machine.tree.changed("site/index.html", str(number).encode())
        await machine.apply(directory("site"))
    await eventually(lambda: reader.done() or "14" in seen)
    reading = False
    await reader
    assert "0" in seen


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
async def test_a_full_disk_is_told_and_finished_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        machine = await Machine(tmp_path).open()
        await machine.apply(file("small", content="one"), service("web", FOREVER))
        pid = machine.pid("web")
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(b"x" * 1_048_576)
        bodies = [file("small", content="two"), file("large", content="x" * 100_000), service("web", FOREVER)]
        outcomes = await machine.apply(*bodies)
        assert {outcome.state for outcome in outcomes} == {"failed"}
        assert all(outcome.message.startswith("No space left on device") for outcome in outcomes)
        assert (machine.home / "small").read_text() == "one"
        assert machine.pid("web") == pid
        ballast.unlink()
        assert {outcome.state for outcome in await machine.apply(*bodies)} == {"done"}
        assert (machine.home / "large").stat().st_size == 100_000
        assert (await machine.plan(*bodies)).empty
        await machine.remove()
    finally:
        await asyncio.to_thread(Machine.clear, tmp_path)
        subprocess.run(["umount", "-l", disk], check=True)


async def test_an_edited_file_is_told(machine: Machine) -> None:
    await machine.apply(file("settings", path="conf/app.ini", content="a"))
    settings = machine.home / "conf/app.ini"
    hands: list[Callable[[], object]] = [
        lambda: settings.write_text("b"),
        lambda: settings.chmod(0o600),
        settings.unlink,
        lambda: settings.write_text("c"),
        lambda: settings.parent.rename(machine.home / "away"),
    ]
    async with machine.listening() as told:
        for hand in hands:
            await asyncio.sleep(0.3)
            told.clear()
            hand()
            await eventually(lambda: told)
            assert {str(moved.key) for moved in told if isinstance(moved, Moved)} == {"File/settings"}


async def test_a_file_that_was_changed_by_hand_is_drift_and_no_illness_of_its_version(machine: Machine) -> None:
    await machine.apply(file("settings", content="a"))
    (machine.home / "settings").write_text("b")
    health = await machine.health("File", "settings")
    assert health.state is State.HEALTHY
    assert health.message.endswith("was changed since it was applied")
    plan = await machine.plan(file("settings", content="a"))
    assert [(action.verb, action.reason) for action in plan.changes] == [(Verb.UPDATE, "it was changed at the target")]
    (machine.home / "settings").unlink()
    assert (await machine.health("File", "settings")).state is State.MISSING


async def test_a_watch_that_begins_says_that_it_saw_nothing_of_what_was_before(machine: Machine) -> None:
    await machine.apply(file("settings", content="a"))
    async with machine.listening() as told:
        await eventually(lambda: told)
        await asyncio.sleep(0.3)
    assert told == [Lost("what happened before the watch began was not seen")]


async def test_a_watch_that_began_before_anything_was_there_tells_all_the_same(machine: Machine) -> None:
    async with machine.listening() as told:
        await asyncio.sleep(0.3)
        assert told == []
        await machine.apply(file("settings", path="conf/app.ini", content="a"), service("web", FOREVER))
        await machine.until(State.HEALTHY, "Service", "web")
        await asyncio.sleep(0.3)
        for hand, key in (
            (lambda: (machine.home / "conf/app.ini").write_text("b"), "File/settings"),
            (lambda: os.kill(machine.pid("web"), signal.SIGKILL), "Service/web"),
        ):
            told.clear()
            hand()
            await eventually(lambda: told)
            assert {str(moved.key) for moved in told if isinstance(moved, Moved)} == {key}
            await asyncio.sleep(1)


async def test_where_the_kernel_cannot_watch_more_it_is_told_and_looked_at(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    machine.tree = machine.tree.changed("site/index.html", b"1")
    bodies = [file("settings", content="a"), directory("site"), service("web", FOREVER)]
    await machine.apply(*bodies)
    await machine.until(State.HEALTHY, "Service", "web")
    monkeypatch.setattr("trueup.runtimes.host.inotify.Inotify.add", refuse)
    async with machine.listening() as told:
        await eventually(lambda: told)
        assert isinstance(told[0], Lost)
        assert told[0].reason.startswith("the kernel cannot watch more")
        await asyncio.sleep(0.3)
        told.clear()
        await asyncio.sleep(2.5)
        assert told == []
        (machine.home / "settings").write_text("b")
        (machine.home / "site/index.html").chmod(0o600)
        os.kill(machine.instance("web").keeper.pid, signal.SIGKILL)
        await eventually(lambda: len(told) == 3)
        assert {str(moved.key) for moved in told if isinstance(moved, Moved)} == {"File/settings", "Directory/site", "Service/web"}


@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_any_moment_the_next_walk_finishes_with_one_of_each(tmp_path: Path, seed: int) -> None:
    """Trueup is killed again and again while it walks from one version to the next; nothing runs twice, and no job is lost or repeated."""
    chance = random.Random(seed)
    mark = f"crash-{os.getpid()}-{seed}"
    machine = await Machine(tmp_path, {"site/a": b"1"}).open()
    for number in range(1, 5):
        arguments = [sys.executable, "-m", "tests.end_to_end.crashing", str(tmp_path), mark, str(number)]
        with subprocess.Popen(arguments, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as walk:
            assert walk.stdout is not None
            assert walk.stdout.readline() == b"walks\n"
            await asyncio.sleep(chance.random() * 0.2)
            walk.kill()
    machine.tree, bodies = estate(mark, 5)
    # What the last one left behind may still be starting or stopping when this one looks: then it walks again.
    while failed := [outcome for outcome in await machine.apply(*bodies) if outcome.state != "done"]:
        assert all(outcome.outdated for outcome in failed), failed
    await machine.until(State.HEALTHY, "Service", "web")
    await machine.until(State.HEALTHY, "Job", "migrate")
    assert (await machine.plan(*bodies)).empty
    assert len(machine.running(f"{mark}-web")) == 1
    ledger = (machine.home / "ledger").read_text().split()
    assert ledger == sorted(set(ledger))
    assert ledger[-1] == "5"
    assert {each.name for each in machine.home.rglob("*")} == {"site", "a", "settings", "ledger"}
    await machine.remove()
    assert await machine.runtime.owned() == []
    assert machine.running(mark) == []


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
