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
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from trueup.model.errors import SettingsError
from trueup.toolkit import confine_cgroup, confine_landlock
from trueup.toolkit.process import Completed, Limits, run

WORK: Final = "work"
"""The folder in which the files lie and the command runs."""

NAMESPACES: Final = ("unshare", "--user", "--map-root-user", "--net", "--ipc", "--mount", "--pid", "--fork", "--kill-child")
SYSTEM: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "nix")
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
UNCONFINED: Final = 125
# Root's processes are counted by no limit of its own, only by the numbers that its namespace has to give (Linux 6.14 and later).
# Where what is known as /proc is read-only, what is mounted for that is under the file system in memory that is mounted next.
COUNTED: Final = 'echo "$2" > /proc/sys/kernel/pid_max || { mount -t proc proc "$1" && echo "$2" > "$1/sys/kernel/pid_max"; }'
COUNTED_SINCE: Final = (6, 14)
# What is below a folder that is empty in the new root gets its place there only once that is mounted.
PLACES: Final = """while IFS= read -r place; do
case "$place" in */) mkdir -p "$place";; *) mkdir -p "${place%/*}" && : > "$place";; esac || exit 125
done < "$3/places" && mount -a -T "$3/below" &&"""
ENTER: Final = 'mount -a -T "$3/mounts" && {} root="$3" && shift 3 && exec chroot "$root" "$@"; exit 125'
EMPTY: Final = ("home", "tmp")
JOIN: Final = ("sh", "-c", 'echo 0 > "$1" && shift && exec "$@"; exit 125', "sh")
# Root of a user namespace has every right inside of it; a command needs none of them, and without them a changed root cannot be left.
DROP: Final = ("sh", "-c", 'cd /work && exec "$@"; exit 125', "sh", "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


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
    def command(self) -> tuple[str, ...]:
        """``prlimit`` with these limits, none above what this process may itself."""
        wanted = {
            "data": (resource.RLIMIT_DATA, self.memory),
            "fsize": (resource.RLIMIT_FSIZE, self.file),
            "cpu": (resource.RLIMIT_CPU, self.cpu),
            "nproc": (resource.RLIMIT_NPROC, self.processes),
            "nofile": (resource.RLIMIT_NOFILE, self.open_files),
            "core": (resource.RLIMIT_CORE, 0),
        }
        return ("prlimit", *(f"--{name}={_within(limit, value)}" for name, (limit, value) in wanted.items()))


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

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What this machine cannot give, for people; found out by trying, once."""
        found = []
        if not shutil.which("prlimit"):
            found.append("limits of memory, time and files (prlimit of util-linux is not installed)")
        if not self._isolates:
            known = confine_landlock.version()
            kept = (
                f"; Landlock keeps them from files{' and TCP' if known >= confine_landlock.TCP_SINCE else ''} all the same" if known else ""
            )
            reason = "unshare of util-linux fails: user namespaces are not allowed here"
            found.append(f"a file system and network of their own ({reason}{kept})")
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
        needed = ("unshare", "setpriv", "mount", "chroot", "sh")
        if not all(shutil.which(name, path=SYSTEM_PATH) for name in needed):
            return False
        with _folder() as root:
            return _blocking(_Command(self._isolated(root, "/bin/sh", ["-c", "exit 0"])), root, self.bounds).succeeded

    @property
    def _needs_count(self) -> bool:
        return os.geteuid() == 0 and self._group is None and _kernel() >= COUNTED_SINCE

    @cached_property
    def _counts(self) -> bool:
        if _kernel() < COUNTED_SINCE:
            return False
        with _folder() as root:
            command = [*NAMESPACES, "sh", "-c", COUNTED, "sh", str(root / "home"), str(self.bounds.processes)]
            return _blocking(_Command(command), root, self.bounds).succeeded

    def run(self, program: str, arguments: Sequence[str], files: Mapping[str, bytes], visible: Sequence[str] = ()) -> Completed:
        """Write the files (paths relative to the folder of the command) and run the command among them. Blocks.

        ``visible`` are more files and folders of the machine that the command sees, read-only, at their own place.
        Raises SettingsError when the program cannot be started, and when confinement is required and this machine cannot give it.
        """
        if self.missing and self.require:
            hint = "make it possible, or set `render.confine` to `best`"
            raise SettingsError(f"renderers cannot be confined here: {'; '.join(self.missing)}", hint=hint)
        with _folder() as root:
            _write(root / WORK, files)
            if self._isolates:
                command = _Command(self._isolated(root, program, arguments, visible), home="/home")
            else:
                command = _Command(self._limited([program, *arguments]), _reach(root, program, visible), str(root / "home"))
            with ExitStack() as stack:
                if self._group is not None:
                    made = stack.enter_context(confine_cgroup.group(self._group, self.bounds.memory, self.bounds.processes))
                    command = replace(command, arguments=[*JOIN, str(made / "cgroup.procs"), *command.arguments])
                completed = _blocking(command, root, self.bounds)
        if completed.code == UNCONFINED and self._isolates:
            raise SettingsError(f"{program} could not be confined: {completed.err.decode(errors='replace').strip()}")
        return completed

    def _limited(self, command: list[str]) -> list[str]:
        return [*self.bounds.command, *command] if shutil.which("prlimit", path=SYSTEM_PATH) else command

    def _isolated(self, root: Path, program: str, arguments: Sequence[str], visible: Sequence[str] = ()) -> list[str]:
        mounts = [_mount(root, root, "bind,ro"), *_system(root)]
        mounts += [_mount(Path("tmpfs"), root / name, f"size={self.bounds.file}", "tmpfs") for name in EMPTY]
        below: dict[Path, str] = {}
        for source in (os.devnull, *visible):
            place = root / source.lstrip("/")
            if any(Path(source).is_relative_to(f"/{name}") for name in SYSTEM) or place.exists():
                continue
            mount = _mount(Path(source), place, "rbind,ro")
            if any(place.is_relative_to(root / name) for name in EMPTY):
                below[place] = mount
            else:
                _make_place(place, Path(source).is_dir())
                mounts.append(mount)
        real = inside = os.path.realpath(program)
        if not any(Path(real).is_relative_to(folder) for folder in visible):
            inside = f"/program/{Path(program).name}"
            (root / inside.lstrip("/")).touch()
            mounts.append(_mount(Path(real), root / inside.lstrip("/"), "bind,ro"))
        enter = ENTER.format(_write_tables(root, mounts, below))
        script = f"{{ {COUNTED}; }} 2>/dev/null; {enter}" if self._needs_count else enter
        enters = ["sh", "-c", script, "sh", str(root / "home"), str(self.bounds.processes), str(root)]
        return [*NAMESPACES, *enters, *DROP, *self._limited([inside, *arguments])]


def _write_tables(root: Path, mounts: Iterable[str], below: Mapping[Path, str]) -> str:
    """Write what is to be mounted, and then below what is mounted by that; what the shell does for the latter."""
    (root / "mounts").write_text("".join(mounts), encoding="utf-8")
    if not below:
        return ""
    places = [f"{place}/\n" if Path("/", place.relative_to(root)).is_dir() else f"{place}\n" for place in below]
    (root / "places").write_text("".join(places), encoding="utf-8")
    (root / "below").write_text("".join(below.values()), encoding="utf-8")
    return PLACES


def _kernel() -> tuple[int, ...]:
    """The kernel's version, such as (6, 14)."""
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def _system(root: Path) -> Iterator[str]:
    for name in SYSTEM:
        place, source = root / name, Path("/", name)
        if source.is_symlink():
            place.symlink_to(source.readlink())
        elif source.is_dir():
            place.mkdir()
            yield _mount(source, place, "rbind,ro")


def _make_place(place: Path, folder: bool) -> None:
    (place if folder else place.parent).mkdir(parents=True, exist_ok=True)
    if not folder:
        place.touch()


def _mount(source: Path, place: Path, how: str, kind: str = "none") -> str:
    return f"{_escaped(str(source))} {_escaped(str(place))} {kind} {how} 0 0\n"


def _escaped(path: str) -> str:
    """As fstab wants it."""
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


@contextmanager
def _folder() -> Iterator[Path]:
    """A new root with the folders that every command finds."""
    with tempfile.TemporaryDirectory(prefix="trueup-render-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve()
        for inside in (WORK, "home", "tmp", "program"):
            (root / inside).mkdir()
        yield root


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@dataclass(frozen=True, slots=True)
class _Command:
    """``reach``: the files that Landlock leaves to it; in namespaces the new root is what keeps it."""

    arguments: Sequence[str]
    reach: confine_landlock.Reach = field(default_factory=confine_landlock.Reach)
    home: str = "/home"


def _reach(root: Path, program: str, visible: Sequence[str]) -> confine_landlock.Reach:
    system = [Path("/", name) for name in SYSTEM]
    libraries = [Path("/etc/ld.so.cache"), Path("/etc/ld.so.preload")]
    own = [Path(program), Path(os.path.realpath(program)), *map(Path, visible)]
    return confine_landlock.Reach([*system, *libraries, *own], [root, Path(os.devnull)])


def _blocking(command: _Command, root: Path, bounds: Bounds) -> Completed:
    """Run it in a loop of its own, in a thread of its own: the caller may be in a loop, and a thread that was restricted stays so."""
    environment = {"PATH": SYSTEM_PATH, "HOME": command.home, "LANG": "C.UTF-8"}
    limits = Limits(deadline=bounds.deadline, output=bounds.output)

    async def restricted() -> Completed:
        if confine_landlock.version():
            confine_landlock.restrict(command.reach)
        return await run(command.arguments, environment=environment, folder=root / WORK, limits=limits)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(restricted())).result()
