"""What a confined command reaches, seen from inside of it."""

import contextlib
import errno
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.components import missing
from trueup.model.errors import SettingsError
from trueup.toolkit import confine_landlock
from trueup.toolkit.confine import Bounds, Confinement
from trueup.toolkit.process import Completed, Ending

SHELL = "/bin/sh"


@pytest.fixture(scope="module")
def confinement() -> Confinement:
    found = Confinement(require=True, bounds=Bounds(deadline=60, output=100_000))
    if found.missing:
        missing(f"commands cannot be confined here: {found.missing}")
    return found


def said(confinement: Confinement, script: str, files: dict[str, bytes] | None = None) -> Completed:
    return confinement.run(SHELL, ["-c", script], files or {})


def test_a_command_sees_its_files_and_nothing_else(confinement: Confinement, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame", encoding="utf-8")
    completed = said(confinement, f"cat below/a; ls {secret} /root /home/* /etc/passwd /proc/self", {"below/a": b"hello\n"})
    assert completed.out == b"hello\n"
    assert completed.err.count(b"No such file") == 5


def test_what_is_made_visible_below_an_empty_folder_is_there(confinement: Confinement, tmp_path: Path) -> None:
    """A Python in somebody's home, or a checkout in a temporary folder."""
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder/inside", "hidden"):
        (tmp_path / name).write_text(f"{name}\n", encoding="utf-8")
    visible = [str(tmp_path / "folder"), str(tmp_path / "file")]
    looks = f"cat {tmp_path}/file {tmp_path}/folder/inside {tmp_path}/hidden"
    script = f"{looks}; echo x > {tmp_path}/folder/new; echo y > /tmp/y && cat /tmp/y"
    completed = confinement.run(SHELL, ["-c", script], {}, visible)
    assert tmp_path.is_relative_to("/tmp")
    assert completed.out == b"file\nfolder/inside\ny\n"
    assert (completed.err.count(b"No such file"), completed.err.count(b"Read-only file system")) == (1, 1)


def test_a_command_has_no_variable_but_three(confinement: Confinement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "open sesame")
    names = {line.partition("=")[0] for line in said(confinement, "exec env").out.decode().splitlines()}
    assert {"PATH", "HOME", "LANG"} <= names <= {"PATH", "HOME", "LANG", "PWD", "OLDPWD"}


def test_a_command_writes_nothing_outside(confinement: Confinement) -> None:
    assert not said(confinement, "touch /usr/trueup-was-here").succeeded
    assert not Path("/usr/trueup-was-here").exists()


def test_a_command_knows_no_other_process(confinement: Confinement) -> None:
    assert not said(confinement, f"kill -0 {os.getpid()}").succeeded
    # unshare's fork is the first of its own world.
    assert said(confinement, "echo $$").out == b"1\n"


def test_a_command_has_no_right_and_nothing_that_is_open(confinement: Confinement) -> None:
    ways = ["mount -t tmpfs none /home", "mount -o remount,rw /", "umount /usr", "chroot /usr true", "unshare --user true"]
    attempts = "; ".join(f"{way} && echo '{way}'" for way in ways)
    completed = said(confinement, f"{attempts}; for each in 3 4 5 6 7 8 9; do (true >&$each) && echo $each; done")
    assert completed.out == b""
    assert completed.err.count(b"Bad file descriptor") == 7


def test_commands_side_by_side_see_only_their_own(confinement: Confinement) -> None:
    def seen(number: int) -> bytes:
        script = f"ls; echo {number} >/tmp/{number}; sleep 0.1; ls /tmp; kill -9 -1; echo $$"
        return said(confinement, script, {f"file-{number}": b""}).out

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(seen, range(16))) == [b"file-%d\n%d\n1\n" % (number, number) for number in range(16)]


def test_a_command_writes_no_more_than_it_may(confinement: Confinement) -> None:
    small = Confinement(require=True, bounds=Bounds(deadline=60, file=1024**2))
    script = "touch /a /work/a; for i in 1 2 3 4; do head -c 900000 /usr/bin/* >/tmp/$i; done; cat /tmp/* | wc -c"
    completed = said(small, script)
    assert completed.err.count(b"Read-only file system") == 2
    assert 0 < int(completed.out.split()[-1]) <= 1024**2


def test_a_command_has_no_more_processes_than_it_may(confinement: Confinement) -> None:
    if any("processes" in each for each in confinement.weaker):
        missing(confinement.weaker[-1])
    few = Confinement(require=True, bounds=Bounds(deadline=60, processes=350))
    completed = said(few, "for i in $(seq 1000); do sleep 20 </work/a & done; echo all", {"a": b""})
    assert b"all" not in completed.out
    assert b"fork" in completed.err.lower()


def test_a_command_has_no_more_memory_than_it_may(confinement: Confinement) -> None:
    small = Confinement(require=True, bounds=Bounds(deadline=60, memory=64 * 1024**2))
    completed = small.run("/bin/bash", ["-c", "a=x; while :; do a=$a$a; done"], {})
    assert completed.ending is Ending.EXITED
    assert b"cannot allocate" in completed.err


@pytest.fixture(params=["namespaces", "landlock"])
def either(request: pytest.FixtureRequest, confinement: Confinement, monkeypatch: pytest.MonkeyPatch) -> Confinement:
    """Confined by namespaces, and on a machine that allows none but has Landlock."""
    if request.param == "namespaces":
        return confinement
    if confine_landlock.version() < confine_landlock.TCP_SINCE:
        missing("this kernel has no Landlock, or one that does not know TCP")
    monkeypatch.setattr("trueup.toolkit.porter.client.BOOT", "")
    return Confinement(bounds=Bounds(deadline=60, output=100_000))


def test_a_command_reads_no_file_of_the_machine(either: Confinement, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame", encoding="utf-8")
    completed = said(either, f"cat a; cat /etc/passwd {secret} {Path.home()}/.gitconfig; ls {tmp_path} /root", {"a": b"hello\n"})
    assert completed.out == b"hello\n"
    assert len(completed.err.splitlines()) == 5


def test_a_command_writes_no_file_of_the_machine(either: Confinement, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("as it was", encoding="utf-8")
    said(either, f"echo gone >{kept}; rm -f {kept}; touch {tmp_path}/new; mkdir {tmp_path}/below; mv {kept} a; ln {kept} a")
    with contextlib.suppress(SettingsError):
        said(either, "true", {f"{'../' * 9}{tmp_path}/new": b""})
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text(encoding="utf-8") == "as it was"


def test_a_command_talks_to_nobody_on_loopback(either: Confinement) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        completed = either.run("/bin/bash", ["-c", f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]} && echo talks"], {})
        assert b"talks" not in completed.out
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_command_signals_no_other_process(either: Confinement) -> None:
    if not either.require and confine_landlock.version() < confine_landlock.SCOPES_SINCE:
        missing("the Landlock of this kernel does not know signals")
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            assert not said(either, f"kill {bystander.pid}").succeeded
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_thread_that_starts_a_confined_command_keeps_no_one_else_from_anything(either: Confinement, tmp_path: Path) -> None:
    said(either, "true")
    (tmp_path / "new").write_text("written", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_a_command_that_never_ends_is_ended(confinement: Confinement) -> None:
    short = Confinement(require=True, bounds=Bounds(deadline=0.5))
    assert said(short, "while :; do :; done").ending is Ending.DEADLINE


def test_a_command_that_never_stops_talking_is_ended(confinement: Confinement) -> None:
    assert said(confinement, "while :; do echo again and again; done").ending is Ending.FLOOD


def test_limits_are_set(confinement: Confinement) -> None:
    assert said(confinement, "ulimit -d; ulimit -c; ulimit -n").out.split() == [b"1048576", b"0", b"1024"]


def test_that_no_more_may_be_opened_now_is_nobodys_fault(confinement: Confinement, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "memfd_create", full)
    for each in (confinement, Confinement()):
        with pytest.raises(SettingsError, match="Too many open files"):
            said(each, "true")
    monkeypatch.undo()
    assert said(confinement, "true").succeeded


def test_a_machine_that_cannot_confine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.toolkit.porter.client.BOOT", "")
    heard: list[tuple[str, ...]] = []
    best = Confinement(told=heard.append)
    assert said(best, "echo hello").out == b"hello\n"
    assert said(best, "echo hello").out == b"hello\n"
    assert heard == [best.missing]
    assert "network" in best.missing[0]
    with pytest.raises(SettingsError, match="cannot be confined"):
        said(Confinement(require=True), "echo hello")
