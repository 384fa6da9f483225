"""What an expression gives, and what it may take."""

from dataclasses import dataclass
from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value; or ``absent``: the expression looks at a field that is not there; or ``fault``: why it has no value, in one line."""

    value: Any = None
    absent: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may take: processor seconds, bytes, and Lua instructions. ``patience`` is for a machine that hardly runs."""

    seconds: float = 0.5
    memory: int = 256 * 1024 * 1024
    instructions: int = 2_000_000
    patience: float = 30.0


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """Goes to the confined process. CEL: ``texts`` over ``given`` (name -> value). Lua: one text over ``given["obj"]``.
    ``now`` counts seconds since 1970."""

    language: str
    texts: tuple[str, ...]
    given: dict[str, Any]
    now: float
