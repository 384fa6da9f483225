"""Files on their way into a real engine's record volume."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.docker.engine import Engine as Host
from trueup.model.errors import DeclarationError, Fault, Refused
from trueup.model.secret import Secret
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.content import Piece, pieces_of
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.disk import own_disk
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.packing import packed
from trueup.testing.trees import FolderTree

SPEC: dict[str, Any] = {"volumes": [{"type": "bind", "content": "/shop/conf", "target": "/conf", "read_only": True}]}


@pytest.fixture
async def delivery(engine: Host) -> AsyncIterator[Delivery]:
    """The record volume of the project `shop`."""
    client = Engine(Access(engine.url))
    yield Delivery(Carrier(client, "shop"))
    await client.close()


def one(tree: FolderTree, spec: dict[str, Any] = SPEC) -> Piece:
    return pieces_of("web", spec, tree)[0]


async def delivered(delivery: Delivery, tree: FolderTree) -> str:
    """The folder that the piece is in, now that its mount leads there."""
    piece = one(tree)
    folders = await delivery.put([piece], tree)
    await delivery.exchange({piece.mount: folders[piece.version]})
    return folders[piece.version]


async def run(engine: Host, delivery: Delivery, piece: Piece, name: str = "web") -> None:
    """A container that mounts the piece, as services do."""
    source = f"{await delivery.carrier.mountpoint()}/live/{piece.mount}"
    engine.docker("run", "--detach", f"--name={name}", f"--mount=type=bind,source={source},target=/conf,readonly", "test/sleep:1")


async def test_what_runs_keeps_its_version_until_it_is_restarted(engine: Host, delivery: Delivery) -> None:
    await delivered(delivery, FolderTree({"shop/conf/a": b"one", "shop/conf/gone": b"x"}))
    await run(engine, delivery, one(FolderTree({"shop/conf/a": b"one"})))
    await delivered(delivery, FolderTree({"shop/conf/a": b"two", "shop/conf/deep/er/new": b"new"}))
    assert engine.docker("exec", "web", "cat", "/conf/a") == "one"
    engine.docker("restart", "--time=0", "web")
    assert engine.docker("exec", "web", "cat", "/conf/a", "/conf/deep/er/new") == "twonew"
    assert engine.docker("exec", "web", "ls", "/conf") == "a\ndeep\n"


async def test_files_keep_their_modes_and_configs_their_owners(engine: Host, delivery: Delivery) -> None:
    tree = FolderTree({"shop/run.sh": b"#!/bin/sh\necho ran\n"}, frozenset({"shop/run.sh"}))
    config = {"target": "/run.conf", "content": "/shop/run.sh", "uid": "1000", "gid": "33", "mode": "0440"}
    spec = {"volumes": [{"type": "bind", "content": "/shop/run.sh", "target": "/run.sh"}], "configs": [config]}
    pieces = pieces_of("web", spec, tree)
    folders = await delivery.put(pieces, tree)
    await delivery.exchange({piece.mount: folders[piece.version] for piece in pieces})
    root = await delivery.carrier.mountpoint()
    mounts = [f"--mount=type=bind,source={root}/live/{piece.mount},target={piece.target}" for piece in pieces]
    engine.docker("run", "--detach", "--name=web", *mounts, "test/sleep:1")
    assert engine.docker("exec", "web", "/run.sh") == "ran\n"
    assert engine.docker("exec", "web", "stat", "-c", "%a %u %g", "/run.conf") == "440 1000 33\n"


async def test_a_version_that_is_there_is_not_sent_again(engine: Host, delivery: Delivery) -> None:
    tree = FolderTree({"shop/conf/a": b"one"})
    first = await delivered(delivery, tree)
    assert await delivered(delivery, tree) == first
    assert list(await delivery.links()) == [one(tree).mount]


async def test_a_version_that_somebody_wrote_in_is_sent_again(engine: Host, delivery: Delivery) -> None:
    tree = FolderTree({"shop/conf/a": b"one"})
    first = await delivered(delivery, tree)
    await delivery.carrier.write(f"files/{first}/it/a", b"mine now")
    second = await delivered(delivery, tree)
    assert second != first
    assert await delivery.carrier.read(f"files/{second}/it/a") == b"one"


async def test_what_a_prune_took_is_made_again(engine: Host, delivery: Delivery) -> None:
    tree = FolderTree({"shop/conf/a": b"one"})
    await delivered(delivery, tree)
    engine.docker("system", "prune", "--all", "--force", "--filter", "label=dev.trueup.project")
    engine.docker("image", "rm", "trueup/empty:1")
    assert await delivery.links()
    engine.docker("rm", "--force", delivery.carrier.container)
    engine.docker("volume", "rm", delivery.carrier.volume)
    assert await delivery.links() == {}
    assert engine.get(f"/volumes/{delivery.carrier.volume}") is None
    await delivered(delivery, tree)
    assert await delivery.links()


@pytest.fixture(params=["here", "far away"])
async def anywhere(request: pytest.FixtureRequest, engine: Host) -> AsyncIterator[Delivery]:
    """The same on this machine, and as it is over a network."""
    pem = {name: (engine.folder / "tls" / f"{name}.pem").read_text() for name in ("ca", "cert", "key")}
    there = Access(engine.tls_url, pem["ca"], Secret(pem["cert"], "cert"), Secret(pem["key"], "key"))
    client = Engine(Access(engine.url) if request.param == "here" else there)
    yield Delivery(Carrier(client, "shop"))
    await client.close()


async def test_only_what_nobody_uses_is_swept_away(anywhere: Delivery) -> None:
    delivery = anywhere
    folders = [await delivered(delivery, FolderTree({"shop/conf/a": content})) for content in (b"one", b"two", b"three")]
    assert await delivery.sweep([folders[0]]) == [folders[1]]
    assert await delivery.carrier.read(f"files/{folders[0]}/it/a") == b"one"
    assert await delivery.carrier.read(f"files/{folders[1]}/it/a") is None
    assert await delivery.carrier.read(f"live/{one(FolderTree({'shop/conf/a': b''})).mount}/a") == b"three"
    again = await delivered(delivery, FolderTree({"shop/conf/a": b"two"}))
    assert await delivery.carrier.read(f"files/{again}/it/a") == b"two"
    if delivery.carrier.engine.access.parts.scheme == "unix":
        root = Path(await delivery.carrier.mountpoint())
        assert {len(list((root / folder).iterdir())) for folder in ("files", "index")} == {3}
        await delivery.sweep([])
        assert {len(list((root / folder).iterdir())) for folder in ("files", "index", "live")} == {1}, "nothing is left of the others"


async def test_on_this_machine_a_mount_always_leads_somewhere(engine: Host, delivery: Delivery) -> None:
    folder = await delivered(delivery, FolderTree({"shop/conf/a": b"one"}))
    mount = one(FolderTree({"shop/conf/a": b"one"})).mount
    place, missed, looking = Path(await delivery.carrier.mountpoint()) / "live" / mount, [], True

    def look() -> None:
        while looking:
            try:
                place.readlink()
            except OSError as error:
                missed.append(error)

    looks = asyncio.create_task(asyncio.to_thread(look))
    for _ in range(50):
        await delivery.exchange({mount: folder})
    looking = False
    await looks
    assert missed == []


async def test_on_this_machine_several_services_come_over_at_once(engine: Host, delivery: Delivery) -> None:
    class Busy(Carrier):
        async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
            await super().write(path, content, mode)
            await asyncio.sleep(0.2)  # as long as a machine with much to do takes to go on

    await delivered(delivery, FolderTree({"shop/conf/a": b"one"}))
    carrier = Busy(delivery.carrier.engine, "shop")
    assert None not in await asyncio.gather(*(own_disk(carrier) for _ in range(4)))


async def test_a_large_folder_is_not_held_in_memory(engine: Host, delivery: Delivery) -> None:
    class Zeros(FolderTree):
        def read(self, path: str, limit: int | None = None) -> bytes:
            return bytes(1 << 20)

    tree = Zeros({f"shop/conf/{number}": b"" for number in range(100)})
    before = memory()
    piece = one(tree)
    await delivery.carrier.unpack(packed([], piece.leaves, tree, []))
    assert memory() - before < 40_000
    assert len(await delivery.carrier.read("99") or b"") == 1 << 20


async def test_a_file_that_cannot_be_read_is_named(engine: Host, delivery: Delivery) -> None:
    class Torn(FolderTree):
        def read(self, path: str, limit: int | None = None) -> bytes:
            raise DeclarationError([Fault(path, 0, 0, "the file is kept in Git LFS")])

    tree = FolderTree({"shop/conf/a": b"one"})
    piece = one(tree)
    with pytest.raises(DeclarationError, match="Git LFS"):
        await delivery.put([piece], Torn({}))
    assert await delivery.links() == {}


async def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    host = Host.start(tmp_path / "host", disk=60)
    client = Engine(Access(host.url))
    try:
        host.image("test/sleep:1")
        delivery = Delivery(Carrier(client, "shop"))
        await delivered(delivery, FolderTree({"shop/conf/a": b"one"}))
        large = FolderTree({"shop/conf/a": os.urandom(1 << 20), "shop/conf/b": b"two"})
        with host.full(), pytest.raises(Refused, match="no space left on device"):
            await delivered(delivery, large)
        assert await delivery.carrier.read(f"live/{one(large).mount}/a") == b"one"
        await delivered(delivery, large)
        assert await delivery.carrier.read(f"live/{one(large).mount}/b") == b"two"
    finally:
        await client.close()
        host.stop()


def memory() -> int:
    """Resident, in kB."""
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
