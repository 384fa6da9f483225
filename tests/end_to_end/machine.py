"""A host target on this machine, with the hands that a test needs."""

import asyncio
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from trueup.model.application import Application, ApplicationSpec, Policy, Target, TargetSpec
from trueup.model.contracts import Desired, Lost, Moved, Owner, Place, Runtime
from trueup.model.health import Health, State
from trueup.model.manifest import WAVE_ANNOTATION, Body, Key, Manifest, Origin
from trueup.model.plan import Plan
from trueup.model.run import Outcome
from trueup.model.secret import Secret
from trueup.runtimes.host import host
from trueup.runtimes.host.keeper.process import TOKEN, lives, processes
from trueup.runtimes.host.keepers import Instance, Keepers
from trueup.testing import FolderTree, walk

REPOSITORY = "https://git.example.org/estate#main"
PATIENCE = 90.0
"""Seconds, on a machine that is busy."""


class Machine:
    """One root with one application, ``shop``."""

    def __init__(self, folder: Path, files: Mapping[str, bytes] | None = None) -> None:
        self.folder = folder
        self.tree = FolderTree(files or {})
        self.root = folder / "state" / "here"
        self.home = self.root / "shop"
        self.versions: dict[Key, str] = {}
        self.runtime: Runtime

    async def open(self) -> "Machine":
        """Open the target."""
        target = Target(REPOSITORY, "here", TargetSpec(runtime="host"), "trueup.yaml")
        self.runtime = await host.open(target, Place(self.folder / "state", lambda name: Secret(f"value-of-{name}", name)))
        return self

    def desired(self, *bodies: Body, policy: Policy | None = None, removed: bool = False) -> Desired:
        """The application with these objects."""
        spec = ApplicationSpec(target="here", policy=policy or Policy())
        application = Application(REPOSITORY, "shop", spec, "trueup.yaml", 1)
        manifests = [
            Manifest(Key.of(body), body, Origin("shop.yaml", line), int(body["metadata"].get("annotations", {}).get(WAVE_ANNOTATION, 0)))
            for line, body in enumerate(bodies, 1)
        ]
        manifests = [dataclasses.replace(each, sources=self._sources(each)) for each in manifests]
        return Desired(application, "1" * 40, tuple(manifests), self.tree, removed)

    async def plan(self, *bodies: Body) -> Plan:
        """What would change."""
        return await self.runtime.plan(self.desired(*bodies))

    async def apply(self, *bodies: Body) -> list[Outcome]:
        """Walk; the versions that were written are remembered for ``health``."""
        outcomes = await walk(self.runtime, self.desired(*bodies))
        self.versions |= {outcome.key: outcome.version for outcome in outcomes if outcome.state == "done"}
        return outcomes

    async def health(self, kind: str, name: str) -> Health:
        """How one object does, at the version that was last written."""
        key = Key(kind, name)
        return (await self.runtime.health(self.desired(), {key: self.versions.get(key, "")}))[key]

    async def until(self, state: State, kind: str, name: str) -> Health:
        """Wait for an object's health."""
        end = time.monotonic() + PATIENCE
        while True:
            health = await self.health(kind, name)
            if health.state is state or time.monotonic() > end:
                assert health.state is state, health
                return health
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[list[Moved | Lost]]:
        """What the watch tells meanwhile."""
        told: list[Moved | Lost] = []

        async def listen() -> None:
            moves = self.runtime.watch()
            assert moves is not None
            async for moved in moves:
                told.append(moved)  # noqa: PERF401 - it is read meanwhile

        listener = asyncio.create_task(listen())
        try:
            yield told
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    @property
    def owner(self) -> Owner:
        """The application."""
        return Owner(REPOSITORY, "shop")

    async def remove(self) -> list[Outcome]:
        """The application is no longer declared."""
        return await walk(self.runtime, self.desired(removed=True))

    def keepers(self, name: str, kind: str = "Service") -> Keepers:
        """The keepers of one service or job."""
        return Keepers(self.root / ".trueup" / "shop" / f"{kind.lower()}s" / name)

    def instance(self, name: str, kind: str = "Service") -> Instance:
        """Its last start."""
        return self.keepers(name, kind).instances()[-1]

    def pid(self, name: str) -> int:
        """The process that runs for a service now."""
        process = self.instance(name).process
        assert process
        return process.pid

    async def log(self, name: str, kind: str = "Service") -> str:
        """Everything that it printed."""
        lines = self.runtime.logs(self.owner, Key(kind, name), follow=False)
        return "\n".join([line async for line in lines])

    def running(self, argument: str) -> list[int]:
        """The processes with this argument, keepers left out."""
        found = []
        for each in processes():
            command = _command(each.pid)
            if argument in command and "trueup-keeper" not in command and each.pid != os.getpid():
                found.append(each.pid)
        return found

    def _sources(self, manifest: Manifest) -> dict[str, str]:
        return {path: self.tree.object_id(path) or "" for path in host.references(manifest)}

    @staticmethod
    def clear(folder: Path) -> None:
        """Stop whatever runs below a folder."""
        for keepers in folder.glob("**/.trueup/*/*s/*"):
            asyncio.run(Keepers(keepers).clear())


def file(name: str, **spec: object) -> Body:
    """A File, at ``name`` unless it says otherwise."""
    return body("File", name, {"path": name, **spec})


def directory(name: str, **spec: object) -> Body:
    """A Directory from the folder of the same name."""
    return body("Directory", name, {"path": name, "source": name, **spec})


def service(name: str, command: Sequence[str], **spec: object) -> Body:
    """A Service that is ready at once, unless it says otherwise."""
    return body("Service", name, {"command": list(command), "readiness": {"command": ["true"], "interval": "50ms"}, **spec})


def job(name: str, command: Sequence[str], **spec: object) -> Body:
    """A Job."""
    return body("Job", name, {"command": list(command), **spec})


def body(kind: str, name: str, spec: dict[str, object]) -> Body:
    """A manifest of a host."""
    return {"apiVersion": "host.trueup.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def eventually(fact: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, "it did not come to be"
        await asyncio.sleep(0.05)


def rewrite(instance: Instance, **fields: object) -> None:
    """Change what a keeper told, as if it had told something else."""
    path = Path(instance.folder) / "state.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | fields))


def gone(pid: int, start: int) -> bool:
    """Whether a process has ended."""
    return not lives(pid, start)


def environment_of(pid: int) -> str:
    """What a process was given."""
    return Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n").decode()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


__all__ = ["TOKEN", "Machine", "body", "directory", "environment_of", "eventually", "file", "gone", "job", "rewrite", "service"]
