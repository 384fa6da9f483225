"""Images that a real engine builds from what Git has."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.testbed.docker.engine import Engine as Host
from trueup.model.errors import Refused
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.building import build, build_of
from trueup.runtimes.compose.engine import Engine
from trueup.testing.trees import FolderTree

DOCKERFILE = b"FROM test/sleep:1 AS first\nARG WORD=none\nRUN echo $WORD > /word\nCOPY . /src\nFROM first\nRUN echo second > /stage\n"
CONTEXT = {"app/Dockerfile": DOCKERFILE, "app/a.txt": b"a", "app/logs/one.log": b"x", "app/.dockerignore": b"**/*.log\n"}


@pytest.fixture
async def client(engine: Host) -> AsyncIterator[Engine]:
    connected = Engine(Access(engine.url))
    yield connected
    await connected.close()


async def built(client: Engine, files: dict[str, bytes], image: str = "", **told: Any) -> str:
    """The tag of an image that was built."""
    tree = FolderTree(files)
    wanted = build_of("shop", "web", {"content": "/app", **told}, tree)
    await build(client, wanted, tree, {}, image)
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
    with pytest.raises(Refused, match=r"returned a non-zero code: 3; its last output: .*why it fails") as refused:
        await built(client, {"app/Dockerfile": dockerfile})
    assert refused.value.where == "app/Dockerfile:6"


async def test_a_dockerfile_that_cannot_be_read_is_refused(client: Engine) -> None:
    with pytest.raises(Refused, match="unknown instruction: FORM") as refused:
        await built(client, {"app/Dockerfile": b"FORM test/sleep:1\n"})
    assert refused.value.where == "app/Dockerfile"
    with pytest.raises(Refused, match="Dockerfile"):
        await built(client, {"app/a": b"no Dockerfile"})
