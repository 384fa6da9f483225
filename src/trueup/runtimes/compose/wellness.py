"""A container that was just started -> whether it does well."""

import asyncio
import time
from typing import Any, Final

from trueup.runtimes.compose.engine import Absent, Engine

_FIRST: Final = 0.05
_LONGEST: Final = 1.0
_HEADER: Final = 8
_LONGEST_LINE: Final = 300


async def trouble_of(engine: Engine, container: str, monitor: float, patience: float) -> str:
    """Wait until it does well, and say nothing then: its health check says so, or it ran for ``monitor`` seconds, or it ended with success
    where it is not started again. Otherwise what is wrong, with its last words, at the latest after ``patience`` seconds."""
    began, pause, restarts = time.monotonic(), _FIRST, -1
    while True:
        try:
            body = await engine.get(f"/containers/{container}/json")
        except Absent:
            return "it was removed while it was looked at"
        if restarts < 0:
            restarts = int(body.get("RestartCount") or 0)
        verdict = _verdict(body, restarts, time.monotonic() - began, monitor)
        if verdict == "":
            return ""
        if verdict is None and time.monotonic() - began > max(patience, monitor):
            verdict = "it did not become healthy in time"
        if verdict is not None:
            words = await last_words(engine, container, bool(body["Config"].get("Tty")))
            return verdict + (f"; its last words: {words}" if words else "")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)


def _verdict(body: dict[str, Any], restarts: int, passed: float, monitor: float) -> str | None:
    """Nothing when all is well, what is wrong, or None when that is not known yet."""
    state = body["State"]
    health = (state.get("Health") or {}).get("Status")
    if int(body.get("RestartCount") or 0) > restarts or state.get("Restarting"):
        return f"it ended with exit code {state.get('ExitCode')} and is started again and again"
    if state.get("Status") in ("exited", "dead"):
        again = (body["HostConfig"].get("RestartPolicy") or {}).get("Name") in ("always", "unless-stopped")
        if not state.get("ExitCode") and not again:
            return ""
        out_of_memory = " (out of memory)" if state.get("OOMKilled") else ""
        return f"it ended with exit code {state.get('ExitCode')}{out_of_memory}"
    if health == "unhealthy":
        return f"it is unhealthy: {_of_check(state)}"
    if health == "healthy" or (health in (None, "", "none") and passed >= monitor):
        return ""
    return None


async def last_words(engine: Engine, container: str, terminal: bool) -> str:
    """The last line that it printed."""
    try:
        pieces = [piece async for piece in engine.pieces(f"/containers/{container}/logs", stdout=True, stderr=True, tail=3)]
    except Exception:  # noqa: BLE001 - a log that cannot be had must not hide what is wrong
        return ""
    return _last_line(b"".join(pieces), terminal)


def _last_line(data: bytes, terminal: bool) -> str:
    text = data if terminal else b"".join(_frames(data))
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:_LONGEST_LINE] if lines else ""


def _frames(data: bytes) -> list[bytes]:
    frames = []
    while len(data) >= _HEADER:
        size = int.from_bytes(data[4:_HEADER], "big")
        frames.append(data[_HEADER : _HEADER + size])
        data = data[_HEADER + size :]
    return frames


def _of_check(state: dict[str, Any]) -> str:
    log = (state.get("Health") or {}).get("Log") or []
    said = str(log[-1].get("Output") or "").strip() if log else ""
    return said.splitlines()[-1][:_LONGEST_LINE] if said else f"its check ends with exit code {log[-1].get('ExitCode') if log else '?'}"
