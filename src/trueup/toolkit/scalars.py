"""What an unquoted word in YAML means: the text of a scalar becomes a string, number, boolean or null, as kubectl would take it.

kubectl reads with sigs.k8s.io/yaml, which is go-yaml 2 (YAML 1.1, with numbers as Go writes them) and then JSON. So `y` and `off` are
booleans, `0777` and `0o777` are both 511, `08` is 8, `1e3` is 1000, while dates and `12:30` stay strings.
"""

import base64
import binascii
import math
import re
import struct
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

TAGS: Final = "!!str !!int !!float !!bool !!null !!binary !!timestamp !!map !!seq"
MERGE: Final = "tag:yaml.org,2002:merge"

WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}

_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINTED: Final = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9:.]+(Z|[-+][0-9:]+)?)?")
_LONGEST_INTEGER: Final = 70
"""Digits of the longest 64-bit number (binary), with room; a decimal number of a million digits is never converted."""


def meaning(text: str) -> Scalar:
    """What an unquoted word means. A float stays one here, also when it is whole or not finite."""
    if text in WORDS:
        return WORDS[text]
    if text[0] in _NUMBER_STARTS:
        return _number(text)
    return text


def scalar_of(text: str, plain: bool, tag: str | None) -> Scalar:
    """What a scalar means: ``plain`` says that it stands without quotes. Raises what ``tagged`` raises."""
    if tag:
        return tagged(text, tag)
    return meaning(text) if plain else text


def tagged(text: str, tag: str) -> Scalar:
    """What a word with a tag such as ``!!int`` means. Raises ValueError when it cannot be that, LookupError when nobody knows the tag."""
    kind = tag.removeprefix("tag:yaml.org,2002:")
    if kind in ("str", "!") or (kind == "merge" and text == "<<"):
        return text
    if kind == "binary":
        return _decoded(text)
    if kind == "timestamp":
        return _expect(text, bool(_TIMESTAMP.fullmatch(text)))
    value = meaning(text)
    if kind == "int":
        return _expect(value, type(value) is int)
    if kind == "float":
        return float(_expect(value, type(value) in (int, float)) or 0)
    if kind == "bool":
        return _expect(value, type(value) is bool)
    if kind == "null":
        return _expect(value, value is None)
    raise LookupError(tag)


def key_of(value: Scalar) -> str | None:
    """A mapping's key as JSON has it: ``on`` is ``"true"``, ``0x10`` is ``"16"``; None for null and what kubectl refuses as a key."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value < 2**63 else None
    return None if value is None else _float_key(value)


def json_number(value: float) -> int | float:
    """A float as it comes back out of JSON: a whole one is an integer, as far as 64 bits go. Go writes the shortest digits, so do we."""
    if not value.is_integer() or abs(value) >= 2**63:
        return value
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, part = mantissa.partition(".")
    return int(whole + part) * 10 ** (int(exponent) - len(part)) if exponent else int(whole)


def _number(text: str) -> Scalar:
    if text.isdigit() and text.isascii() and len(text) < 19 and text[0] != "0":
        return int(text)
    if text[0] == ".":
        return _float(text) if _POINTED.fullmatch(text) else text
    digits = text.replace("_", "")
    found = _INTEGER.fullmatch(digits)
    if found and len(digits) < _LONGEST_INTEGER:
        number = _integer(found)
        if -(2**63) <= number < 2**63 or (not found[1] and number < 2**64):
            return number
    if not _FLOAT.fullmatch(digits):
        return text
    value = _float(digits)
    return text if isinstance(value, str) else value


def _integer(found: re.Match[str]) -> int:
    sign, hexadecimal, binary, octal, decimal = found.groups()
    if hexadecimal:
        number = int(hexadecimal, 16)
    elif binary:
        number = int(binary, 2)
    else:
        number = int(octal, 8) if octal else int(decimal)
    return -number if sign == "-" else number


def _float(digits: str) -> float | str:
    """The number, or the text when it is out of range: Go leaves it a string then."""
    value = float(digits)
    return digits if math.isinf(value) else value


def _float_key(value: float) -> str:
    """Go's ``FormatFloat(value, 'g', -1, 32)``: the shortest digits that a 32-bit float needs."""
    narrow = _narrow(value)
    (near,) = struct.unpack("<f", narrow)
    if not math.isfinite(near):
        return ".nan" if math.isnan(near) else ".inf" if near > 0 else "-.inf"
    digits = next(count for count in range(9) if count == 8 or _narrow(float(f"{near:.{count}e}")) == narrow)
    scientific = f"{near:.{digits}e}"
    power = int(scientific.partition("e")[2])
    return f"{near:.{max(digits - power, 0)}f}" if -4 <= power < 6 else scientific


def _narrow(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("not base64 of a text") from error


def _expect(value: Scalar, fits: bool) -> Scalar:
    if not fits:
        raise ValueError("not of that kind")
    return value
