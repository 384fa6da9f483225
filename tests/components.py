"""A program's name -> its path, found or installed. What is missing is named; on a build machine it is a failure, never a skip."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest


def require(program: str, package: str) -> Path:
    """The path of a program that a test needs, from PATH or, as root on Debian, from its package.

    A machine that has neither skips the test and names the package; with `CI=true` the test fails instead, so that a green run has
    run everything.
    """
    found = shutil.which(program) or install(program, package)
    if not found:
        missing(f"{program} is missing: install the package {package}")
    return Path(found)


def missing(message: str) -> NoReturn:
    """Skip the test for want of a component; with `CI=true` fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def install(program: str, package: str) -> str | None:
    """The path of the program after its Debian package was installed; None where that cannot be done."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    with Path(tempfile.gettempdir(), "trueup-tests-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes, apt-get in one
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]):
            if found := shutil.which(program):
                return found
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return shutil.which(program)
