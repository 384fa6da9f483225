"""Files: written beside and renamed, so that a reader sees the old one or the new one."""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import digest_of
from trueup.model.plan import Change
from trueup.model.secret import MASK, Secret
from trueup.model.source import resolve_path
from trueup.runtimes.host.content import LARGEST_SHOWN, Contents, Seen, algorithm_of, blob_id, shown
from trueup.runtimes.host.ground import Ground, Spot, draft_of, folder_of, remove_empty
from trueup.runtimes.host.keeper.file import write
from trueup.runtimes.host.manifests import File, FileSpec
from trueup.runtimes.host.member import Look, Wanted
from trueup.runtimes.host.record import Entry


@dataclass(frozen=True, slots=True)
class Files:
    """The member for ``kind: File``."""

    ground: Ground
    contents: Contents

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        spec = _spec(wanted)
        spot = self.ground.spot(wanted.application, spec.path)
        identity = _identity(wanted, spec)
        seen = self._seen(spot, algorithm_of(identity))
        left = self._left(entry, spot)
        same = seen is not None and seen.kind == "file" and seen.identity == identity and seen.mode == spec.bits and not left
        changes = () if same else (*self._changes(wanted, spot, seen, identity, entry), *(Change(path, "present", None) for path in left))
        return Look(_digest(seen, left), same, changes, paths=(spot.path,))

    def glance(self, owner: str, entry: Entry) -> Look:
        there = {path: seen.plain for path in entry.paths if (seen := self._seen(self.ground.spot_at(path), entry.algorithm))}
        changes = tuple(Change("path", path, None) for path in there)
        return Look(digest_of(there) if there else "", not there, changes, paths=entry.paths)

    async def put(self, wanted: Wanted, entry: Entry) -> Entry:
        return await asyncio.to_thread(self._put, wanted, entry)

    async def remove(self, owner: str, entry: Entry) -> None:
        for path in entry.paths:
            await asyncio.to_thread(self._remove, self.ground.spot_at(path))

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        if version and entry.version != version:
            return Health(State.PROGRESSING, "another version is in place")
        path = entry.paths[0] if entry.paths else ""
        seen = self._seen(self.ground.spot_at(path), entry.algorithm) if path else None
        if seen is None:
            return Health(State.MISSING, f"{path} is not there")
        if digest_of(seen.plain) != entry.written:
            return Health(State.DEGRADED, f"{path} was changed since it was applied")
        return Health(State.HEALTHY)

    def _put(self, wanted: Wanted, entry: Entry) -> Entry:
        spec = _spec(wanted)
        spot = self.ground.spot(wanted.application, spec.path)
        identity = _identity(wanted, spec)
        with folder_of(spot, make=True) as folder:
            there = self.contents.look(spot.name, folder, algorithm_of(identity))
            if there and there.kind == "folder":
                raise Refused(f"{spot.path} is a folder", key=str(wanted.key), where=spot.path, hint="remove it, or choose another path")
            if there and there.kind == "file" and there.identity == identity:
                os.chmod(spot.name, spec.bits, dir_fd=folder)
            else:
                _replace(folder, spot, _data(wanted, spec), spec.bits)
        for path in self._left(entry, spot):
            self._remove(self.ground.spot_at(path))
        written = digest_of(Seen("file", identity, spec.bits).plain)
        return msgspec.structs.replace(
            entry, version=wanted.manifest.digest, paths=(spot.path,), written=written, algorithm=algorithm_of(identity)
        )

    def _seen(self, spot: Spot, algorithm: str) -> Seen | None:
        try:
            with folder_of(spot, make=False) as folder:
                return self.contents.look(spot.name, folder, algorithm)
        except FileNotFoundError:
            return None

    def _left(self, entry: Entry | None, spot: Spot) -> list[str]:
        """What an earlier version of the object wrote elsewhere, and is still there."""
        paths = entry.paths if entry else ()
        return [path for path in paths if path != spot.path and os.path.lexists(path)]

    def _changes(self, wanted: Wanted, spot: Spot, seen: Seen | None, identity: str, entry: Entry | None) -> tuple[Change, ...]:
        spec = _spec(wanted)
        found = []
        if seen is None or seen.identity != identity:
            hidden = spec.hidden or bool(entry and entry.body.get("secret"))
            before = seen.short if seen else None
            if seen and hidden:
                before = MASK
            elif seen and seen.kind == "file" and entry and seen.size <= LARGEST_SHOWN:
                before = shown(_read(spot), hidden)
            found.append(Change("spec.content", before, shown(_data(wanted, spec), spec.hidden)))
        if seen is None or seen.mode != spec.bits:
            found.append(Change("spec.mode", f"{seen.mode:04o}" if seen else None, f"{spec.bits:04o}"))
        return tuple(found)

    def _remove(self, spot: Spot) -> None:
        try:
            with folder_of(spot, make=False) as folder:
                os.unlink(spot.name, dir_fd=folder)
                os.fsync(folder)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            raise Refused(f"{spot.path} is a folder now", where=spot.path, hint="remove it: a file was there before") from None
        remove_empty(spot)


def _spec(wanted: Wanted) -> FileSpec:
    assert isinstance(wanted.document, File)
    return wanted.document.spec


def _identity(wanted: Wanted, spec: FileSpec) -> str:
    """The object id of the desired content; that of a source is known without reading it."""
    if spec.source is None:
        return blob_id(_data(wanted, spec))
    path = _source(wanted, spec.source)
    if wanted.desired.tree.kind(path) != "file":
        raise Refused(f"{wanted.key}: `{spec.source}` is not a file of the repository", key=str(wanted.key), hint="name a file in `source`")
    return wanted.desired.tree.object_id(path) or ""


def _data(wanted: Wanted, spec: FileSpec) -> bytes:
    if spec.source is not None:
        return wanted.desired.tree.read(_source(wanted, spec.source))
    return (spec.content.reveal() if isinstance(spec.content, Secret) else spec.content or "").encode()


def _source(wanted: Wanted, source: str) -> str:
    origin = wanted.manifest.origin
    return resolve_path(wanted.desired.application.folder, source, origin.file, origin.line)


def _digest(seen: Seen | None, left: list[str]) -> str:
    return digest_of([seen.plain if seen else None, left]) if seen or left else ""


def _read(spot: Spot) -> bytes | None:
    with suppress(OSError), folder_of(spot, make=False) as folder:
        descriptor = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
    return None


def _replace(folder: int, spot: Spot, data: bytes, bits: int) -> None:
    draft = draft_of(spot).name
    with suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=folder)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            write(descriptor, data)
            os.fchmod(descriptor, bits)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(draft, spot.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    os.fsync(folder)
