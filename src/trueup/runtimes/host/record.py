"""What was written for one application at a target, kept beside it: the mark of ownership, and what a delete must take away."""

import fcntl
import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.errors import Refused, Unreachable
from trueup.model.manifest import Key
from trueup.model.wire import decode, encode
from trueup.runtimes.host.keeper.file import flush_folder, replace

OWN_FOLDER = ".trueup"
FORMAT = 1


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

    format: int = FORMAT
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
        return self.read(self.file(owner)) or Record(owner=owner)

    def all(self) -> list[Record]:
        """Every record. Raises Refused for one that cannot be read: nothing may be concluded from it."""
        return [record for file in sorted(self.folder.glob("*/record-*.json")) if (record := self.read(file))]

    def others(self, owner: Owner, namesakes_only: bool = False) -> list[Record]:
        """Every record but this application's, or those of applications of the same name. Raises Refused as ``all`` does."""
        files = self.folder.glob(f"{owner.application if namesakes_only else '*'}/record-*.json")
        return [record for file in sorted(files) if (record := self.read(file)) and record.owner != owner]

    def lock(self, application: str, patience: float = 2.0) -> int:
        """Nobody else on this host writes for this application until ``unlock``. Raises Unreachable when somebody does.

        Waits a little: who was killed a moment ago may leave a child that has not let go yet.
        """
        folder = self.folder / application
        end = time.monotonic() + patience
        while True:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _lock(descriptor, folder):
                return descriptor
            os.close(descriptor)
            if time.monotonic() > end:
                hint = "two that serve the same root walk at the same time: let one of them go, or wait"
                raise Unreachable(f"another Trueup writes for {application} on this host", where=str(folder), hint=hint)
            time.sleep(0.05)

    def unlock(self, application: str, descriptor: int) -> None:
        """Let the next one write."""
        os.close(descriptor)
        _remove_empty(self.folder / application)

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
            _remove_empty(file.parent / "services", file.parent / "jobs", self.root / file.parent.name)

    def read(self, file: Path) -> Record | None:
        """One record; None when it is not there. Raises Refused when it cannot be read."""
        try:
            record = decode(file.read_bytes(), Record)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            hint = "restore it, or remove it to give up ownership of what it names: those objects are then adopted anew"
            raise Refused(f"the record {file} cannot be read: {error}", where=str(file), hint=hint) from error
        if record.format > FORMAT:
            raise Refused(f"the record {file} was written by a newer Trueup", where=str(file), hint="bring this one up to date")
        return record


def _lock(descriptor: int, folder: Path) -> bool:
    """Whether the folder is ours now; one that its last owner removed meanwhile is nobody's."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return folder.stat().st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            with suppress(OSError):
                folder.rmdir()
