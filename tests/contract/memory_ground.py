"""A memory target to test on."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from trueup.model.application import Ignore
from trueup.model.contracts import Owner
from trueup.model.manifest import Body, Key
from trueup.model.secret import Secret
from trueup.runtimes.memory import memory
from trueup.testing import Ground, Thing, World


class MemoryGround(Ground):
    """Looks into the file itself; what a hand does goes through a runtime of its own, as another process would have it."""

    kind = memory

    def options(self) -> dict[str, object]:
        """A file whose name the hands know."""
        return {"file": "world.memory"}

    def files(self) -> dict[str, bytes]:
        """What an object takes along."""
        return {"shop/site/index.html": b"<p>hello</p>\n"}

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """An object of our own, and some that this runtime knows nothing of."""
        return [
            _body("v1", "ConfigMap", f"{prefix}-settings", {"size": version, "colour": "red"}),
            _body("apps/v1", "Deployment", f"{prefix}-web", {"containers": [{"name": "web", "image": "web:1"}]}),
            _body("memory.trueup.dev/v1", "Note", f"{prefix}-note", {"source": "/shop/site", "healthyAfter": "50ms"}),
        ]

    def secret_bodies(self, secret: Secret, prefix: str) -> list[Body]:
        """A Secret."""
        return [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": prefix}, "stringData": {"password": secret, "user": secret}}]

    def refused_body(self, prefix: str) -> Body:
        """An object that says so itself."""
        return _body("v1", "ConfigMap", prefix, {"refuse": "not today"})

    def ignore(self, key: Key) -> Ignore:
        """The field that ``tamper`` changes."""
        return Ignore(key=str(key), field="spec.colour")

    async def tamper(self, owner: Owner, key: Key) -> None:
        """Another colour."""
        body = msgspec.json.decode(self._rows()[key][2])["body"]
        await self._by_hand(key, {**body, "spec": {**body.get("spec", {}), "colour": "blue"}})

    async def remove(self, owner: Owner, key: Key) -> None:
        """Delete the row, past all that is ours."""
        with sqlite3.connect(self._file) as connection:
            assert connection.execute("delete from object where key = ?", (str(key),)).rowcount == 1

    async def plant(self, owner: Owner, body: Body) -> None:
        """A new row."""
        await self._by_hand(Key.of(body), body)

    async def expose(self, owner: Owner, key: Key, value: str) -> None:
        """Another password, in clear."""
        await self._by_hand(key, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": key.name}, "stringData": {"password": value}})

    @asynccontextmanager
    async def _moved_away(self) -> AsyncIterator[None]:
        aside = self._file.parent.rename(self.folder / "aside")
        try:
            yield
        finally:
            aside.rename(self._file.parent)

    def unreachable(self) -> AbstractAsyncContextManager[None]:
        """Move the folder away."""
        return self._moved_away()

    async def world(self) -> World:
        """The rows of the file, whoever wrote them."""
        return {key: Thing(str(uid), (body, sources)) for key, (uid, (body, sources), _) in self._rows().items()}

    def _rows(self) -> dict[Key, tuple[str, tuple[object, object], bytes]]:
        if not self._file.exists():
            return {}
        with sqlite3.connect(self._file) as connection:
            made = connection.execute("select 1 from sqlite_master where name = 'object'").fetchone()
            rows = connection.execute("select key, entry from object").fetchall() if made else []
        entries = [(Key.parse(key), msgspec.json.decode(entry), entry) for key, entry in rows]
        return {key: (each["uid"], (each["body"], each["sources"]), entry) for key, each, entry in entries}

    async def _by_hand(self, key: Key, body: Body) -> None:
        runtime = await memory.open(self.target(), self.place())
        await runtime.tamper(key, body, "kubectl")
        await runtime.close()

    @property
    def _file(self) -> Path:
        return self.place().folder / "world.memory"


def _body(version: str, kind: str, name: str, specification: dict[str, object]) -> Body:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": specification}
