"""Nouns to JSON and back: the shapes of the contract. Secrets leave as ``(secret)``."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel

from trueup.model.manifest import Key
from trueup.model.secret import MASK, Secret

T = TypeVar("T")


def encode(value: object) -> bytes:
    """One JSON document in UTF-8, on one line."""
    return msgspec.json.encode(value, enc_hook=_to_plain)


def plain(value: object) -> Any:
    """The same as plain data (dict, list, str, ..), for views that lay it out."""
    return msgspec.to_builtins(value, enc_hook=_to_plain)


def decode(data: bytes | str, kind: type[T]) -> T:
    """Read what ``encode`` wrote. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=kind, dec_hook=_from_plain)


def time_text(moment: datetime, digits: str = "seconds") -> str:
    """A time as the contract writes it: RFC 3339, in UTC. ``digits``: to the ``seconds`` or the ``milliseconds``."""
    return moment.astimezone(UTC).isoformat(timespec=digits).replace("+00:00", "Z")


def _to_plain(value: object) -> object:
    if isinstance(value, Key):
        return str(value)
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _from_plain(kind: type, value: object) -> object:
    if kind is Key:
        return Key.parse(str(value))
    if issubclass(kind, BaseModel):
        return kind.model_validate(value)
    raise NotImplementedError(f"{kind.__name__} has no JSON form")
