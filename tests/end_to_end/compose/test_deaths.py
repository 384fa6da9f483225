"""An apply that dies before any of its requests: what runs goes on, and the next walk comes to the same end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.testbed.docker.engine import Engine as Host
from trueup.model.application import Application, ApplicationSpec
from trueup.model.contracts import Desired
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.model.secret import Secret
from trueup.runtimes.compose import compose
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.picture import Picture
from trueup.runtimes.compose.runtime import ComposeRuntime
from trueup.runtimes.compose.scene import Stage
from trueup.testing.trees import FolderTree


class Death(BaseException):
    """Nothing is tidied up after it."""


class Mortal(Engine):
    """Dies before it asks for one change too many, and with it all that it would ask: of the record volume (``files``), or of all else."""

    def __init__(self, access: Access, changes: int, files: bool) -> None:
        super().__init__(access)
        self.changes = changes
        self.files = files

    async def _sent(self, session: Any, request: Any, prefix: str = "") -> Any:
        if self.changes < 0:
            raise Death
        if request.method != "GET" and ("_carrier/" in request.path) == self.files:
            self.changes -= 1
            if self.changes < 0:
                raise Death
        return await super()._sent(session, request, prefix)


@asynccontextmanager
async def runtime(host: Host, changes: int = 10_000, files: bool = False) -> AsyncIterator[ComposeRuntime]:
    engine = Mortal(Access(host.url), changes, files)
    try:
        yield ComposeRuntime("here", engine, Stage(Picture(engine, Images(engine)), lambda name: Secret("word", name)))
    finally:
        await engine.close()  # as the kernel closes the connections of a process that died


def version(number: int, order: str) -> Desired:
    """A service of which everything changes: image, files, a secret."""
    tree = FolderTree({"conf/a": f"{number}\n".encode(), "token": f"token {number}".encode()})
    spec: Body = {
        "image": f"test/sleep:{1 + number % 2}",
        "networks": {"default": None},
        "volumes": [{"type": "bind", "content": "/conf", "target": "/conf", "read_only": True}],
        "secrets": [{"target": "/run/secrets/token", "content": "/token"}],
        "deploy": {"replicas": 2, "update_config": {"order": order, "monitor": "1ms", "parallelism": 1}},
        "stop_grace_period": "0s",
    }
    bodies: list[Body] = [
        {"apiVersion": "compose.trueup.dev/v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec},
        {"apiVersion": "compose.trueup.dev/v1", "kind": "Network", "metadata": {"name": "default", "namespace": "shop"}, "spec": {}},
    ]
    manifests = tuple(manifest_of(body, tree) for body in bodies)
    declared = Application("file:///r#main", "shop", ApplicationSpec(target="here"), "trueup.yaml", 1)
    return Desired(declared, f"{number:040}", manifests, tree, run="0" * 20)


def manifest_of(body: Body, tree: FolderTree) -> Manifest:
    bare = Manifest(Key.of(body), body, Origin("compose.yaml", 1, "1" * 40))
    sources = {path.strip("/"): tree.object_id(path.strip("/")) or "" for path in compose.references(bare)}
    return Manifest(bare.key, body, bare.origin, sources=sources)


async def apply(there: ComposeRuntime, desired: Desired) -> list[str]:
    """Carry everything out, in the order that the engine would; what failed."""
    plan = await there.plan(desired)
    failed = []
    for kind in ("Network", "Service"):
        actions = [action for action in plan.changes if action.key.kind == kind]
        if actions:
            failed += [each.message async for each in there.apply(desired, actions) if each.state == "failed"]
    return failed


def state(host: Host) -> list[tuple[str, str, str]]:
    """Name, image and files of each container that runs."""
    found = [
        (str(each["Name"]), str(each["Config"]["Image"]))
        for each in host.containers(com__docker__compose__project="shop")
        if each["State"]["Running"]
    ]
    return [(name, image, host.docker("exec", name.strip("/"), "cat", "/conf/a", "/run/secrets/token")) for name, image in found]


def whole(number: int) -> list[tuple[str, str, str]]:
    """What runs when a version is there."""
    return [(f"/shop-web-{each}", f"test/sleep:{1 + number % 2}", f"{number}\ntoken {number}") for each in (1, 2)]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("order", "files"), [("stop-first", False), ("start-first", False), ("start-first", True)])
async def test_before_whichever_request_it_dies_the_next_walk_comes_to_the_same_end(engine: Host, order: str, files: bool) -> None:
    async with runtime(engine) as there:
        assert await apply(there, version(0, order)) == []
    number, died = 0, True
    while died:
        number += 1
        try:
            async with runtime(engine, number - 1, files) as there:
                died = bool(await apply(there, version(number, order)))
        except Death:
            died = True
        running = state(engine)
        least = 2 if order == "start-first" else 1
        assert len(running) >= least, f"before change {number} there was only {running}"
        async with runtime(engine) as there:
            await apply(there, version(number, order))
            assert await apply(there, version(number, order)) == [], f"before change {number}"
            assert (await there.plan(version(number, order))).changes == ()
        assert sorted(state(engine)) == whole(number), f"before change {number}"
        assert len(engine.containers(com__docker__compose__project="shop")) == 2
    assert number > 5
