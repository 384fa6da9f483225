"""Durations and sizes as Compose writes them -> numbers, and back."""

import math
import re
from typing import Final

_UNITS: Final = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9,
    "m": 60 * 10**9, "h": 3600 * 10**9, "d": 24 * 3600 * 10**9, "w": 7 * 24 * 3600 * 10**9,
}  # fmt: skip
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]+)")
_LONGEST: Final = 2**63
_SIZE: Final = re.compile(r"([0-9.]+) ?(?:([bkmgtp])(i?b)?)?", re.IGNORECASE)


def nanoseconds(text: str) -> int | None:
    """``1h30m``, ``1.5s``, ``0``; None when it is no duration."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        return None
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if not part or part[3] not in _UNITS or not (part[1] or part[2]):
            return None
        total += int(part[1] or 0) * _UNITS[part[3]]
        if part[2]:
            total += int(float(int(part[2])) * (float(_UNITS[part[3]]) / 10 ** len(part[2])))
        at = part.end()
    return sign * total if total < _LONGEST else None


def duration(amount: int) -> str:
    """The form that Compose prints: ``1m30s``, ``1.5s``, ``200ms``, ``0s``."""
    if amount < 0:
        return "-" + duration(-amount)
    if amount < 1_000_000_000:
        unit = "ns" if amount < 1_000 else "µs" if amount < 1_000_000 else "ms"
        return f"{_fraction(amount, _UNITS[unit])}{unit}" if amount else "0s"
    minutes, rest = divmod(amount, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_fraction(rest, _UNITS['s'])}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _fraction(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def size_of(text: str) -> int | None:
    """Bytes of ``512m``, ``1.5GiB`` or ``1024``, where k is 1024; None when it is no size."""
    found = _SIZE.fullmatch(text)
    try:
        number = float(found[1]) if found else math.nan
    except ValueError:
        return None
    if not found or not math.isfinite(number) or ((found[2] or "").lower() == "b" and found[3]):
        return None
    return int(number * 1024 ** max("bkmgtp".find((found[2] or "b").lower()), 0))
