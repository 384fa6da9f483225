"""Commands that die on the way: ``trueup`` in a process of its own that is killed with SIGKILL at a chosen moment.

A process imports everything once and forks for each command (``python -m tests.end_to_end.mortal``), so that dying a hundred times costs
little. In a fork, the moments of a walk are counted: a stage that begins or ends, a transaction of the memory before and after it, an
action at a target before and after it. At the one that was chosen, the process kills itself.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from trueup.assembly import renderer_kinds, runtime_kinds
from trueup.cli import main
from trueup.model.run import Outcome
from trueup.runtimes.host.runtime import HostRuntime
from trueup.runtimes.memory.runtime import MemoryRuntime
from trueup.store.database import Database, Transaction
from trueup.toolkit.telemetry import Telemetry


class Moment(NamedTuple):
    """The ``number``-th time that something of this name happens, counted from 1."""

    name: str
    number: int


NEVER = Moment("never", 1)


class Mortal:
    """Runs commands, each in a process that may die."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, *arguments: str, dies: Moment = NEVER, environment: Mapping[str, str] | None = None) -> int:
        """The exit code; negative when it was killed."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"arguments": arguments, "dies": dies, "log": str(self._folder / "moments"), "environment": dict(environment or {})}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def moments(self) -> list[Moment]:
        """What happened in the last command, in order."""
        counted: dict[str, int] = {}
        found = []
        for name in (self._folder / "moments").read_text().splitlines():
            counted[name] = counted.get(name, 0) + 1
            found.append(Moment(name, counted[name]))
        return found

    @property
    def said(self) -> str:
        """What the last command wrote."""
        return (self._folder / "moments.out").read_text()


@contextmanager
def mortal(folder: Path) -> Iterator[Mortal]:
    """Somebody to run commands by."""
    command = [sys.executable, "-m", "tests.end_to_end.mortal"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        yield Mortal(process, folder)
    finally:
        process.communicate()


# ---------------------------------------------------------------------- in the process


def _serve() -> None:
    for verb in ("apply", "approve", "hold", "serve"):
        import_module(f"trueup.cli.{verb}")
    dict(runtime_kinds()), dict(renderer_kinds())
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _obey(order)
        _, status = os.waitpid(child, 0)
        print(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)


def _obey(order: dict[str, Any]) -> None:
    os.environ.update(order["environment"])
    out = os.open(order["log"] + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    _count(_counter(order["log"], Moment(*order["dies"])))
    os._exit(main(order["arguments"]))


def _counter(log: str, dies: Moment) -> Callable[[str], None]:
    counted: dict[str, int] = {}
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def happens(name: str) -> None:
        counted[name] = counted.get(name, 0) + 1
        os.write(file, f"{name}\n".encode())
        if dies == (name, counted[name]):
            os.kill(os.getpid(), signal.SIGKILL)

    return happens


def _count(happens: Callable[[str], None]) -> None:
    stage, writing = Telemetry.stage, Database.writing

    @contextmanager
    def counted_stage(self: Telemetry, name: str) -> Iterator[None]:
        happens(f"{name} begins")
        with stage(self, name):
            yield
        happens(f"{name} ends")

    @contextmanager
    def counted_writing(self: Database) -> Iterator[Transaction]:
        with writing(self) as transaction:
            yield transaction
            happens("a write is all but done")
        happens("a write is done")

    Telemetry.stage = counted_stage  # type: ignore[method-assign]
    Database.writing = counted_writing  # type: ignore[method-assign]
    for runtime in (MemoryRuntime, HostRuntime):
        _count_actions(runtime, happens)


def _count_actions(runtime: Any, happens: Callable[[str], None]) -> None:
    apply = runtime.apply

    async def counted_apply(self: Any, desired: Any, actions: Any) -> AsyncIterator[Outcome]:
        async for outcome in apply(self, desired, actions):
            happens("an action is done")
            yield outcome
            happens("an outcome is taken")

    runtime.apply = counted_apply


if __name__ == "__main__":
    _serve()
