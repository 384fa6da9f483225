"""What strangers write is evaluated, has no way out, and ends."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from trueup.toolkit.expression import Confined, Finding, Limits

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BODY: dict[str, Any] = {"status": {"phase": "Ready", "none": None, "list": [1, 2, 3]}}


@pytest.fixture(scope="module")
def confined() -> Iterator[Confined]:
    confined = Confined(Limits(seconds=0.2))
    yield confined
    confined.close()


def lua(confined: Confined, script: str) -> Finding:
    return confined.lua(script, BODY, NOW)


def healthy(confined: Confined) -> bool:
    return lua(confined, "return {status = 'Healthy'}") == Finding(["Healthy", ""])


def test_several_expressions_are_answered_at_once(confined: Confined) -> None:
    found = confined.cel(["status.phase", "status.nothing", "1 +", "now"], BODY, NOW)
    assert [each.value for each in found[:2]] == ["Ready", None]
    assert found[1].absent
    assert found[2].fault


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("return {status = 'Healthy', message = obj.status.phase}", ["Healthy", "Ready"]),
        ("hs = {} hs.status = 'Degraded' return hs", ["Degraded", ""]),
        ("return {status = 'Healthy', message = table.getn(obj.status.list) .. tostring(obj.status.none)}", ["Healthy", "3nil"]),
        ("local os = require('os') return {status = 'Healthy', message = os.date('!%Y', os.time())}", ["Healthy", "2026"]),
        ("return {status = 'Healthy', message = select(2, pcall(error, 'x', 0))}", ["Healthy", "x"]),
        ("return nil", None),
        ("return {}", None),
    ],
)
def test_a_health_script_says_what_it_says_in_argo_cd(confined: Confined, script: str, words: list[str] | None) -> None:
    assert lua(confined, script) == Finding(words)


@pytest.mark.parametrize(
    "script", ["return 3", "return {status =", "error('no')", "return nothing.at.all", "\x1bLJ", "return {status='\\255'}"]
)
def test_a_broken_script_says_why(confined: Confined, script: str) -> None:
    assert lua(confined, script).fault


@pytest.mark.parametrize(
    "way",
    [
        "io", "package", "debug", "ffi", "jit", "python", "load", "loadstring", "loadfile", "dofile", "coroutine", "newproxy", "setfenv",
        "getfenv", "collectgarbage", "module", "os.execute", "os.getenv", "os.remove", "os.exit", "string.dump", "_G.io", "_G._G.debug",
        "getmetatable('').__index", "require('ffi')", "require('io')", "('').dump", "obj.__class__", "setmetatable('', {})",
    ],
)  # fmt: skip
def test_no_way_leads_out_of_the_sandbox(confined: Confined, way: str) -> None:
    found = lua(confined, f"local fine, way = pcall(function() return {way} end) return {{status = tostring(fine and way)}}")
    assert found.value is None or found.value[0] in ("nil", "false")
    assert found.value or found.fault


def test_a_script_leaves_nothing_behind_for_the_next(confined: Confined) -> None:
    lua(confined, "string.lower, table.insert, left, _G.pairs = nil, nil, 1, nil obj.status = nil return {status = 'Healthy'}")
    script = "for _ in pairs(obj) do end return {status = ('Healthy'):lower(), message = tostring(left) .. obj.status.phase}"
    assert lua(confined, script) == Finding(["healthy", "nilReady"])


@pytest.mark.parametrize(
    "script",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return f() end return f()",
        "local function f() return 1 + f() end return f()",
        "local s = 'a' for i = 1, 60 do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = {i} end",
        "return string.rep('a', 1e10)",
        "return (string.rep('a', 500)):find(string.rep('.-', 6) .. 'b')",
        "return setmetatable({}, {__index = function(t, k) return t[k] end}).x",
    ],
)
def test_a_script_that_takes_too_much_ends_and_the_next_is_answered(confined: Confined, script: str) -> None:
    assert lua(confined, script).fault
    assert healthy(confined)


LOOP = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{LOOP}.all({name}, " for name in "abcdefghij") + "true" + ")" * 10,
        "['aaaaaaaaaaaaaaaaaaaa']" + ".map(x, x + x + x + x + x + x + x + x)" * 40 + " == []",
    ],
)
def test_an_expression_that_takes_too_much_ends_once_and_is_not_tried_again(confined: Confined, text: str) -> None:
    first = confined.cel([text], {}, NOW)
    assert first[0].fault
    assert healthy(confined)
    assert confined.cel([text], {}, NOW) == first


def test_nothing_of_our_environment_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_TOKEN", "hunter2")
    confined = Confined()
    assert healthy(confined)
    assert confined._process
    with open(f"/proc/{confined._process._popen.pid}/environ", "rb") as environment:  # noqa: PTH123
        assert b"hunter2" not in environment.read()
    confined.close()


def test_the_process_ends_with_us() -> None:
    confined = Confined()
    assert healthy(confined)
    assert confined._process
    process = confined._process._popen
    confined.close()
    assert process.poll() == 0
    assert healthy(confined)
    confined.close()
