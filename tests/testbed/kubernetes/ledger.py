"""Writes down every request that comes through it to an API server. Plain HTTP comes in, TLS with a client certificate goes out."""

import asyncio
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.testbed.kubernetes.cluster import Cluster

# A request's first line; no body of ours has one, since JSON escapes line ends.
_LINE: Final = re.compile(rb"(?:^|\n)(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n")
_COLLECTION: Final = re.compile(r"/(?:api|apis/[^/]+)/v[^/]+/(?:namespaces/[^/]+/)?([^/]+)(?:/(.+))?")


class Ledger:
    """The requests so far, each as its method and its path with the query."""

    def __init__(self, cluster: Cluster) -> None:
        self.requests: list[tuple[str, str]] = []
        address = urlsplit(cluster.url)
        self._there = (str(address.hostname), int(address.port or 443))
        self._context = ssl.create_default_context(cafile=str(cluster.folder / "authority.crt"))
        self._context.load_cert_chain(cluster.folder / "administrator.crt", cluster.folder / "administrator.key")
        self._port = 0

    def kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that leads through here."""
        server = f"http://127.0.0.1:{self._port}"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "ledger",
            "clusters": [{"name": "ledger", "cluster": {"server": server}}],
            "users": [{"name": "ledger", "user": {"token": "of-no-use"}}],
            "contexts": [{"name": "ledger", "context": {"cluster": "ledger", "user": "ledger"}}],
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    @property
    def writes(self) -> list[str]:
        """What was to be written, or tried out."""
        return [f"{method} {path}" for method, path in self.requests if method != "GET"]

    @property
    def reads(self) -> Counter[str]:
        """How often each kind was asked for, by its plural: a list, a watch and a look at one object alike."""
        found = [_COLLECTION.fullmatch(urlsplit(path).path) for method, path in self.requests if method == "GET"]
        return Counter(each[1] for each in found if each)

    @property
    def watches(self) -> Counter[str]:
        """How many of these were watches."""
        asked = [urlsplit(path) for method, path in self.requests if method == "GET"]
        found = [_COLLECTION.fullmatch(each.path) for each in asked if parse_qs(each.query).get("watch") == ["true"]]
        return Counter(each[1] for each in found if each)

    @contextmanager
    def open(self) -> Iterator["Ledger"]:
        """Let requests pass, in a thread of its own: who asks may not wait for himself."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._pass, "127.0.0.1", 0))
        self._port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection(*self._there, ssl=self._context, limit=1 << 20)
            await asyncio.gather(self._note(reader, back), _pour(there, writer))

    async def _note(self, source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(1 << 18):
                self.requests += [(found[1].decode(), found[2].decode()) for found in _LINE.finditer(piece)]
                drain.write(piece)
                await drain.drain()
        drain.close()


async def _pour(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(1 << 18):
            drain.write(piece)
            await drain.drain()
    drain.close()
