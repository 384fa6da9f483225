"""Messages of Protocol Buffers, as far as a builder speaks them with us: fields by their number, taken apart and put together."""

from collections.abc import Iterator
from typing import Final

Value = int | bytes
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_WIDTHS: Final = {_FIXED64: 8, _FIXED32: 4}


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Each field with its number, in the order in which they stand. Raises ValueError where the message breaks off or is none."""
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _number(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            width, place = _number(message, place)
        elif kind in _WIDTHS:
            width = _WIDTHS[kind]
        else:
            raise ValueError(f"no field of a message is of kind {kind}")
        if place + width > len(message):
            raise ValueError("the message breaks off")
        yield number, message[place : place + width]
        place += width


def message_of(*told: tuple[int, Value | str]) -> bytes:
    """A message of these fields; a zero or an empty text is left out, as nothing means the same."""
    return b"".join(_field(number, value.encode() if isinstance(value, str) else value) for number, value in told if value)


def text_in(message: bytes, number: int) -> str:
    """The text of a field; empty when it is not there."""
    return next((value.decode(errors="replace") for each, value in fields(message) if each == number and isinstance(value, bytes)), "")


def number_in(message: bytes, number: int) -> int:
    """The number of a field; zero when it is not there."""
    return next((value for each, value in fields(message) if each == number and isinstance(value, int)), 0)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _number(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message):
        octet = message[place]
        value |= (octet & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if octet < 0x80:
            return value, place
    raise ValueError("the message breaks off")
