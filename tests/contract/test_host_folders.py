"""The host runtime keeps the promises of a runtime for whole folders."""

import shutil
from pathlib import Path

from tests.contract.host_ground import HostGround
from trueup.model.contracts import Owner
from trueup.model.manifest import Body, Key
from trueup.model.secret import Secret
from trueup.testing import RuntimeContract, Thing, World


class FoldersGround(HostGround):
    """Three folders of the repository, of which one differs between the versions in one file."""

    def files(self) -> dict[str, bytes]:
        """What is taken along."""
        return {f"shop/site{version}/{path}": text for version in (1, 2) for path, text in _site(version).items()}

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """The source's name is the version."""
        return [_folder(f"{prefix}-site", version), _folder(f"{prefix}-other", 1), _folder(f"{prefix}-third", 1)]

    def secret_bodies(self, secret: Secret, prefix: str) -> None:
        """Folders hold none."""
        return

    def refused_body(self, prefix: str) -> None:
        """Folders of the repository can all be written."""
        return

    def ignore(self, key: Key) -> None:
        """What is in a folder is no field."""
        return

    async def tamper(self, owner: Owner, key: Key) -> None:
        """Edit a file that lies deep in it, in place."""
        with (self._path(owner, key) / "deep" / "same.txt").open("a") as file:
            file.write("by hand\n")

    async def remove(self, owner: Owner, key: Key) -> None:
        """With all that is in it."""
        shutil.rmtree(self._path(owner, key))

    async def plant(self, owner: Owner, body: Body) -> None:
        """With another file in it."""
        folder = self._path(owner, Key.of(body)) / "deep"
        folder.mkdir(parents=True)
        (folder / "same.txt").write_text("planted\n")

    async def world(self) -> World:
        """Every folder with every file in it."""
        folders = [folder for folder in self.root.glob("[!.]*/*") if folder.is_dir()]
        return {Key("Directory", folder.name): Thing(str(folder.stat().st_ino), _content(folder)) for folder in folders}

    def _path(self, owner: Owner, key: Key) -> Path:
        return self.root / owner.application / key.name


class TestFolders(RuntimeContract):
    """Joined by one line."""

    ground = FoldersGround


def _site(version: int) -> dict[str, bytes]:
    return {"index.html": f"<p>{version}</p>\n".encode(), "deep/same.txt": b"same\n"}


def _folder(name: str, version: int) -> Body:
    spec = {"path": name, "source": f"/shop/site{version}"}
    return {"apiVersion": "host.trueup.dev/v1", "kind": "Directory", "metadata": {"name": name}, "spec": spec}


def _content(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode) for path in files}
