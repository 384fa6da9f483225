"""Control groups: a limit on the memory and the processes of a command and of all that it starts together, where one may be made.

That takes version 2 and a group that was delegated to us (systemd: ``Delegate=yes`` and ``DelegateSubgroup=``) with the memory controller.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

PREFIX: Final = "trueup-render-"
_PATIENCE: Final = 50


def parent(processes: Path = Path("/proc/self")) -> Path | None:
    """The group below which one may be made; None where none may. ``processes`` is where the kernel tells of this process."""
    try:
        lines = (processes / "cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (processes / "mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    own = next((line[3:] for line in lines if line.startswith("0::")), "")
    root = next((line.split()[4] for line in mounts if " - cgroup2 " in line), "")
    if not own or not root:
        return None
    group = Path(root) / own.lstrip("/")
    # A group with processes of its own hands nothing on: then ours stand beside us.
    return next((each for each in dict.fromkeys((group, group.parent)) if each.is_relative_to(root) and _hands_on_memory(each)), None)


@contextmanager
def group(above: Path, memory: int, processes: int) -> Iterator[Path]:
    """A group of its own with these limits; whatever is left in it at the end is killed."""
    made = Path(mkdtemp(prefix=PREFIX, dir=above))
    try:
        _write(made / "memory.max", memory)
        for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1), ("pids.max", processes)):
            with suppress(OSError):
                _write(made / name, value)
        yield made
    finally:
        _end(made)


def _hands_on_memory(group: Path) -> bool:
    try:
        handed_on = (group / "cgroup.subtree_control").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "memory" in handed_on and os.access(group, os.W_OK | os.X_OK) and os.access(group / "cgroup.procs", os.W_OK)


def _write(file: Path, value: int) -> None:
    file.write_text(str(value), encoding="utf-8")


def _end(made: Path) -> None:
    with suppress(OSError):
        _write(made / "cgroup.kill", 1)
    for _ in range(_PATIENCE):
        try:
            made.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return
