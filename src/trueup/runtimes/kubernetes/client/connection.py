"""Requests to one API server: over few connections that are kept, at most so many at once, and as slowly as the server asks for."""

import asyncio
import contextlib
import functools
import os
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from trueup.model.errors import SettingsError, Unreachable
from trueup.runtimes.kubernetes.client.access import Access
from trueup.runtimes.kubernetes.client.credentials import Certificate, Proof
from trueup.runtimes.kubernetes.client.request import Answer, Request, answer_of
from trueup.toolkit.reach import words_of

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
# A server that keeps saying "later" for so long does not answer: the engine has its own, longer patience.
_PATIENCE_SECONDS = 30.0
_SILENT_WATCH_SECONDS = 150.0
_PLAIN = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_WATCH_SECONDS)
# A network that swallows what it carries says nothing of it: the kernel asks the other side itself, and gives up after half a minute.
_PROBES = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
_LOCAL = ("127.0.0.1", "::1", "localhost")
_BUSY = (429, 502, 503, 504)
# The server's own storage has no leader for a moment; that is no word about what was asked.
_STORAGE = b"etcdserver: "
_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError)


class Connection:
    """One API server, reached with one set of credentials."""

    def __init__(self, access: Access, concurrency: int) -> None:
        self.access = access
        self.counts: dict[str, int] = {}
        self._turn = asyncio.Semaphore(concurrency)
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._proof = Proof()

    async def ask(self, request: Request) -> Answer:
        """The server's answer, a refusal included. Raises Unreachable when it gives none, and when it does not know us."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        tries = 0
        while True:
            tries += 1
            answer, pause = await self._try(request, tries)
            if answer is not None:
                return answer
            if time.monotonic() + pause > deadline:
                message = f"the API server {self.access.server} is overloaded or not ready"
                raise Unreachable(message, where=self.access.server, hint="look at the load of its control plane")
            await asyncio.sleep(pause)

    @contextlib.asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """An answer that goes on and on, in pieces as they come. Raises Unreachable, also when it breaks off."""
        with self._reached():
            async with await self._sent(request, _STREAM) as response:
                answer = answer_of(response.status, await response.read()) if response.status >= 400 else Answer(response.status, b"")
                yield answer, self._pieces(response)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _try(self, request: Request, tries: int) -> tuple[Answer | None, float]:
        """The answer, or how long to wait before asking again."""
        async with self._turn:
            with self._reached():
                try:
                    status, retry_after, body = await self._once(request)
                except _LOST:
                    # A kept connection may have been closed by the server at this very moment; a server that is down fails at once again.
                    if tries > 1:
                        raise
                    return None, 0.0
        if status == 401:
            if tries > 1:
                raise self._unknown(body)
            await self._renew()
            return None, 0.0
        if status in _BUSY or (status == 500 and _STORAGE in body):
            return None, _pause(retry_after, tries)
        return answer_of(status, body), 0.0

    async def _once(self, request: Request) -> tuple[int, str, bytes]:
        async with await self._sent(request, _PLAIN) as response:
            return response.status, response.headers.get("Retry-After", ""), await response.read()

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async for piece in response.content.iter_any():
            yield piece

    async def _sent(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        session = await self._opened()
        headers = await self._headers(request)
        self.counts[request.method] = self.counts.get(request.method, 0) + 1
        query = _written(tuple(request.query.items()))
        return await session.request(
            request.method,
            URL(f"{self.access.server}{request.path}{'?' if query else ''}{query}", encoded=True),
            headers=headers,
            data=request.payload,
            timeout=timeout,
            server_hostname=self.access.server_name or None,
            proxy=self.access.proxy or None,
        )

    async def _headers(self, request: Request) -> dict[str, str]:
        proof = await self.access.credentials.proof()
        headers = {"Accept": request.accept, "Content-Type": request.content_type}
        if proof.token is not None:
            headers["Authorization"] = f"Bearer {proof.token.reveal()}"
        if request.actor:
            headers["Impersonate-User"] = request.actor
        return headers

    async def _renew(self) -> None:
        """Credentials that the server did not take are asked for once more; a certificate needs new connections."""
        proof = await self.access.credentials.proof(fresh=True)
        if proof.certificate != self._proof.certificate:
            await self.close()

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None or self._session.closed:
                self._proof = await self.access.credentials.proof()
                connector = aiohttp.TCPConnector(limit=0, ssl=self._verification(), keepalive_timeout=60, socket_factory=_watchful)
                agent = {"User-Agent": f"trueup/{version('trueup')}"}
                self._session = aiohttp.ClientSession(connector=connector, headers=agent, cookie_jar=aiohttp.DummyCookieJar())
            return self._session

    def _verification(self) -> ssl.SSLContext | bool:
        address = urlsplit(self.access.server)
        if address.scheme == "http":
            if address.hostname not in _LOCAL:
                message = f"{self.access.server} would be reached without encryption"
                raise SettingsError(message, where=self.access.server, hint="use its https address")
            return True
        try:
            context = ssl.create_default_context(cadata=self.access.authority.decode() if self.access.authority else None)
            if self._proof.certificate is not None:
                _load(context, self._proof.certificate)
        except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
            message = f"the certificates for {self.access.server} cannot be used: {error}"
            raise SettingsError(message, where=self.access.server, hint="take them from the cluster's own kubeconfig") from None
        return context

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as error:
            message = f"the API server {self.access.server} is not who it should be: {error.certificate_error}"
            raise Unreachable(message, where=self.access.server, hint="compare the certificate authority of this target") from error
        except TimeoutError as error:
            message = f"the API server {self.access.server} does not answer in time"
            raise Unreachable(message, where=self.access.server, hint="look whether it runs, and at its load") from error
        except (aiohttp.ClientError, OSError) as error:
            message = f"the API server {self.access.server} does not answer: {words_of(error)}"
            raise Unreachable(message, where=self.access.server, hint="look whether it runs and can be reached from here") from error

    def _unknown(self, body: bytes) -> Unreachable:
        refusal = answer_of(401, body).refusal
        words = refusal.message if refusal else ""
        message = f"the API server {self.access.server} does not know us: {words or 'the credentials expired'}"
        return Unreachable(message, where=self.access.server, hint=self.access.credentials.hint)


@functools.lru_cache(256)
def _written(query: tuple[tuple[str, str], ...]) -> str:
    """A query as it stands in an address. Remembered: most requests ask the same way."""
    return "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query)


def _pause(retry_after: str, tries: int) -> float:
    """What the server asks for, in seconds; else a little longer each time."""
    if retry_after.isdecimal():
        return float(retry_after)
    return min(0.2 * 2.0**tries, 5.0)


def _watchful(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices when nobody is there any more, as far as the system can do that."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """The standard library reads keys from files only: here from one that nobody else can see, and not for long."""
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(certificate.chain.rstrip() + b"\n" + certificate.key.reveal().encode())
        context.load_cert_chain(file.name)
