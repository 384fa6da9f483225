"""What was written for one application at a target, kept beside it: the mark of ownership, and what a delete must take away."""

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.errors import Refused
from trueup.model.manifest import Key
from trueup.model.wire import decode, encode
from trueup.runtimes.host.keeper.file import flush_folder, replace

OWN_FOLDER = ".trueup"


class Entry(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One object. It is written before the object is (then with the paths of old and new), and once more after it.

    ``desired``: the digest of the manifest that was applied, or is being applied. ``paths``: every absolute path that the object may
    have written. ``written``: id and mode of a file or of all files, ``algorithm`` the hash in it. ``body``: its spec, secrets masked.
    ``taken``: whom it was adopted from.
    """

    key: Key
    desired: str = ""
    version: str = ""
    revision: str = ""
    wave: int = 0
    paths: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    body: dict[str, Any] = {}
    written: str = ""
    algorithm: str = "sha1"
    at: str = ""
    taken: str = ""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Everything that carries our mark for one application. ``revision`` is the last that was written from."""

    format: int = 1
    owner: Owner
    revision: str = ""
    policy: Policy = Policy()
    entries: tuple[Entry, ...] = ()

    def entry(self, key: Key) -> Entry | None:
        """What is recorded of one object."""
        return next((each for each in self.entries if each.key == key), None)

    def having(self, *entries: Entry) -> "Record":
        """The same with these entries in place of older ones."""
        merged = {each.key: each for each in self.entries} | {each.key: each for each in entries}
        return msgspec.structs.replace(self, entries=tuple(merged[key] for key in sorted(merged)))

    def lacking(self, *keys: Key) -> "Record":
        """The same without these objects."""
        return msgspec.structs.replace(self, entries=tuple(each for each in self.entries if each.key not in keys))


class Records:
    """The records below one root: ``.trueup/APPLICATION/record-REPOSITORY.json``, replaced atomically and durably."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / OWN_FOLDER

    def file(self, owner: Owner) -> Path:
        """Where an application's record is. Two repositories may both have an application of this name."""
        short = hashlib.sha256(owner.repository.encode()).hexdigest()[:10]
        return self.folder / owner.application / f"record-{short}.json"

    def load(self, owner: Owner) -> Record:
        """An application's record; an empty one when there is none. Raises Refused for one that cannot be read."""
        return self._read(self.file(owner)) or Record(owner=owner)

    def all(self) -> list[Record]:
        """Every record. Raises Refused for one that cannot be read: nothing may be concluded from it."""
        return [record for file in sorted(self.folder.glob("*/record-*.json")) if (record := self._read(file))]

    def others(self, owner: Owner) -> list[Record]:
        """Every record but this application's."""
        return [record for record in self.all() if record.owner != owner]

    def save(self, record: Record) -> None:
        """Replace an application's record, or remove it when nothing carries our mark. Raises OSError."""
        file = self.file(record.owner)
        if record.entries:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            file.parent.mkdir(mode=0o700, exist_ok=True)
            replace(str(file), encode(record), durable=True)
        elif file.exists():
            file.unlink()
            flush_folder(str(file.parent))
            self._tidy(file.parent)

    def _tidy(self, folder: Path) -> None:
        """Remove what is empty: our own folder of the application, and the one with its files."""
        for empty in (folder / "services", folder / "jobs", folder, self.root / folder.name):
            if empty.is_dir() and not empty.is_symlink() and not os.listdir(empty):  # noqa: PTH208
                empty.rmdir()

    def _read(self, file: Path) -> Record | None:
        try:
            return decode(file.read_bytes(), Record)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            hint = "restore it, or remove it to give up ownership of what it names: those objects are then adopted anew"
            raise Refused(f"the record {file} cannot be read: {error}", where=str(file), hint=hint) from error
