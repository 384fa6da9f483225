"""New content where the old one is, on an engine of this machine and on one whose disk cannot be reached."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.testbed.docker.engine import Engine as Host
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.content import Piece, pieces_of
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.signalling import Signalling
from trueup.testing.trees import FolderTree

ONE = FolderTree({"web.conf": b"one, and longer", "conf/a": b"one", "conf/gone": b"x"})
TWO = FolderTree({"web.conf": b"two", "conf/a": b"two", "conf/gone": b"x", "conf/new/b": b"b"})
THREE = FolderTree({"web.conf": b"three", "conf/a": b"three"})


@pytest.fixture(scope="module")
def far_away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host whose disk is not to be seen from here."""
    host = Host.start(tmp_path_factory.mktemp("far") / "host", disk=100)
    host.image("test/sleep:1")
    yield host
    host.stop()


@pytest.fixture(params=["here", "far away"])
async def signalling(request: pytest.FixtureRequest, engine: Host) -> AsyncIterator[tuple[Host, Signalling]]:
    host: Host = engine if request.param == "here" else request.getfixturevalue("far_away")
    client = Engine(Access(host.url))
    yield host, Signalling(Delivery(Carrier(client, "shop")), host.get("/images/test/sleep:1/json")["Id"])
    await client.close()
    host.clear()


def piece(tree: FolderTree, content: str, read_only: bool = True) -> Piece:
    entry = {"content": content, "target": f"/mounted/{content.strip('/')}", "read_only": read_only}
    return pieces_of("web", {"volumes": [entry], "x-trueup": {"change": {"signal": "SIGHUP"}}}, tree)[0]


async def run(host: Host, signalling: Signalling, mounted: Piece) -> None:
    """A container that started with the first version."""
    folders = await signalling.delivery.put([mounted], ONE)
    await signalling.delivery.exchange({mounted.mount: folders[mounted.version]})
    source = f"{await signalling.delivery.carrier.mountpoint()}/live/{mounted.mount}"
    host.docker("run", "--detach", "--name=web", f"--mount=type=bind,source={source},target={mounted.target},readonly", "test/sleep:1")


def seen(host: Host, *files: str) -> str:
    return host.docker("exec", "web", "cat", *(f"/mounted/{file}" for file in files))


async def test_a_mounted_file_is_written_where_it_is(signalling: tuple[Host, Signalling]) -> None:
    host, signal = signalling
    await run(host, signal, piece(ONE, "/web.conf"))
    assert await signal.write(piece(TWO, "/web.conf"), TWO)
    assert seen(host, "web.conf") == "two"
    assert await signal.write(piece(THREE, "/web.conf"), THREE)
    assert seen(host, "web.conf") == "three"


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_mounted_folder_becomes_as_git_has_it(signalling: tuple[Host, Signalling], read_only: bool) -> None:
    host, signal = signalling
    await run(host, signal, piece(ONE, "/conf", read_only))
    assert await signal.write(piece(TWO, "/conf", read_only), TWO)
    assert seen(host, "conf/a", "conf/gone", "conf/new/b") == "twoxb"
    assert await signal.write(piece(THREE, "/conf", read_only), THREE)
    assert seen(host, "conf/a") == "three"
    assert host.docker("exec", "web", "find", "/mounted/conf", "-type", "f") == "/mounted/conf/a\n"


async def test_nothing_is_left_of_the_hands_that_wrote(signalling: tuple[Host, Signalling]) -> None:
    host, signal = signalling
    await run(host, signal, piece(ONE, "/web.conf"))
    await signal.write(piece(TWO, "/web.conf"), TWO)
    assert {each["Name"] for each in host.containers()} == {"/web", "/trueup_shop_carrier"}


async def test_an_image_without_a_shell_has_to_be_restarted(far_away: Host) -> None:
    client = Engine(Access(far_away.url))
    try:
        empty = Signalling(Delivery(Carrier(client, "shop")), "trueup/empty:1")
        await run(far_away, empty, piece(ONE, "/web.conf"))
        assert not await empty.write(piece(TWO, "/web.conf"), TWO)
        assert seen(far_away, "web.conf") == "one, and longer"
    finally:
        await client.close()
        far_away.clear()


async def test_a_mount_that_leads_to_the_new_version_has_to_be_restarted(engine: Host, signalling: tuple[Host, Signalling]) -> None:
    host, signal = signalling
    await run(host, signal, piece(ONE, "/web.conf"))
    folders = await signal.delivery.put([piece(TWO, "/web.conf")], TWO)
    await signal.delivery.exchange({piece(TWO, "/web.conf").mount: next(iter(folders.values()))})
    assert not await signal.write(piece(TWO, "/web.conf"), TWO)
