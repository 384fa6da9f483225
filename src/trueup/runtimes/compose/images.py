"""The image that a service names -> what the engine has of it, what its registry has, and whether it must be pulled."""

import base64
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from trueup.model.errors import Refused, TrueupError, Unreachable
from trueup.model.secret import MASK
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.login import Login
from trueup.runtimes.compose.references import HUB, Reference, reference_of

_HUB_LOGIN: Final = "https://index.docker.io/v1/"
_DAY: Final = 86400.0
_PERIODS: Final = {"always": 60.0, "daily": _DAY, "weekly": 7 * _DAY}
_EVERY: Final = re.compile(r"(\d+)([smhdw])")
_LOGIN: Final = "look at its name, and whether the settings name a login for its registry: `registries` in `[targets.compose]`"
_RIGHTS: Final = "look at its name, and whether the login of its registry may read it: `registries` in `[targets.compose]`"
_HINTS: Final = {
    ("no space left", "disk quota"): "make room on the engine's disk: `docker system df` tells what takes it",
    ("toomanyrequests", "too many requests", "rate limit"): "wait until the registry's limit allows more, or log in: `registries` in "
    "`[targets.compose]`",
    ("timeout", "connection refused", "no such host", "name resolution", "no route to host", "server misbehaving"): "look whether the "
    "engine's host reaches the registry",
}
Heard = list[dict[str, Any]]
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY, "w": 7 * _DAY}


@dataclass(frozen=True, slots=True)
class Image:
    """What a reference stands for.

    ``identity`` is the image that the engine has for it, empty when it has none. ``digest`` is what the registry serves under the name,
    as far as it was asked. ``pull``: it must be pulled before a container can be made of it.
    """

    reference: Reference
    identity: str = ""
    digest: str = ""
    pull: bool = False
    trouble: str = ""

    @property
    def shown(self) -> str:
        """For people: the name, and which content it stands for."""
        content = self.digest or self.identity
        return f"{self.reference.tagged} ({content[:19]})" if content else self.reference.tagged


@dataclass(slots=True)
class Images:
    """The images of one engine, and the registries that they come from.

    ``keep``: so many versions of a service's image stay beside the one in use; None: all that were ever brought.
    """

    engine: Engine
    logins: Mapping[str, Login] = field(default_factory=dict)
    keep: int | None = None
    clock: Callable[[], float] = time.monotonic
    _served: dict[str, tuple[float, str, str]] = field(default_factory=dict)

    async def listed(self) -> "Shelf":
        """Every image of the engine, by one request."""
        return Shelf(await self.engine.get("/images/json"))

    async def resolve(self, text: str, policy: str, shelf: "Shelf") -> Image:
        """What an image stands for now. Asks the registry when the engine has none, or ``pull_policy`` says to. Never raises Refused."""
        reference = reference_of(text)
        identity = shelf.identity(reference)
        period = period_of(policy)
        if policy == "never" or (identity and (period is None or reference.digest)):
            return Image(reference, identity, shelf.digest(reference, identity), trouble="" if identity else "the engine does not have it")
        digest, trouble = await self._digest(reference, period or 0.0)
        if not digest:
            return Image(reference, identity, shelf.digest(reference, identity), pull=not identity, trouble=trouble)
        served = shelf.identity(Reference(reference.registry, reference.path, "", digest))
        if reference.tag and identity and served and served != identity:
            # The engine has the content already, but the name stands for another one.
            return Image(reference, served, digest)
        return Image(reference, served, digest, pull=not served)

    async def bring(self, image: Image, platform: str = "") -> str:
        """Have it at the engine under its name, of this platform where it has to be pulled; its identity.

        Raises Refused with the registry's words, before anything was touched.
        """
        if image.pull:
            await self._pull(image, platform)
        try:
            found = await self.engine.get(f"/images/{self._whereabouts(image)}/json")
        except Absent as error:
            hint = "pull it by hand, or choose another `pull_policy`"
            raise Refused(f"the engine has no image {image.reference.tagged}", where=error.where, hint=hint) from error
        identity = str(found["Id"])
        if image.reference.tag and image.reference.tagged not in _familiar(found.get("RepoTags") or ()):
            await self.engine.post(f"/images/{identity}/tag", None, repo=image.reference.name, tag=image.reference.tag)
        return identity

    def _whereabouts(self, image: Image) -> str:
        if image.identity:
            return image.identity
        return image.reference.at(image.digest) if image.digest else image.reference.tagged

    async def _pull(self, image: Image, platform: str) -> None:
        reference = image.reference
        told = {"fromImage": reference.name, "tag": image.digest or reference.digest or reference.tag, "platform": platform or None}
        try:
            await drained(self.engine.lines("POST", "/images/create", headers=self._header(reference), **told), [])
        except Refused as error:
            login = self.logins.get(reference.registry)
            message = error.message.replace(login.password.reveal(), MASK) if login else error.message
            hint = hint_for(message, _LOGIN if login is None else _RIGHTS)
            raise Refused(f"the image {reference.tagged} cannot be pulled: {message}", where=reference.registry, hint=hint) from None

    async def _digest(self, reference: Reference, period: float) -> tuple[str, str]:
        """What the registry serves under a name, and what stood in the way; an answer is good for as long as the policy says."""
        if reference.digest:
            return reference.digest, ""
        known = self._served.get(reference.tagged)
        # What stood in the way may be gone in a moment.
        good = max(period, 1.0) if known and known[1] else min(max(period, 1.0), _PERIODS["always"])
        if known and self.clock() - known[0] < good:
            return known[1], known[2]
        digest, trouble = "", ""
        try:
            path = f"/distribution/{reference.tagged}/json"
            async for line in self.engine.lines("GET", path, headers=self._header(reference)):
                digest = str(line["Descriptor"]["digest"])
        except Unreachable:
            raise
        except TrueupError as error:
            trouble = error.message
        self._served[reference.tagged] = (self.clock(), digest, trouble)
        return digest, trouble

    def _header(self, reference: Reference) -> dict[str, str]:
        login = self.logins.get(reference.registry)
        return {} if login is None else {"X-Registry-Auth": _encoded(_told(reference.registry, login))}

    def all_logins(self) -> dict[str, str]:
        """The header that tells a build every login."""
        told = {_address(registry): _told(registry, login) for registry, login in self.logins.items()}
        return {"X-Registry-Config": _encoded(told)} if told else {}


class Shelf:
    """The images that an engine has, by name."""

    def __init__(self, listed: list[dict[str, Any]]) -> None:
        self._by_name: dict[str, str] = {}
        self._digests: dict[tuple[str, str], str] = {}
        for image in listed:
            for name in image.get("RepoTags") or ():
                self._by_name[reference_of(name).tagged] = image["Id"]  # Podman tells the hub's name too
            for name in image.get("RepoDigests") or ():
                reference = reference_of(name)
                self._by_name[reference.at(reference.digest)] = image["Id"]
                self._digests.setdefault((reference.name, image["Id"]), reference.digest)

    def identity(self, reference: Reference) -> str:
        """The image of a name; empty when there is none. A digest says more than the tag beside it."""
        wanted = reference.at(reference.digest) if reference.digest else reference.tagged
        return self._by_name.get(wanted, "")

    def digest(self, reference: Reference, identity: str) -> str:
        """Under which digest a registry serves an image; empty when it never came from there."""
        return reference.digest or self._digests.get((reference.name, identity), "")


def period_of(policy: str) -> float | None:
    """How long, in seconds, the registry's word of a tag is good; None when the engine's is, for as long as it has the image."""
    if policy in _PERIODS:
        return _PERIODS[policy]
    parts = _EVERY.findall(policy.removeprefix("every_")) if policy.startswith("every_") else []
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else None


class Listener(Protocol):
    """Whoever wants to know the lines: a list keeps them."""

    def append(self, line: Any, /) -> None:
        """The next line."""


def hint_for(message: str, usual: str) -> str:
    """What to do about a pull or a build that an engine or registry refused with these words."""
    said = message.lower()
    return next((hint for words, hint in _HINTS.items() if any(each in said for each in words)), usual)


async def drained(lines: AsyncGenerator[Any, None], heard: Listener) -> None:
    """All lines of a pull or a build, told to ``heard``. Raises Refused with the engine's words when one tells of an error."""
    async with aclosing(lines):
        async for line in lines:
            if "error" in line:
                raise Refused(str((line.get("errorDetail") or {}).get("message") or line["error"]).strip())
            heard.append(line)


def _familiar(names: Iterable[str]) -> list[str]:
    return [reference_of(name).tagged for name in names]


def _address(registry: str) -> str:
    return _HUB_LOGIN if registry == HUB else registry


def _told(registry: str, login: Login) -> dict[str, str]:
    return {"username": login.username, "password": login.password.reveal(), "serveraddress": _address(registry)}


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()
