"""Durations, sizes and numbers as Compose writes them -> what the engine counts in."""

import re
from typing import Any, Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS: Final = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def nanoseconds(value: Any) -> int:
    """``1m30s``, or seconds as a number. Raises ValueError."""
    if isinstance(value, int | float):
        return round(value * 10**9)
    text = str(value)
    parts = _DURATION.findall(text)
    if text == "0":
        return 0
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"`{text}` is no duration")
    return round(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))


def seconds(value: Any) -> float:
    """The same in seconds."""
    return nanoseconds(value) / 10**9


def size(value: Any) -> int:
    """``512m``, or a number of bytes. Raises ValueError."""
    if isinstance(value, int | float):
        return int(value)
    if str(value) == "-1":
        return -1
    found = _SIZE.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"`{value}` is no size")
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])
