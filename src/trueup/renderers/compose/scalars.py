"""What an unquoted word means in a Compose file, and how a value reads as text: as Compose itself takes both.

Compose reads YAML 1.2 with some of 1.1: ``yes`` and ``on`` are text where ``true`` is a boolean, while ``0777`` is an octal number and
``1_000`` a decimal one.
"""

import math
import re
from typing import Final

from trueup.toolkit.scalars import WORDS, Scalar, meaning, tagged

_TEXT: Final = frozenset(word for word, value in WORDS.items() if isinstance(value, bool) and word.lower() not in ("true", "false"))
_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?")


def scalar(text: str, is_plain: bool, tag: str | None) -> Scalar:
    """What a scalar means. Raises ValueError and LookupError as ``toolkit.scalars.tagged`` does."""
    if tag and tag != "!":
        return tagged(text, tag)
    if not is_plain or tag or text in _TEXT:
        return text
    return meaning(text)


def is_date(text: str) -> bool:
    """Whether an unquoted word is a date or a time, which Compose would rewrite."""
    return bool(_DATE.fullmatch(text))


def text_of(value: object) -> str:
    """How a value reads where text is expected: ``true``, ``8080``, ``0.5``, ``1e+21``; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    return str(value)


def _number(value: float) -> str:
    """The shortest digits that give the number, with an exponent only when it is below -4 or above 20: Go's ``%v``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value!r}".partition("e")
    power = math.floor(math.log10(abs(value))) if value else 0
    if -4 <= power < 21:
        return f"{value:.0f}" if value.is_integer() else f"{value!r}" if not exponent else f"{value:.{20}f}".rstrip("0")
    if not exponent:
        mantissa, _, exponent = f"{value:e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"
