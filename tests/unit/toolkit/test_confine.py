"""What a confined command reaches, seen from inside of it."""

import os
from pathlib import Path

import pytest

from tests.components import missing
from trueup.model.errors import SettingsError
from trueup.toolkit.confine import Bounds, Confinement
from trueup.toolkit.process import Completed, Ending

SHELL = "/bin/sh"


@pytest.fixture(scope="module")
def confinement() -> Confinement:
    found = Confinement(require=True, bounds=Bounds(deadline=10, output=100_000))
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


def test_a_command_that_never_ends_is_ended(confinement: Confinement) -> None:
    short = Confinement(require=True, bounds=Bounds(deadline=0.5))
    assert said(short, "while :; do :; done").ending is Ending.DEADLINE


def test_a_command_that_never_stops_talking_is_ended(confinement: Confinement) -> None:
    assert said(confinement, "while :; do echo again and again; done").ending is Ending.FLOOD


def test_limits_are_set(confinement: Confinement) -> None:
    assert said(confinement, "ulimit -d; ulimit -c; ulimit -n").out.split() == [b"1048576", b"0", b"1024"]


def test_a_machine_that_cannot_confine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.toolkit.confine.NAMESPACES", ("false",))
    heard: list[tuple[str, ...]] = []
    best = Confinement(told=heard.append)
    assert said(best, "echo hello").out == b"hello\n"
    assert said(best, "echo hello").out == b"hello\n"
    assert heard == [best.missing]
    assert "network" in best.missing[0]
    with pytest.raises(SettingsError, match="cannot be confined"):
        said(Confinement(require=True), "echo hello")
