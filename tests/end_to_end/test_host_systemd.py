"""Where systemd is PID 1 the host runtime keeps the same promises: this machine is booted as a container, and its tests run in there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.components import missing, require

CHECKOUT = Path(__file__).parents[2]
TESTS = ("tests/contract/test_host.py", "tests/end_to_end/test_host_runtime.py")
UNIT = """\
[Unit]
DefaultDependencies=no
Wants=dbus.service
After=dbus.service
[Service]
Type=oneshot
WorkingDirectory={checkout}
ExecStart=/bin/sh -c '{command} > {told}/told 2>&1; echo $? > {told}/code'
ExecStopPost=/bin/systemctl --no-block --force poweroff
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """What is written in the container is read out here."""
    return tmp_path


@contextmanager
def copy_of_this_machine(folder: Path) -> Iterator[Path]:
    """Everything that is on this machine, where nothing that is written stays."""
    parts = {name: folder / name for name in ("upper", "work", "root")}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", folder], check=True)
    try:
        for part in parts.values():
            part.mkdir()
        layers = f"lowerdir=/,upperdir={parts['upper']},workdir={parts['work']}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, parts["root"]], check=True)
        try:
            yield parts["root"]
        finally:
            subprocess.run(["umount", "-l", parts["root"]], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_with_systemd_as_pid_1_the_same_promises_are_kept(tmp_path: Path, told: Path) -> None:
    if os.geteuid() != 0:
        missing("booting a container takes root")
    nspawn = require("systemd-nspawn", "systemd-container")
    require("dbus-daemon", "dbus")
    wanted = "TestHost or unit or keeper or trueup_ends or user"
    command = f'{sys.executable} -m pytest -p no:cacheprovider -v {" ".join(TESTS)} -k "{wanted}"'
    (tmp_path / "machine").mkdir()
    with copy_of_this_machine(tmp_path / "machine") as root:
        unit = root / "etc/systemd/system/trueup-test.service"
        unit.write_text(UNIT.format(checkout=CHECKOUT, command=command, told=told))
        arguments = [str(nspawn), "--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit", "--private-network"]
        # What lies below /tmp is not seen in a container, which has a /tmp of its own: the checkout may be there.
        booted = [*arguments, f"--bind={told}", f"--bind={CHECKOUT}", "--", "systemd.unit=trueup-test.service"]
        subprocess.run(booted, stdin=subprocess.DEVNULL, capture_output=True, timeout=240, check=False)
    assert (told / "code").read_text() == "0\n", (told / "told").read_text()
    assert " passed" in (told / "told").read_text()
