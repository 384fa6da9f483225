"""How a field's value is written in the end: each function makes one kind of value of what the user wrote in its place.

These are the forms that ``docker compose config --format json`` prints.
"""

import re
import struct
from collections.abc import Iterable
from typing import Any, Final

from trueup.renderers.compose.durations import duration, nanoseconds, size_of
from trueup.renderers.compose.located import Table
from trueup.renderers.compose.scalars import text_of
from trueup.renderers.compose.words import words_of

LEFT_OUT: Final = object()
"""Stands for a value that is not written: it says nothing that the absent field would not say."""


def text(value: Any) -> Any:
    """Text."""
    return text_of(value) or LEFT_OUT


def number(value: Any) -> Any:
    """A whole number, left out when it is 0."""
    return count(value) or LEFT_OUT


def count(value: Any) -> Any:
    """A whole number."""
    if value is None:
        return LEFT_OUT
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]+", value):
        return int(value)
    if isinstance(value, bool | str) or value != int(value):
        raise ValueError("write a whole number")
    return int(value)


def decimal(value: Any) -> Any:
    """A number of 32 bits in its shortest digits."""
    try:
        narrow = struct.unpack("<f", struct.pack("<f", float(value or 0)))[0]
    except (ValueError, OverflowError):
        raise ValueError("write a number") from None
    shortest = next(f"{narrow:.{digits}g}" for digits in range(1, 18) if _narrow(float(f"{narrow:.{digits}g}")) == narrow)
    number = float(shortest)
    return LEFT_OUT if not number else int(number) if number.is_integer() else number


def _narrow(value: float) -> Any:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def flag(value: Any) -> Any:
    """A boolean, left out when it is false."""
    return choice(value) or LEFT_OUT


def choice(value: Any) -> Any:
    """A boolean, where false says something else than nothing."""
    if value is None:
        return LEFT_OUT
    word = text_of(value).lower()
    if word not in ("true", "y", "yes", "on", "false", "n", "no", "off"):
        raise ValueError("write true or false")
    return word in ("true", "y", "yes", "on")


def size(value: Any) -> Any:
    """Bytes, as text."""
    if value is None:
        return LEFT_OUT
    found = value if isinstance(value, int) else size_of(text_of(value))
    if found is None:
        raise ValueError("write a size, such as `512m`")
    return str(found) if found else LEFT_OUT


def time(value: Any) -> Any:
    """A duration, where none at all says something else than nothing."""
    if value is None:
        return LEFT_OUT
    found = nanoseconds(text_of(value))
    if found is None:
        raise ValueError("write a duration, such as `90s` or `1m30s`")
    return duration(found)


def delay(value: Any) -> Any:
    """A duration, left out when it is 0."""
    written = time(value)
    return LEFT_OUT if written == "0s" else written


def pairs(value: Any) -> Any:
    """A mapping of texts; a name without a value has an empty one."""
    return {name: text_of(each) for name, each in _entries(value)} or LEFT_OUT


def variables(value: Any) -> Any:
    """A mapping of texts; a name without a value has none."""
    found: dict[str, str | None] = {}
    for name, each in _entries(value):
        if name[-1:].isspace():
            raise ValueError(f"the name `{name}` ends with a space")
        found[name] = None if each is None else text_of(each)
    return found or LEFT_OUT


def _entries(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
        return
    for each in value or ():
        name, equals, after = text_of(each).partition("=")
        yield name, after if equals else None


def hosts(value: Any) -> Any:
    """``HOST=ADDRESS``, sorted."""
    found: dict[str, list[str]] = {}
    for name, addresses in _hosts(value):
        if not name or ":" in name or "=" in name:
            raise ValueError(f"`{name}` is no host's name")
        found.setdefault(name, []).extend(addresses)
    written = sorted(f"{name}={_bare(address)}" for name, addresses in found.items() for address in addresses)
    return written or LEFT_OUT


def _hosts(value: Any) -> Iterable[tuple[str, list[str]]]:
    if isinstance(value, dict):
        for name, addresses in value.items():
            yield name, [text_of(each) for each in addresses] if isinstance(addresses, list) else [text_of(addresses)]
        return
    for each in value or ():
        name, found, addresses = text_of(each).partition("=")
        if not found:
            name, found, addresses = text_of(each).partition(":")
        if not found:
            raise ValueError('write "HOST=ADDRESS"')
        yield name, addresses.split(",")


def _bare(address: str) -> str:
    return address[1:-1] if len(address) > 2 and address[0] == "[" and address[-1] == "]" else address


def texts(value: Any) -> Any:
    """A list of texts."""
    if isinstance(value, str):
        return [value]
    return [text_of(each) for each in value or ()] or LEFT_OUT


def command(value: Any) -> Any:
    """The words of a command; null is what the image says, and an empty list is no command at all."""
    if value is None:
        return None
    if not isinstance(value, str):
        return [text_of(each) for each in value]
    try:
        return words_of(value)
    except ValueError as error:
        message = f"{error}: write a list of words, or [sh, -c, '...']"
        raise ValueError(message) from None


def test(value: Any) -> Any:
    """The words of a health check, of which the first says how the others are run."""
    return ["CMD-SHELL", value] if isinstance(value, str) else texts(value)


def mode(value: Any) -> Any:
    """Permissions in octal digits."""
    if value is None:
        return LEFT_OUT
    if isinstance(value, str) and not re.fullmatch("[0-7]+", value):
        raise ValueError('write octal digits in quotes, such as "0440"')
    return f"0{int(value, 8) if isinstance(value, str) else int(value):o}"


def limit(value: Any) -> Any:
    """One number, or a soft and a hard one."""
    if isinstance(value, Table):
        return {name: value[name] for name in ("soft", "hard") if value.get(name)}
    return count(value) or {}


def devices(value: Any) -> Any:
    """A number of devices; -1 is all of them."""
    return -1 if text_of(value).lower() == "all" else number(value)


def keys(value: Any) -> Any:
    """SSH keys: ``ID``, or ``ID=PATH``."""
    return [name if path is None else f"{name}={text_of(path)}" for name, path in _entries(value)] or LEFT_OUT
