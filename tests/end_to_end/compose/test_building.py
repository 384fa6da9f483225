"""Images that a real engine builds from what Git has."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.compose.test_images import push
from tests.testbed.docker.engine import Engine as Host
from tests.testbed.docker.registry import PASSWORD, USER, Registry
from trueup.model.errors import Refused
from trueup.model.secret import Secret
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.building import Builder, build_of
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.login import Login
from trueup.testing.trees import FolderTree

DOCKERFILE = b"FROM test/sleep:1 AS first\nARG WORD=none\nRUN echo $WORD > /word\nCOPY . /src\nFROM first\nRUN echo second > /stage\n"
CONTEXT = {"app/Dockerfile": DOCKERFILE, "app/a.txt": b"a", "app/logs/one.log": b"x", "app/.dockerignore": b"**/*.log\n"}


NEEDS_BUILDKIT = b"""FROM test/sleep:1
ARG WHO
RUN --mount=type=cache,target=/cache echo kept > /cache/file && echo $WHO > /who
RUN --mount=type=secret,id=token wc -c < /run/secrets/token > /length
COPY --chmod=700 a.txt /mine
COPY . /src
RUN grep -c 10.0.0 /etc/hosts > /hosts
"""
TOKEN = "swordfish-9"


@pytest.fixture
async def client(engine: Host) -> AsyncIterator[Engine]:
    connected = Engine(Access(engine.url))
    yield connected
    await connected.close()


async def built(client: Engine, files: dict[str, bytes], image: str = "", **told: Any) -> str:
    """The tag of an image that was built."""
    tree = FolderTree(files)
    wanted = build_of("shop", "web", {"content": "/app", **told}, tree)
    await Builder(Images(client), lambda name: Secret(TOKEN, name)).build(wanted, tree, image)
    return wanted.tag


async def test_an_image_is_built_from_a_folder_of_the_repository(engine: Host, client: Engine) -> None:
    tag = await built(client, CONTEXT, "shop/web:mine", args={"WORD": "hello"})
    assert engine.docker("run", "--rm", tag, "cat", "/word", "/stage") == "hello\nsecond\n"
    assert engine.docker("run", "--rm", "shop/web:mine", "find", "/src", "-type", "f").split() == [
        "/src/.dockerignore",
        "/src/Dockerfile",
        "/src/a.txt",
    ]


async def test_the_tag_names_the_content(client: Engine) -> None:
    def tag(files: dict[str, bytes], **told: Any) -> str:
        return build_of("shop", "web", {"content": "/app", **told}, FolderTree(files)).tag

    first = tag(CONTEXT)
    assert tag(CONTEXT | {"app/logs/two.log": b"ignored"}) == first
    assert len({first, tag(CONTEXT | {"app/a.txt": b"b"}), tag(CONTEXT, args={"WORD": "x"}), tag(CONTEXT, target="first")}) == 4


async def test_a_stage_and_an_inline_dockerfile_are_built(engine: Host, client: Engine) -> None:
    first = await built(client, CONTEXT, target="first")
    assert engine.docker("run", "--rm", first, "ls", "/").split().count("stage") == 0
    inline = await built(client, CONTEXT, dockerfile_inline="FROM test/sleep:1\nCOPY a.txt /inline\n")
    assert engine.docker("run", "--rm", inline, "cat", "/inline") == "a"


async def test_a_build_that_fails_names_the_line_and_the_last_output(client: Engine) -> None:
    dockerfile = b"# a comment\nFROM test/sleep:1\n\nRUN echo fine \\\n  && true\nRUN echo why it fails && exit 3\n"
    with pytest.raises(Refused, match=r"exit code: 3; its last output: why it fails") as refused:
        await built(client, {"app/Dockerfile": dockerfile})
    assert refused.value.where == "app/Dockerfile:6"


async def test_a_dockerfile_that_cannot_be_read_is_refused(client: Engine) -> None:
    with pytest.raises(Refused, match="unknown instruction: FORM") as refused:
        await built(client, {"app/Dockerfile": b"FORM test/sleep:1\n"})
    assert refused.value.where == "app/Dockerfile:1"
    with pytest.raises(Refused, match="there is no Dockerfile `app/Dockerfile`"):
        await built(client, {"app/a": b"no Dockerfile"})


async def test_what_only_buildkit_does_is_built_and_a_secret_is_in_no_layer(engine: Host, client: Engine) -> None:
    files = {"app/Dockerfile": NEEDS_BUILDKIT, "app/a.txt": b"a", "app/deep/b.bin": bytes(3_000_000), "app/.dockerignore": b"Dockerfile\n"}
    told: dict[str, Any] = {
        "ulimits": {"nofile": {"soft": 99, "hard": 100}},
        "extra_hosts": ["one=10.0.0.1", "two=10.0.0.2"],
        "shm_size": "64m",
    }
    told |= {"args": {"WHO": "me"}, "secrets": [{"id": "token", "name": "TOKEN"}]}
    tag = await built(client, files, **told)
    said = engine.docker("run", "--rm", tag, "cat", "/who", "/length", "/hosts")
    assert said.split() == ["me", str(len(TOKEN)), "2"]
    listed = engine.docker(
        "run", "--rm", tag, "sh", "-c", "find /src -type f | sort; stat -c %a:%s /mine /src/deep/b.bin; find /run/secrets"
    )
    assert listed.split() == ["/src/.dockerignore", "/src/a.txt", "/src/deep/b.bin", "700:1", "644:3000000", "/run/secrets"]
    leaking = NEEDS_BUILDKIT + b"RUN --mount=type=secret,id=token cat /run/secrets/token && false\n"
    with pytest.raises(Refused, match="its last output") as refused:
        await built(client, files | {"app/Dockerfile": leaking}, **told)
    assert refused.value.where == "app/Dockerfile:8"
    assert TOKEN not in str(refused.value)


async def test_an_engine_without_buildkit_builds_too_and_names_what_needs_it(tmp_path: Path) -> None:
    host = Host.start(tmp_path / "host", features={"buildkit": False})
    client = Engine(Access(host.url))
    host.image("test/sleep:1")
    try:
        tag = await built(client, CONTEXT, args={"WORD": "hello"})
        assert host.docker("run", "--rm", tag, "cat", "/word", "/stage") == "hello\nsecond\n"
        with pytest.raises(Refused, match=r"non-zero code: 3; its last output: .*why") as refused:
            await built(client, {"app/Dockerfile": b"FROM test/sleep:1\nRUN true\nRUN echo why && exit 3\n"})
        assert refused.value.where == "app/Dockerfile:3"
        needing: list[dict[str, Any]] = [{}, {"secrets": [{"id": "token", "name": "TOKEN"}]}]
        for told in needing:
            with pytest.raises(Refused, match="BuildKit") as refused:
                await built(client, {"app/Dockerfile": NEEDS_BUILDKIT, "app/a.txt": b"a"}, **told)
            assert "name the `image`" in refused.value.hint
    finally:
        await client.close()
        host.stop()


async def test_the_base_image_comes_from_a_closed_registry_by_the_operators_login(newest_engine: Host, tmp_path: Path) -> None:
    with Registry.serving(tmp_path / "closed", newest_engine.gateway, closed=True) as closed:
        newest_engine.docker("login", f"--username={USER}", "--password-stdin", closed.address, input=PASSWORD)
        push(newest_engine, closed, "test/sleep:1")
        newest_engine.docker("logout", closed.address)
        client = Engine(Access(newest_engine.url))
        tree = FolderTree({"app/Dockerfile": f"FROM {closed.name('app:1')}\nCOPY a.txt /mine\n".encode(), "app/a.txt": b"a"})
        wanted = build_of("shop", "web", {"content": "/app"}, tree)
        with pytest.raises(Refused, match=r"authorization|401|no basic auth") as refused:
            await Builder(Images(client, {closed.address: Login(USER, Secret("wrong-one", "wrong"))})).build(wanted, tree)
        assert "wrong-one" not in str(refused.value)
        assert await Builder(Images(client, {closed.address: Login(USER, Secret(PASSWORD, "registry"))})).build(wanted, tree)
        await client.close()
        assert newest_engine.docker("run", "--rm", wanted.tag, "cat", "/mine") == "a"
