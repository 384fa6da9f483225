"""An address that the operator allows -> what lies there, over HTTP, bounded in time and size."""

import asyncio
import base64
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from trueup.model.errors import Refused, SettingsError, Unreachable
from trueup.toolkit.git.remote import scrub
from trueup.toolkit.sources.allowed import Policy

REDIRECTS: Final = 5
_ELSEWHERE: Final = frozenset({301, 302, 303, 307, 308})
_SLOW: Final = "it is tried again; look at that server and the way to it"


class Unauthorized(SettingsError):
    """We are not let in; ``challenge`` is how the server wants to be asked."""

    def __init__(self, shown: str, challenge: str) -> None:
        hint = "check the credentials that `[[sources]]` names for it, and that they may read this"
        super().__init__(f"{shown} does not let us in", where=shown, hint=hint)
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Download:
    """How things are fetched: from whom, how much at most (bytes), and for how long (seconds)."""

    policy: Policy
    largest: int
    deadline: float

    async def fetch(self, url: str, headers: Mapping[str, str] | None = None, named: str = "") -> bytes:
        """What lies at an address. Every redirect must lead to what is allowed too; credentials go to no other host.
        ``named`` is the address that the operator allowed where people write another one for the same host (``oci://``).

        Raises Unreachable (it does not answer, or has nothing there yet), SettingsError (not allowed, not let in) and Refused (too much).
        """
        try:
            async with asyncio.timeout(self.deadline), aiohttp.ClientSession(auto_decompress=False) as session:
                return await self._followed(session, url, {"Accept-Encoding": "identity", **(headers or {})}, named)
        except TimeoutError as error:
            raise Unreachable(f"{scrub(url)} does not answer", where=scrub(url), hint=_SLOW) from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{scrub(url)} cannot be read: {type(error).__name__}", where=scrub(url), hint=_SLOW) from error

    async def _followed(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], named: str) -> bytes:
        for _ in range(REDIRECTS):
            allowed = named if named and urlsplit(named).netloc == urlsplit(url).netloc else url
            asked = {**self._entry(allowed), **headers}
            async with session.get(url, headers=asked, allow_redirects=False, proxy=_proxy(url)) as answer:
                if answer.status not in _ELSEWHERE:
                    return await self._content(answer, url)
                target = urljoin(url, answer.headers.get("Location", ""))
            headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = target
        raise Unreachable(f"{scrub(url)} redirects for ever", where=scrub(url), hint="name the address that it leads to")

    def _entry(self, url: str) -> dict[str, str]:
        """What lets us in at this address. Raises SettingsError when it is not allowed."""
        credentials = self.policy.of(url).credentials
        if credentials is None or not credentials.password:
            return {}
        pair = f"{credentials.username or 'x-access-token'}:{credentials.password}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def _content(self, answer: aiohttp.ClientResponse, url: str) -> bytes:
        shown = scrub(url)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Unauthorized(shown, answer.headers.get("WWW-Authenticate", ""))
        if answer.status != HTTPStatus.OK:
            raise Unreachable(f"{shown} answers {answer.status}", where=shown, hint="check the address; it is tried again")
        content = bytearray()
        async for chunk in answer.content.iter_chunked(65536):
            content += chunk
            if len(content) > self.largest:
                hint = "raise `limits.source_size`, or name something smaller"
                raise Refused(f"{shown} is larger than the {self.largest} bytes that are allowed", where=shown, hint=hint)
        return bytes(content)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names. Not by ``trust_env``, which takes credentials from ``.netrc`` too."""
    split = urlsplit(url)
    bypassed = urllib.request.proxy_bypass(split.netloc)
    return None if bypassed else urllib.request.getproxies().get(split.scheme)
