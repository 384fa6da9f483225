"""An engine's requests: the version that both sides speak, and what its answers become."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web

from trueup.model.errors import Refused, Unreachable
from trueup.runtimes.compose.access import Access, fault_of
from trueup.runtimes.compose.engine import Absent, Clash, Engine


@asynccontextmanager
async def engine_at(folder: Path, newest: str, oldest: str) -> AsyncIterator[tuple[Engine, list[str]]]:
    """Something on a socket that answers as an engine of these versions does, and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path_qs)
        match request.path.rpartition("/")[2]:
            case "version":
                return web.json_response({"ApiVersion": newest, "MinAPIVersion": oldest})
            case "gone":
                return web.json_response({"message": "No such container: gone"}, status=404)
            case "taken":
                return web.json_response({"message": "the name is in use"}, status=409)
            case "started":
                return web.Response(status=304)
            case "tomorrow":
                return web.Response(headers={"Date": format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)})
            case "events":
                return web.Response(body=b'{"a": 1}\n{"a":')
            case _:
                return web.json_response({"body": (await request.read()).decode()})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "s")).start()
    engine = Engine(Access(f"unix://{folder}/s"))
    try:
        yield engine, asked
    finally:
        await engine.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"), [("1.41", "1.12", "1.41"), ("1.52", "1.44", "1.48"), ("1.60", "1.50", "1.50"), ("1.44", "1.24", "1.44")]
)
async def test_both_sides_speak_one_version(newest: str, oldest: str, spoken: str, tmp_path: Path) -> None:
    async with engine_at(tmp_path, newest, oldest) as (engine, asked):
        await engine.get("/containers/json", all=True, filters={"label": ["a=b c"]}, limit=None)
        assert asked == ["/version", f"/v{spoken}/containers/json?all=true&filters=" + asked[1].partition("filters=")[2]]
        assert asked[1].endswith("%7B%22label%22%3A%20%5B%22a%3Db%20c%22%5D%7D")


async def test_an_engine_that_is_too_old_is_refused(tmp_path: Path) -> None:
    async with engine_at(tmp_path, "1.40", "1.12") as (engine, _):
        with pytest.raises(Refused, match="too old"):
            await engine.get("/info")


async def test_refusals_are_told_in_the_words_of_the_engine(tmp_path: Path) -> None:
    async with engine_at(tmp_path, "1.44", "1.24") as (engine, _):
        with pytest.raises(Absent, match="No such container: gone"):
            await engine.get("/containers/gone")
        with pytest.raises(Clash, match="the name is in use"):
            await engine.post("/containers/taken", {"Image": "x"})
        assert await engine.post("/containers/started") is None
        assert json.loads((await engine.post("/containers/create", {"Image": "x"}))["body"]) == {"Image": "x"}
        assert (await engine.post("/build", b"tar"))["body"] == "tar"


async def test_the_time_is_that_of_the_engine(tmp_path: Path) -> None:
    async with engine_at(tmp_path, "1.44", "1.24") as (engine, _):
        await engine.get("/info")
        assert abs(engine.now - datetime.now(UTC)) < timedelta(minutes=1)
        await engine.get("/tomorrow")
        assert timedelta(hours=23) < engine.now - datetime.now(UTC) < timedelta(hours=25)


async def test_a_stream_that_breaks_off_says_so(tmp_path: Path) -> None:
    async with engine_at(tmp_path, "1.44", "1.24") as (engine, _):
        events = engine.lines("GET", "/events")
        assert await anext(events) == {"a": 1}
        with pytest.raises(Unreachable):
            await anext(events)


async def test_an_engine_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    engine = Engine(Access(f"unix://{tmp_path}/nobody"))
    with pytest.raises(Unreachable, match="does not answer") as raised:
        await engine.get("/info")
    assert raised.value.hint
    await engine.close()


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://10.0.0.1:2376", True),
        ("tcp://[::1]:2376", True),
        ("ssh://deploy@host.example.org:2222", True),
        ("ssh://host/run/user/1000/docker.sock", True),
        ("unix://docker.sock", False),
        ("tcp://host:99999", False),
        ("ssh://-oProxyCommand=x", False),
        ("ssh://me:password@host", False),
        ("ssh://-oProxyCommand=x@host", False),
        ("ssh://a b", False),
        ("http://host", False),
    ],
)
def test_an_address_is_a_socket_or_a_host(address: str, fits: bool) -> None:
    assert (fault_of(address) == "") is fits


def test_only_this_machine_is_spoken_to_without_encryption() -> None:
    assert Access("tcp://127.0.0.1").url == "http://127.0.0.1:2375"
    assert Access("tcp://127.0.0.1", authority="PEM").url == "https://127.0.0.1:2376"
    assert Access("tcp://host").url == "https://host:2376"
