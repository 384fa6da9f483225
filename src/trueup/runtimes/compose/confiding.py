"""The secrets of a service -> an archive for its containers, unpacked before they start. They lie in no volume, label or environment."""

import posixpath
import tarfile
from collections.abc import Callable, Mapping
from typing import Any, Final

from trueup.model.contracts import Tree
from trueup.model.secret import Secret
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.content import bits_of, owner_of
from trueup.runtimes.compose.packing import archive

_USUAL: Final = 0o444
_FOLDER: Final = 0o755


def secrets_of(spec: Mapping[str, Any], tree: Tree, secret: Callable[[str], Secret]) -> dict[str, bytes]:
    """Folder of the container -> the archive to be unpacked there: the root, or where that cannot be written each folder that has a volume.

    Raises DeclarationError, SettingsError.
    """
    values = {str(entry["target"]): (entry, value_of(entry, tree, secret)) for entry in spec.get("secrets") or ()}
    apart = secret_folders(spec)
    found = {
        folder: archive(
            (_member(entry, posixpath.basename(target)), value)
            for target, (entry, value) in values.items()
            if posixpath.dirname(target) == folder
        )
        for folder in apart
    }
    rest = [
        (_member(entry, target.lstrip("/")), value) for target, (entry, value) in values.items() if posixpath.dirname(target) not in apart
    ]
    return found | ({"/": archive([*((_folder(each), b"") for each in folders_of(spec)), *rest])} if rest else {})


def folders_of(spec: Mapping[str, Any]) -> list[str]:
    """The folders that secrets are in."""
    return sorted({posixpath.dirname(str(entry["target"])) for entry in spec.get("secrets") or ()} - {"/", ""})


def secret_folders(spec: Mapping[str, Any]) -> list[str]:
    """The folders that need a volume of their own, for nothing can be put into a root that is only read."""
    return folders_of(spec) if spec.get("read_only") else []


def secret_volumes(container: Container) -> list[str]:
    """The volumes that hold nothing but secrets of a container: they go with it."""
    folders = secret_folders(container.marks.spec or {})
    mounts = container.body.get("Mounts") or ()
    return [str(mount["Name"]) for mount in mounts if mount.get("Type") == "volume" and mount.get("Destination") in folders]


def _member(entry: Mapping[str, Any], name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = bits_of(entry.get("mode"), _USUAL)
    member.uid, member.gid = owner_of(entry)
    return member


def _folder(path: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type, member.mode = tarfile.DIRTYPE, _FOLDER
    return member


def value_of(entry: Mapping[str, Any], tree: Tree, secret: Callable[[str], Secret]) -> bytes:
    """The value of one secret. Raises DeclarationError, SettingsError."""
    return secret(str(entry["name"])).reveal().encode() if "name" in entry else tree.read(str(entry["content"]).strip("/"))
