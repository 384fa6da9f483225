"""What serve answers over HTTP, asked over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from trueup.model.errors import SettingsError
from trueup.model.secret import Secret
from trueup.server.application import LARGEST_BODY, application
from trueup.server.listener import Listener

TRIGGER = "POST /api/v1/repositories/trigger"
TOKEN = "correct horse"


@dataclass
class Engine:
    """Remembers what it was woken for."""

    woken: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    weaker: list[str] = field(default_factory=list)

    async def trigger(self, url: str) -> int:
        self.woken.append(url)
        return 2

    async def ready(self) -> list[str]:
        return self.reasons

    async def warnings(self) -> list[str]:
        return self.weaker


@dataclass
class Answer:
    """Status, head and body."""

    status: int
    head: str
    body: str


@dataclass
class Asked:
    """An engine that is served, and a way to ask it."""

    engine: Engine
    port: int

    async def __call__(self, line: str, body: bytes = b"", token: str = "", length: int | None = None) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        head += f"content-length: {len(body) if length is None else length}\r\n" + (f"authorization: Bearer {token}\r\n" if token else "")
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        answer = (await reader.read()).decode()
        writer.close()
        told, _, content = answer.partition("\r\n\r\n")
        return Answer(int(told.split()[1]), told.lower(), content)


@asynccontextmanager
async def served(token: str | None = TOKEN) -> AsyncIterator[Asked]:
    engine, listener = Engine(), Listener("127.0.0.1", 0)
    secret = Secret(token, "env:TOKEN") if token else None
    serving = asyncio.create_task(listener.serve(application(engine, secret, lambda: b"trueup_queue_rows 0\n")))
    try:
        yield Asked(engine, int(listener.address.rpartition(":")[2]))
    finally:
        listener.stop()
        await serving


async def test_it_lives_as_soon_as_it_answers() -> None:
    async with served() as ask:
        answer = await ask("GET /healthz")
        assert (answer.status, answer.body) == (200, "ok\n")


async def test_it_says_why_it_is_not_ready() -> None:
    async with served() as ask:
        assert json.loads((await ask("GET /readyz")).body) == {"ready": True, "reasons": [], "warnings": []}
        ask.engine.reasons.append("the first fetch is not done")
        answer = await ask("GET /readyz")
        assert (answer.status, json.loads(answer.body)["reasons"]) == (503, ["the first fetch is not done"])


async def test_what_is_weaker_than_it_might_be_is_told_and_is_no_reason_not_to_be_ready() -> None:
    async with served() as ask:
        ask.engine.weaker.append("renderers run without a network of their own")
        answer = await ask("GET /readyz")
        assert (answer.status, json.loads(answer.body)["warnings"]) == (200, ["renderers run without a network of their own"])


async def test_figures_are_text_of_prometheus() -> None:
    async with served() as ask:
        answer = await ask("GET /metrics")
        assert answer.body == "trueup_queue_rows 0\n"
        assert "content-type: text/plain; version=0.0.4" in answer.head


@pytest.mark.parametrize(
    ("body", "url"), [(b"", ""), (b'{"url": "https://example.org/x"}', "https://example.org/x"), (b'{"ref": "refs/heads/main"}', "")]
)
async def test_a_push_wakes(body: bytes, url: str) -> None:
    async with served() as ask:
        answer = await ask(TRIGGER, body, TOKEN)
        assert (answer.status, json.loads(answer.body), ask.engine.woken) == (202, {"woken": 2}, [url])


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "c\u00f6rrect"])
async def test_nobody_wakes_it_without_the_token(token: str) -> None:
    async with served() as ask:
        answer = await ask(TRIGGER, b"", token)
        assert (answer.status, ask.engine.woken) == (401, [])
        assert "www-authenticate: bearer" in answer.head
        assert TOKEN not in answer.body


async def test_a_trigger_without_a_token_set_is_refused_with_the_reason() -> None:
    async with served(token=None) as ask:
        answer = await ask(TRIGGER, b"", "anything")
        assert (answer.status, ask.engine.woken) == (403, [])
        assert "trigger.token_env" in answer.body


async def test_a_body_that_is_too_large_is_not_read() -> None:
    async with served() as ask:
        assert (await ask(TRIGGER, b"{}", TOKEN, length=LARGEST_BODY + 1)).status == 413
        assert ask.engine.woken == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"url": 3}', b"\xff"])
async def test_a_body_that_is_no_trigger_is_told(body: bytes) -> None:
    async with served() as ask:
        answer = await ask(TRIGGER, body, TOKEN)
        assert (answer.status, ask.engine.woken) == (400, [])
        assert "JSON" in json.loads(answer.body)["error"]


async def test_what_is_not_there_is_told_in_json() -> None:
    async with served() as ask:
        answer = await ask("GET /nothing")
        assert (answer.status, list(json.loads(answer.body))) == (404, ["error"])


async def test_a_port_in_use_says_so() -> None:
    listener = Listener("127.0.0.1", 0)
    with pytest.raises(SettingsError, match="cannot listen: Address already in use") as raised:
        Listener("127.0.0.1", int(listener.address.rpartition(":")[2]))
    assert "--listen" in raised.value.hint
    listener.close()
