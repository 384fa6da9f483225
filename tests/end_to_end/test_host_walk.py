"""Commits walk to what runs on this host, through the engine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.estate import Estate, application, documents, target
from tests.end_to_end.machine import Machine, directory, eventually, file, service
from trueup.model.run import RunState


@pytest.fixture(autouse=True)
def cleared(tmp_path: Path) -> Iterator[None]:
    """Nothing that a test started outlives it."""
    yield
    Machine.clear(tmp_path)


def below(estate: Estate, path: str) -> Path:
    """What is at a path below the one root, wherever the state keeps it."""
    found = [folder.parent for folder in estate.state.rglob(".trueup") if folder.is_dir()]
    return (found or [estate.state])[0] / path


async def test_a_commit_runs_is_healed_and_goes(estate: Estate) -> None:
    web = service("web", ["sleep", "1000"], uses=["Directory/site", "File/settings"])
    estate.commit(
        {
            "trueup.yaml": documents(target(runtime="host"), application("web")),
            "web/all.yaml": documents(directory("site"), file("settings", content="a"), web),
            "web/site/index.html": "<p>one</p>",
        }
    )
    async with estate.served() as operator:
        while not [run for run in await operator.history("web") if run.state is RunState.SUCCEEDED]:
            await asyncio.sleep(0.1)
        page, settings = below(estate, "web/site/index.html"), below(estate, "web/settings")
        assert page.read_text() == "<p>one</p>"
        settings.write_text("by hand")
        await eventually(lambda: settings.read_text() == "a")
        estate.commit({"web/site/index.html": "<p>two</p>"})
        await eventually(lambda: page.read_text() == "<p>two</p>")
        estate.commit({"web/all.yaml": documents(file("settings", content="a"))})
        await eventually(lambda: not page.exists())
        assert settings.read_text() == "a"


async def test_two_applications_may_call_their_objects_alike(estate: Estate) -> None:
    names = ("web", "till")
    files = {f"{name}/all.yaml": documents(file("settings", content=name), file("other", content=name)) for name in names}
    estate.commit({"trueup.yaml": documents(target(runtime="host"), *(application(name) for name in names)), **files})
    async with estate.operator() as operator:
        assert {run.state for run in await operator.apply()} == {RunState.SUCCEEDED}
        assert [below(estate, f"{name}/settings").read_text() for name in names] == list(names)
        estate.commit({"till/all.yaml": documents(file("other", content="till"))})
        assert [run.state for run in await operator.apply()] == [RunState.SUCCEEDED]
        assert not below(estate, "till/settings").exists()
        assert below(estate, "web/settings").read_text() == "web"


async def test_an_object_that_moves_between_two_applications_is_at_one_place_only(estate: Estate) -> None:
    settings, other = file("settings", content="a"), file("other", content="b")
    estate.commit(
        {
            "trueup.yaml": documents(target(runtime="host"), application("a"), application("z")),
            "a/all.yaml": documents(settings, other),
            "z/all.yaml": documents(other),
        }
    )
    async with estate.served():
        await eventually(lambda: below(estate, "a/settings").exists() and below(estate, "z/other").exists())
        estate.commit({"a/all.yaml": documents(other), "z/all.yaml": documents(settings, other)})
        await eventually(lambda: below(estate, "z/settings").exists() and not below(estate, "a/settings").exists())
        estate.commit({"a/all.yaml": documents(settings, other), "z/all.yaml": documents(other)})
        await eventually(lambda: below(estate, "a/settings").exists() and not below(estate, "z/settings").exists())
