"""An estate to try the walk on: one repository with the person who pushes to it, one state folder, and engines and commands on it.

Everything is real: Git remotes (``file://``), the store, the engine, the program as a process. The ``memory`` runtime is where things run;
what manifests say in ``spec`` steers it (``health``, ``healthyAfter``, ``refuse``, ``immutable``).
"""

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end import nest
from tests.end_to_end.nest import Forked
from tests.shapes import misshapen
from tests.testbed.repositories import Workplace
from trueup.assembly import assemble, retention
from trueup.engine.requests import Engine
from trueup.model.contracts import Owner, Touch
from trueup.model.errors import TrueupError
from trueup.model.manifest import Body, Key
from trueup.model.memory import Address, Followed, Waiting
from trueup.model.plan import Plan
from trueup.model.run import Run, Status
from trueup.model.selection import Order, Selection
from trueup.model.source import Repository
from trueup.model.wire import time_text
from trueup.runtimes.memory.world import Record, World
from trueup.settings import Settings
from trueup.toolkit.git.remote import identity
from trueup.toolkit.telemetry import Meter

Files = dict[str, str | bytes | None]


# ---------------------------------------------------------------------- what people write


def documents(*bodies: Body) -> str:
    """Declarations or manifests as one YAML file."""
    return yaml.safe_dump_all(bodies, sort_keys=False)


def target(name: str = "here", runtime: str = "memory", **specification: Any) -> Body:
    """The declaration of a target; a memory target keeps its world in the file ``NAME.world``, where ``Estate.world`` looks."""
    options = {"file": f"{name}.world"} if runtime == "memory" else {}
    return _declared("Target", name, {"runtime": runtime, **options, **specification})


def application(name: str = "web", target: str = "here", labels: dict[str, str] | None = None, **specification: Any) -> Body:
    """The declaration of an application; ``path`` left out: the folder of its own name."""
    body = _declared("Application", name, {"target": target, "path": name, **specification})
    if labels:
        body["metadata"]["labels"] = labels
    return body


def thing(name: str, wave: int = 0, kind: str = "Thing", **specification: Any) -> Body:
    """A manifest of the memory runtime."""
    metadata: dict[str, Any] = {"name": name}
    if wave:
        metadata["annotations"] = {"trueup.dev/wave": str(wave)}
    return {"apiVersion": "memory.trueup.dev/v1", "kind": kind, "metadata": metadata, "spec": specification}


def _declared(kind: str, name: str, specification: dict[str, Any]) -> Body:
    return {"apiVersion": "trueup.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": specification}


# ---------------------------------------------------------------------- the estate


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document, which has the shape that the contract says."""
        document = json.loads(self.out)
        assert not misshapen(document)
        return document


class Estate:
    """One repository and one state folder. Engines on it may be several at a time, as may commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workplace = Workplace(folder / "work")
        self.state = folder / "state"
        self.url = f"file://{self.workplace.origin}"
        self.repository = Repository(identity(self.url))
        self.log = io.StringIO()

    def commit(self, files: Files, message: str = "change") -> str:
        """Write these files, commit and push them; the commit's id. None takes a file away."""
        return self.workplace.commit(files, message)

    def settings(self, **said: Any) -> Settings:
        """The settings of this estate, as the operator would write them."""
        return Settings.model_validate({"state": self.state, "repositories": [{"url": self.url, "poll": "100ms"}], "listen": "", **said})

    @contextlib.asynccontextmanager
    async def operator(self, meter: Meter | None = None, **said: Any) -> "AsyncIterator[Operator]":
        """An engine of its own on this estate, and somebody who asks it. What it logs is in ``log``."""
        settings = self.settings(**said)
        logger = logging.Logger("estate", logging.DEBUG)  # noqa: LOG001 - one of its own: nothing global changes
        logger.addHandler(logging.StreamHandler(self.log))
        async with assemble(settings, logger, meter) as engine:
            yield Operator(self, engine, settings)

    @contextlib.asynccontextmanager
    async def served(self, **said: Any) -> "AsyncIterator[Operator]":
        """The same while its engine serves, in this process."""
        async with self.operator(**said) as operator:
            serving = asyncio.create_task(operator.serve())
            try:
                yield operator
            finally:
                serving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await serving

    @contextlib.contextmanager
    def serving(self, *arguments: str) -> Iterator[Forked]:
        """``trueup serve`` as a process of its own, ended with SIGTERM unless the test ended it before; its log is in ``serve.log``."""
        with (self.folder / "serve.log").open("a") as log:
            command = self._command("serve", "--poll", "200ms", "--listen", "off", *arguments)
            process = nest.start(command, log.fileno(), log.fileno(), self.folder)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def running(self, verb: str, *arguments: str) -> Iterator[Forked]:
        """Any command as a process that goes on beside the test; killed at the end. What it says is in ``VERB.log``."""
        with (self.folder / f"{verb}.log").open("a") as log:
            process = nest.start(self._command(verb, *arguments), log.fileno(), log.fileno(), self.folder)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def trueup(self, *arguments: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> Said:
        """Run a command of the program as a process of its own, for this repository; with ``cwd`` for that of the clone which is there."""
        command = self._command(*arguments)
        if cwd:
            command = command[:1] + command[3:]
        return Said(*nest.run(command, cwd or self.folder, {**os.environ, **(environment or {})}))

    def _command(self, verb: str, *arguments: str) -> list[str]:
        return [verb, "--repo", self.url, "--state", str(self.state), *arguments]

    def world(self, name: str = "here") -> "Ground":
        """What is at a memory target that ``target(NAME)`` declared."""
        return Ground(self.state / "targets" / "memory" / Repository(self.repository.identity).short / f"{name}.world")


class Figures:
    """Counts the stages of the walks that were made: a ``Meter``."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()

    def stage(self, name: str, seconds: float, failed: bool) -> None:
        """A stage was walked."""
        self.stages[name] += 1

    def count(self, name: str, labels: Mapping[str, str]) -> None:
        """Not looked at."""


class Ground:
    """A memory target, seen and touched by hand."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def objects(self) -> dict[str, Record]:
        """Every object that is there, by its key as text."""
        if not self.file.exists():
            return {}
        with self._opened() as world:
            keys = [Key.parse(row[0]) for row in world._connection.execute("select key from object order by key")]
            return {str(key): record for key, record in world.find(keys).items()}

    def names(self) -> list[str]:
        """The keys of everything that is there, sorted."""
        return sorted(self.objects())

    def owners(self) -> dict[str, str]:
        """Whose each object is: the application's name, empty for nobody's."""
        return {key: record.owner.application if record.owner else "" for key, record in self.objects().items()}

    def specification(self, key: str) -> dict[str, Any]:
        """The ``spec`` of an object."""
        specification: dict[str, Any] = self.objects()[key].entry.body["spec"]
        return specification

    def identity(self, key: str) -> str:
        """A new one means that the object was made anew."""
        return self.objects()[key].entry.uid

    def put(self, body: Body) -> None:
        """Write an object by another hand: one of nobody, where none was."""
        with self._opened() as world:
            touch = Touch("somebody", time_text(datetime.now(UTC))) if world.find([Key.of(body)]) else None
            world.tamper(Key.of(body), body, "somebody", touch)

    def give(self, key: str, repository: str, application: str) -> None:
        """Let an object carry the mark of another repository's application."""
        with self._opened() as world, world.writing():
            record = world.find([Key.parse(key)])[Key.parse(key)]
            world.put(Record(record.key, Owner(repository, application), record.entry))

    def take(self, key: str) -> None:
        """Delete an object by another hand."""
        with self._opened() as world:
            world.tamper(Key.parse(key), None, "somebody", None)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[World]:
        world = World(self.file, "ground")
        try:
            yield world
        finally:
            world.close()


class Operator:
    """Somebody who asks one engine. Applications are named; without a name, all that are open are meant."""

    def __init__(self, estate: Estate, engine: Engine, settings: Settings) -> None:
        self.estate = estate
        self.engine = engine
        self.settings = settings
        self.repository = estate.repository
        self.problem: TrueupError | None = None

    async def follow(self) -> Followed:
        """Fetch and discover."""
        return await self.engine.follow(self.repository)

    async def apply(self, *names: str, **order: Any) -> list[Run]:
        """Every run as it was told last, oldest first. What was raised after that is in ``problem``; nothing raised: None."""
        told: dict[str, Run] = {}
        self.problem = None
        try:
            async for run in self.engine.apply(self.repository, Selection(names), Order(**order)):
                told[run.id] = run
        except TrueupError as error:
            self.problem = error
        return [told[run] for run in sorted(told)]

    async def plan(self, *names: str, **asked: Any) -> list[Plan]:
        """What would change."""
        return [each async for each in self.engine.plan(self.repository, Selection(names), **asked)]

    async def status(self, name: str) -> Status:
        """How one application stands, looked up now."""
        statuses = await self.engine.statuses(self.repository, Selection((name,)))
        return statuses[0]

    async def remembered(self, name: str, target: str = "here") -> Status | None:
        """How it stood when it was looked at last; None when it never was."""
        standing = await self.engine.store(self.engine.memory.standing, Address(self.repository.identity, name, target))
        return standing.status if standing else None

    async def revisions(self) -> dict[str, str]:
        """Each declared application's own revision."""
        declared = await self.engine.store(self.engine.memory.applications, self.repository.identity)
        return {each.application.name: each.revision for each in declared}

    async def history(self, name: str = "") -> list[Run]:
        """Runs, newest first."""
        return await self.engine.history(self.repository, name)

    async def waiting(self, name: str = "") -> list[Waiting]:
        """What waits for a person."""
        return await self.engine.waiting(self.repository, name)

    async def approve(self, name: str, digest: str = "") -> Waiting:
        """Approve what waits."""
        return await self.engine.approve(self.repository, name, digest, "tester")

    async def serve(self) -> None:
        """The loop, until cancelled."""
        following = [self.engine.equipment.following(each.repository) for each in self.settings.repositories]
        await self.engine.serve(following, retention(self.settings, self.engine.memory))

    @property
    def renders(self) -> int:
        """How many renders this engine has made."""
        return self.engine.equipment.renders.count


async def eventually(what: Callable[[], Any], seconds: float = 90.0, pause: float = 0.02) -> None:
    """Wait until it is true, or fail: late, for the machine may be busy.

    ``what`` may be a coroutine function; an AssertionError or LookupError is no yet.
    """
    end = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < end:
        try:
            last = what()
            if asyncio.iscoroutine(last):
                last = await last
            if last:
                return
        except (AssertionError, LookupError) as error:
            last = error
        await asyncio.sleep(pause)
    raise AssertionError(f"it did not come true within {seconds} s; last it was {last!r}")
