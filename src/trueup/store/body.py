"""Nouns to the text that a row holds, and back. Secrets are stored as ``(secret)``."""

from typing import TypeVar

import msgspec

from trueup.model import wire
from trueup.model.errors import SettingsError, UsageError

T = TypeVar("T")


def write(value: object) -> str:
    """One JSON document."""
    return wire.encode(value).decode()


def read(text: str, kind: type[T]) -> T:
    """What ``write`` wrote. Raises SettingsError when this version cannot read it."""
    try:
        return wire.decode(text, kind)
    except (msgspec.MsgspecError, UsageError) as error:
        raise SettingsError(
            f"the memory holds what this version of Trueup cannot read: {error}",
            hint="install the version that wrote it, or name another folder with --state: only history, approvals and holds stay behind",
        ) from error
