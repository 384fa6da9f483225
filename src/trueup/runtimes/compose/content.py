"""What a service takes along from the repository: which files, in which version, and under which name a container mounts them.

A *piece* is one mount of one service: a file, a folder, or a text of the Compose file itself. Its version names the content with modes and
owners, so equal content is one version, whichever commit it came from.
"""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from trueup.model.contracts import Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Body, digest_of

RESTART: Final = "restart"
RECREATE: Final = "recreate"
_DEPTH: Final = 16
_PLAIN_FILE: Final = 0o644
_PROGRAM: Final = 0o755
_CONFIG: Final = 0o444

Change = str | Mapping[str, str]
"""What a change of the content does to the service: ``restart``, ``recreate`` or ``{signal: NAME}``."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One file of a piece: its object id, as Git names it, and where its bytes are: at a path of the repository, or here."""

    identity: str
    size: int
    mode: int = _PLAIN_FILE
    user: int = 0
    group: int = 0
    source: str = ""
    text: bytes | None = None

    def read(self, tree: Tree) -> bytes:
        """Its bytes."""
        return tree.read(self.source) if self.text is None else self.text


@dataclass(frozen=True)
class Piece:
    """One mount. ``leaves`` are its files by the path inside; a piece that is a file itself has one, at ``""``."""

    mount: str
    target: str
    leaves: Mapping[str, Leaf]
    read_only: bool = True
    change: Change = RESTART
    named: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return "" not in self.leaves

    @property
    def algorithm(self) -> str:
        """The hash that its object ids are made with."""
        return algorithm_of(next((leaf.identity for leaf in self.leaves.values()), ""))

    @property
    def wanted(self) -> dict[str, tuple[str, int, int, int]]:
        """Object id, mode, user and group of every file, by its path inside."""
        return {path: (leaf.identity, leaf.mode, leaf.user, leaf.group) for path, leaf in self.leaves.items()}

    @cached_property
    def version(self) -> str:
        """Names the content, with modes and owners. What is written in place is nobody else's: there the mount is part of it."""
        return digest_of([self.mount if isinstance(self.change, Mapping) else "", self.wanted])


def pieces_of(service: str, spec: Body, tree: Tree) -> list[Piece]:
    """What a service's spec takes along, secrets excepted: they never lie in a volume. Raises DeclarationError."""
    usual = (spec.get("x-trueup") or {}).get("change", RESTART)
    volumes = [_from_volume(service, entry, tree, usual) for entry in spec.get("volumes") or () if "content" in entry]
    return volumes + [_from_config(service, entry, tree, usual) for entry in spec.get("configs") or ()]


def mounts_of(service: str, spec: Body) -> list[str]:
    """The names of all its mounts."""
    volumes = [entry for entry in spec.get("volumes") or () if "content" in entry]
    return [mount_id(service, str(entry["target"])) for entry in [*volumes, *(spec.get("configs") or ())]]


def mount_id(service: str, target: str) -> str:
    """The name of a mount in the record volume."""
    return f"{service}-{digest_of(target)[:10]}"


def listing(tree: Tree, path: str) -> dict[str, Leaf]:
    """The files at a path of the repository, links followed. Raises DeclarationError."""
    if tree.kind(path) == "file":
        return {"": _leaf(tree, path)}
    if tree.kind(path) != "folder":
        raise DeclarationError([Fault(path, 0, 0, f"there is no file or folder `{path}`", "check its name, and that it is committed")])
    return {found[len(path) :].lstrip("/"): _leaf(tree, found) for found in _files(tree, path, 0)}


def blob_id(data: bytes, algorithm: str) -> str:
    """The object id that Git gives to a file with this content."""
    digest = hashlib.new(algorithm, b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def algorithm_of(identity: str) -> str:
    """The hash that names an object."""
    return "sha256" if len(identity) == 64 else "sha1"


def bits_of(mode: object, usual: int) -> int:
    """A mode as Compose writes it: a number, or its octal digits."""
    if mode is None:
        return usual
    return int(mode, 8) & 0o7777 if isinstance(mode, str) else int(str(mode)) & 0o7777


def owner_of(entry: Mapping[str, Any]) -> tuple[int, int]:
    """User and group of a config or secret."""
    return int(entry.get("uid") or 0), int(entry.get("gid") or 0)


def change_of(entry: Mapping[str, Any], usual: Change) -> Change:
    """What a change of this very entry does."""
    told: Change = (entry.get("x-trueup") or {}).get("change", usual)
    return told


def _from_volume(service: str, entry: Body, tree: Tree, usual: Change) -> Piece:
    target, path = str(entry["target"]), str(entry["content"]).strip("/")
    read_only = bool(entry.get("read_only"))
    return Piece(mount_id(service, target), target, listing(tree, path), read_only, change_of(entry, usual), path)


def _from_config(service: str, entry: Body, tree: Tree, usual: Change) -> Piece:
    target = str(entry["target"])
    user, group = owner_of(entry)
    if "text" in entry:
        data = str(entry["text"]).encode()
        leaf = Leaf(blob_id(data, "sha1"), len(data), bits_of(entry.get("mode"), _CONFIG), user, group, text=data)
        return Piece(mount_id(service, target), target, {"": leaf}, True, change_of(entry, usual), "text")
    path = str(entry["content"]).strip("/")
    leaves = {
        inside: Leaf(found.identity, found.size, bits_of(entry.get("mode"), found.mode), user, group, found.source)
        for inside, found in listing(tree, path).items()
    }
    return Piece(mount_id(service, target), target, leaves, True, change_of(entry, usual), path)


def _leaf(tree: Tree, path: str) -> Leaf:
    mode = _PROGRAM if tree.mode(path) & 0o111 else _PLAIN_FILE
    return Leaf(tree.object_id(path) or "", tree.size(path), mode, source=path)


def _files(tree: Tree, folder: str, depth: int) -> Iterator[str]:
    for path in tree.walk(folder):
        kind = tree.kind(path)
        if kind is None:
            raise DeclarationError([Fault(path, 0, 0, f"the link `{path}` leads to nothing", "add what it leads to, or take it away")])
        if kind != "folder":
            yield path
        elif depth == _DEPTH:
            raise DeclarationError([Fault(path, 0, 0, f"the link `{path}` leads around in a circle", "let it lead to a file")])
        else:
            yield from _files(tree, posixpath.normpath(path), depth + 1)
