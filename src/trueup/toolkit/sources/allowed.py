"""An address -> whether the operator allows it, and how one gets in there. Nothing is allowed that is not listed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from trueup.model.errors import SettingsError
from trueup.toolkit.git.remote import Credentials, scrub

PORTS: Final = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
_SCP_LIKE: Final = re.compile(r"(?:[^/@:\s]+@)?(?P<host>[^/@:\s]+):(?!//)(?P<path>\S+)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Everything whose address begins with ``url``: the same scheme, host and port, and below the same path, whole names compared."""

    url: str
    credentials: Credentials | None = field(default=None, repr=False)

    def covers(self, url: str) -> bool:
        """Whether an address lies below this one."""
        mine, theirs = _parts(self.url), _parts(url)
        if mine is None or theirs is None:
            return False
        return mine.place == theirs.place and theirs.steps[: len(mine.steps)] == mine.steps


@dataclass(frozen=True, slots=True)
class Policy:
    """All that the operator allows."""

    entries: Sequence[Allowed] = ()

    def of(self, url: str) -> Allowed:
        """The entry that allows an address, the closest one of several. Raises SettingsError."""
        fitting = [each for each in self.entries if each.covers(url)]
        if not fitting:
            shown = scrub(url)
            prefix = f"{shown.partition('://')[0]}://{urlsplit(shown).netloc}/" if "://" in shown else shown
            hint = f'let the operator allow it in the settings: `[[sources]] url = "{prefix}"`'
            raise SettingsError(f"`{shown}` is not among the sources that the operator allows", where=shown, hint=hint)
        return max(fitting, key=lambda each: len(each.url))


@dataclass(frozen=True, slots=True)
class _Parts:
    place: tuple[str, str, int]
    steps: tuple[str, ...]


def _parts(url: str) -> _Parts | None:
    """Scheme, host and port, and the names of the path; None for what is no address, or climbs."""
    if "://" not in url and (match := _SCP_LIKE.fullmatch(url)):
        url = f"ssh://{match['host']}/{match['path'].lstrip('/')}"
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    if not split.scheme or (not split.hostname and split.scheme != "file"):
        return None
    steps = tuple(step for step in unquote(split.path).split("/") if step)
    if any(step in (".", "..") or "\\" in step for step in steps):
        return None
    scheme = split.scheme.lower()
    return _Parts((scheme, (split.hostname or "").lower(), port or PORTS.get(scheme, 443)), steps)
