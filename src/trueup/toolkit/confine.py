"""Files and a command -> what the command says, run where it can reach nothing else.

The command sees a file system that holds these files, itself and the system's programs and libraries, and nothing more; no network, no
process but its own, an environment of ``PATH``, ``HOME`` and ``LANG``, and limits on memory, time, files and output. What this machine
cannot give is told in ``Confinement.missing``, and ``require`` decides whether that is an error; what it gives in a weaker way is told in
``Confinement.weaker``. Where namespaces are not allowed, Landlock keeps a command from files and TCP all the same, if the kernel has it.
"""

import asyncio
import os
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from trueup.model.errors import SettingsError
from trueup.toolkit import confine_cgroup, confine_landlock
from trueup.toolkit.porter.client import Order, Porter
from trueup.toolkit.process import Completed, Limits, run

WORK: Final = "work"
"""The folder in which the files lie and the command runs."""

SYSTEM: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "nix")
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# Root's processes are counted by no limit of its own, only by the numbers that its namespace has to give.
COUNTED_SINCE: Final = (6, 14)
JOIN: Final = ("sh", "-c", 'echo 0 > "$1" && shift && exec "$@"; exit 125', "sh")
_LIMITS: Final = {
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "cpu": resource.RLIMIT_CPU,
    "nproc": resource.RLIMIT_NPROC,
    "nofile": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """``memory``: bytes of data (a program in Go reserves far more addresses than it uses, so it is not the address space that counts).
    ``file``: bytes of one file. ``output``: bytes of what is said. ``deadline`` and ``cpu``: seconds.
    ``processes``: of the command and all that it starts together, threads included."""

    memory: int = 1024**3
    file: int = 64 * 1024**2
    output: int = 64 * 1024**2
    deadline: float = 60.0
    cpu: int = 60
    processes: int = 512
    open_files: int = 1024

    @property
    def limits(self) -> dict[int, int]:
        """These limits as ``resource`` names them, none above what this process may itself."""
        values = (self.memory, self.file, self.cpu, self.processes, self.open_files, 0)
        return {limit: _within(limit, value) for limit, value in zip(_LIMITS.values(), values, strict=True)}

    @property
    def command(self) -> tuple[str, ...]:
        """``prlimit`` with them."""
        return ("prlimit", *(f"--{name}={value}" for name, value in zip(_LIMITS, self.limits.values(), strict=True)))


def _within(limit: int, value: int) -> int:
    _, hard = resource.getrlimit(limit)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


class Confinement:
    """How commands are confined on this machine. ``told`` hears, once, what is missing when a command runs all the same."""

    def __init__(
        self, require: bool = False, bounds: Bounds = Bounds(), told: Callable[[tuple[str, ...]], None] = lambda missing: None
    ) -> None:
        self.require = require
        self.bounds = bounds
        self._told = told
        self._porter = Porter()

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What this machine cannot give, for people; found out by trying, once."""
        found = []
        if not self._isolates:
            if not shutil.which("prlimit", path=SYSTEM_PATH):
                found.append("limits of memory, time and files (prlimit of util-linux is not installed)")
            known = confine_landlock.version()
            kept = (
                f"; Landlock keeps them from files{' and TCP' if known >= confine_landlock.TCP_SINCE else ''} all the same" if known else ""
            )
            found.append(f"a file system and network of their own (user namespaces are not allowed here{kept})")
        if found and not self.require:
            self._told(tuple(found))
        return tuple(found)

    @cached_property
    def weaker(self) -> tuple[str, ...]:
        """What this machine gives in a weaker way, for people."""
        found = []
        if self._group is None:
            found.append("memory is limited for each process, not for all of a render together (no control group was delegated to us)")
        if not self._group and os.geteuid() == 0 and self._isolates and not self._counts:
            found.append("the number of processes is not limited, for root has no such limit: run Trueup as a user of its own")
        if not confine_landlock.version():
            found.append("there is no second wall behind the namespaces (the kernel has no Landlock)")
        return tuple(found)

    @cached_property
    def _group(self) -> Path | None:
        return confine_cgroup.parent()

    @cached_property
    def _isolates(self) -> bool:
        return sys.platform == "linux" and self._lets_in(self._order("/bin/sh", ["-c", "exit 0"], {}))

    @property
    def _needs_count(self) -> bool:
        return os.geteuid() == 0 and self._group is None and _kernel() >= COUNTED_SINCE

    @cached_property
    def _counts(self) -> bool:
        if _kernel() < COUNTED_SINCE:
            return False
        order = self._order("/bin/sh", ["-c", "exit 0"], {})
        return self._lets_in(replace(order, processes=self.bounds.processes, must_count=True))

    def _lets_in(self, order: Order) -> bool:
        try:
            return self._porter.run(order, Limits(deadline=self.bounds.deadline)).succeeded
        except SettingsError:
            return False

    def run(self, program: str, arguments: Sequence[str], files: Mapping[str, bytes], visible: Sequence[str] = ()) -> Completed:
        """Run the command among the files (paths relative to its folder). Blocks.

        ``visible`` are more files and folders of the machine that the command sees, read-only, at their own place.
        Raises SettingsError when the program cannot be started, and when confinement is required and this machine cannot give it.
        """
        try:
            return self._run(program, arguments, files, visible)
        except OSError as error:
            # It is no fault of what renders, nor for long.
            hint = "see how many processes and open files this machine allows, and how much room there is"
            raise SettingsError(f"{program} cannot be run now: {error.strerror}", hint=hint) from error

    def _run(self, program: str, arguments: Sequence[str], files: Mapping[str, bytes], visible: Sequence[str]) -> Completed:
        if self.missing and self.require:
            hint = "make it possible, or set `render.confine` to `best`"
            raise SettingsError(f"renderers cannot be confined here: {'; '.join(self.missing)}", hint=hint)
        with ExitStack() as stack:
            group = ""
            if self._group is not None:
                made = stack.enter_context(confine_cgroup.group(self._group, self.bounds.memory, self.bounds.processes))
                group = str(made / "cgroup.procs")
            limits = Limits(deadline=self.bounds.deadline, output=self.bounds.output)
            if self._isolates:
                order = self._order(program, arguments, files, visible)
                counted = self.bounds.processes if self._needs_count else 0
                return self._porter.run(replace(order, group=group, processes=counted), limits)
            root = stack.enter_context(_folder())
            _write(root / WORK, files)
            command = [*self.bounds.command, program, *arguments] if shutil.which("prlimit", path=SYSTEM_PATH) else [program, *arguments]
            return _blocking([*JOIN, group, *command] if group else command, root, _reach(root, program, visible), limits)

    def _order(self, program: str, arguments: Sequence[str], files: Mapping[str, bytes], visible: Sequence[str] = ()) -> Order:
        links, binds = _system()
        seen = [each for each in (os.devnull, *visible) if not any(Path(each).is_relative_to(f"/{name}") for name in SYSTEM)]
        binds += [(each, each.lstrip("/")) for each in seen]
        real = inside = os.path.realpath(program)
        if not any(Path(real).is_relative_to(folder) for folder in visible):
            inside = f"/program/{Path(program).name}"
            binds.append((real, inside.lstrip("/")))
        return Order(inside, arguments, files, binds, links, _environment("/home"), self.bounds.limits, self.bounds.file)


def _kernel() -> tuple[int, ...]:
    """The kernel's version, such as (6, 14)."""
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def _system() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The folders of the system: those that are links, and those that are to be bound."""
    links, binds = [], []
    for name in SYSTEM:
        source = Path("/", name)
        if source.is_symlink():
            links.append((name, str(source.readlink())))
        elif source.is_dir():
            binds.append((str(source), name))
    return links, binds


@contextmanager
def _folder() -> Iterator[Path]:
    """Where a command lies and runs that gets no file system of its own."""
    with tempfile.TemporaryDirectory(prefix="trueup-render-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve()
        for inside in (WORK, "home", "tmp"):
            (root / inside).mkdir()
        yield root


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        place = Path(os.path.normpath(folder / path))
        if not place.is_relative_to(folder):
            raise SettingsError(f"a file of the render lies outside of it: {path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _reach(root: Path, program: str, visible: Sequence[str]) -> confine_landlock.Reach:
    system = [Path("/", name) for name in SYSTEM]
    libraries = [Path("/etc/ld.so.cache"), Path("/etc/ld.so.preload")]
    own = [Path(program), Path(os.path.realpath(program)), *map(Path, visible)]
    return confine_landlock.Reach([*system, *libraries, *own], [root, Path(os.devnull)])


def _environment(home: str) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": home, "LANG": "C.UTF-8"}


def _blocking(command: Sequence[str], root: Path, reach: confine_landlock.Reach, limits: Limits) -> Completed:
    """Run it in a loop of its own, in a thread of its own: the caller may be in a loop, and a thread that was restricted stays so."""

    async def restricted() -> Completed:
        if confine_landlock.version():
            confine_landlock.restrict(reach)
        return await run(command, environment=_environment(str(root / "home")), folder=root / WORK, limits=limits)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(restricted())).result()
