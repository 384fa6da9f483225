"""Hosts to test on: this machine, below a folder of the test's own."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import msgspec

from trueup.model.application import Ignore
from trueup.model.contracts import Owner, Place
from trueup.model.manifest import Body, Key
from trueup.model.secret import Secret
from trueup.runtimes.host import host
from trueup.runtimes.host.keeper.process import lives
from trueup.runtimes.host.keepers import Keepers
from trueup.testing import Ground, Thing, World


class HostGround(Ground):
    """A file, and two services that come after it."""

    kind = host
    hands_over = False

    @property
    def root(self) -> Path:
        """Where the applications are."""
        return self.place().folder / self.target().name

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """The file's mode is the version; its content is what a hand changes."""
        return [
            _file(f"{prefix}-settings", content="colour = red\n", mode="0640" if version == 1 else "0600"),
            _service(f"{prefix}-web", ["sleep", "100"]),
            _service(f"{prefix}-worker", ["sleep", "200"]),
        ]

    def secret_bodies(self, secret: Secret, prefix: str) -> list[Body] | None:
        """A file, and a service that prints what it is given."""
        command = ["sh", "-c", 'echo "it is $PASSWORD"; exec sleep 100']
        return [
            _file(prefix, content=secret),
            _service(prefix, command, uses=[f"File/{prefix}"], environment={"PASSWORD": secret}),
        ]

    def refused_body(self, prefix: str) -> Body | None:
        """A command that is not there."""
        return _service(prefix, ["./no-such-program"])

    def ignore(self, key: Key) -> Ignore | None:
        """The field that ``tamper`` changes."""
        return Ignore(key=str(key), field="spec.content")

    async def tamper(self, owner: Owner, key: Key) -> None:
        """Another colour."""
        self._file(owner, key).write_text("colour = blue\n")

    async def expose(self, owner: Owner, key: Key, value: str) -> None:
        """Another password, in clear."""
        self._file(owner, key).write_text(value)

    async def plant(self, owner: Owner, body: Body) -> None:
        """Write the file by hand."""
        file = self._file(owner, Key.of(body))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body["spec"]["content"])
        file.chmod(int(body["spec"]["mode"], 8))

    async def remove(self, owner: Owner, key: Key) -> None:
        """Delete the file; of a service, kill all that runs, and remove what tells of it."""
        if key.kind == "File":
            self._file(owner, key).unlink()
            return
        for folder, _, state in self._services():
            if folder.parent.name == key.name:
                for process in (state["keeper"], state["process"]):
                    os.kill(process["pid"], signal.SIGKILL)
                shutil.rmtree(folder.parent)
        await asyncio.sleep(0.05)

    @asynccontextmanager
    async def _moved_away(self) -> AsyncIterator[None]:
        aside = self.root.rename(self.folder / "aside")
        try:
            yield
        finally:
            aside.rename(self.root)

    def unreachable(self) -> AbstractAsyncContextManager[None]:
        """Move the root away."""
        return self._moved_away()

    async def world(self) -> World:
        """The files below the root, and the processes that run."""
        files = {Key("File", file.stem): _thing(file) for file in self._files() if file.is_file()}
        running = {
            Key("Service", folder.parent.name): Thing(str(state["process"]), _command(state["process"]["pid"]))
            for folder, running, state in self._services()
            if running
        }
        return files | running

    @classmethod
    def clear(cls, folder: Path) -> None:
        """Stop what runs."""
        for keepers in folder.glob("**/.trueup/*/*s/*"):
            asyncio.run(Keepers(keepers).clear())

    def _files(self) -> Iterator[Path]:
        return self.root.glob("[!.]*/*.conf")

    def _file(self, owner: Owner, key: Key) -> Path:
        return self.root / owner.application / f"{key.name}.conf"

    def _services(self) -> "Iterator[tuple[Path, bool, dict[str, dict[str, int]]]]":
        for file in self.root.glob(".trueup/*/services/*/*/state.json"):
            state = msgspec.json.decode(file.read_bytes())
            process = state["process"]
            yield file.parent, bool(process) and lives(process["pid"], process["start"]), state


class SharedPathsGround(HostGround):
    """Files outside of any application's own folder: two applications can name the same."""

    hands_over = True

    def place(self) -> Place:
        """The operator allows a folder."""
        place = super().place()
        return Place(place.folder, place.secret, {"paths": [f"{self.folder}/etc/**"]})

    def options(self) -> dict[str, object]:
        """And the target uses it."""
        (self.folder / "etc").mkdir(parents=True, exist_ok=True)
        return {"allowPaths": [f"{self.folder}/etc/*.conf"]}

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """Three files, one after the other."""
        content, mode = "colour = red\n", "0640" if version == 1 else "0600"
        names = [f"{prefix}-{name}" for name in ("a", "b", "c")]
        return [_file(name, f"{self.folder}/etc/{name}.conf", content=content, mode=mode if name == names[0] else "0644") for name in names]

    def secret_bodies(self, secret: Secret, prefix: str) -> list[Body] | None:
        """A file."""
        return [_file(prefix, f"{self.folder}/etc/{prefix}.conf", content=secret)]

    def _files(self) -> Iterator[Path]:
        return (self.folder / "etc").glob("*.conf")

    def _file(self, owner: Owner, key: Key) -> Path:
        return self.folder / "etc" / f"{key.name}.conf"


class DirectoryGround(HostGround):
    """A directory in the place of the file."""

    def files(self) -> dict[str, bytes]:
        """Two versions of what is in it."""
        return {f"site/{version}/{name}": version.encode() for version in ("1", "2") for name in ("index.html", "css/site.css")}

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """The version is the folder that it comes from."""
        site = _body("Directory", f"{prefix}-site", {"source": f"/site/{version}", "path": f"{prefix}-site.conf", "keep": ["uploads/**"]})
        return [site, *super().bodies(version, prefix)[1:]]

    def secret_bodies(self, secret: Secret, prefix: str) -> None:
        """What is in Git is no secret."""

    def ignore(self, key: Key) -> None:
        """It has no two fields that can be told apart."""

    async def tamper(self, owner: Owner, key: Key) -> None:
        """Another page, and one more."""
        (self._file(owner, key) / "index.html").write_text("hacked")
        (self._file(owner, key) / "more.html").write_text("hacked")

    async def plant(self, owner: Owner, body: Body) -> None:
        """Make the folder by hand."""
        folder = self._file(owner, Key.of(body))
        for path, content in self.files().items():
            if f"/{path}".startswith(body["spec"]["source"]):
                file = folder / f"/{path}".removeprefix(body["spec"]["source"] + "/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)

    async def remove(self, owner: Owner, key: Key) -> None:
        """Delete the folder."""
        if key.kind == "Directory":
            shutil.rmtree(self._file(owner, key))
        else:
            await super().remove(owner, key)

    async def world(self) -> World:
        """The folders below the root, and the processes that run."""
        running = {key: thing for key, thing in (await super().world()).items() if key.kind == "Service"}
        return {Key("Directory", folder.stem): _folder(folder) for folder in self._files()} | running


def _folder(folder: Path) -> Thing:
    content = {str(file.relative_to(folder)): (file.read_bytes(), oct(file.stat().st_mode)) for file in folder.rglob("*") if file.is_file()}
    return Thing(str(folder.stat().st_ino), content)


def _file(name: str, path: str = "", **spec: object) -> Body:
    return _body("File", name, {"path": path or f"{name}.conf", **spec})


def _service(name: str, command: list[str], **spec: object) -> Body:
    return _body("Service", name, {"command": command, "readiness": {"command": ["true"], "interval": "50ms"}, **spec})


def _body(kind: str, name: str, spec: dict[str, object]) -> Body:
    return {"apiVersion": "host.trueup.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _thing(file: Path) -> Thing:
    status = file.stat()
    return Thing(str(status.st_ino), (file.read_text(), oct(status.st_mode)))


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
