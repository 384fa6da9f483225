"""Values -> those that are secrets by the names of their fields: a program may say anything when it fails."""

import re
from collections.abc import Iterator
from typing import Final

SHORTEST: Final = 4
_SECRET: Final = re.compile(r"pass|secret|token|credential|key", re.IGNORECASE)


def secrets_in(value: object, named: bool = False) -> Iterator[str]:
    """The texts; ``named`` says that the value is one itself. What is too short to be a secret is left out."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from secrets_in(each, named or bool(_SECRET.search(str(name))))
    elif isinstance(value, list):
        for each in value:
            yield from secrets_in(each, named)
    elif named and isinstance(value, str | int) and len(str(value)) >= SHORTEST:
        yield str(value)
