"""Files: written beside and renamed, so that a reader sees the old one or the new one."""

import os
from contextlib import suppress
from dataclasses import dataclass

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
from trueup.runtimes.host.thread import in_thread


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a file is to be: where, with which content by object id, and with which mode. What is ignored is as it is."""

    spec: FileSpec
    spot: Spot
    identity: str
    bits: int
    written: str
    seen: Seen | None
    left: tuple[str, ...]

    @property
    def algorithm(self) -> str:
        return algorithm_of(self.identity)

    @property
    def same_content(self) -> bool:
        return self.seen is not None and self.seen.kind == "file" and self.seen.identity == self.identity

    @property
    def same_mode(self) -> bool:
        return self.seen is not None and self.seen.mode == self.bits


@dataclass(frozen=True, slots=True)
class Files:
    """The member for ``kind: File``."""

    ground: Ground
    contents: Contents

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        aim = self._aim(wanted, entry)
        same = aim.same_content and aim.same_mode and not aim.left
        seen = digest_of([aim.seen.plain if aim.seen else None, aim.left]) if aim.seen or aim.left else ""
        return Look(
            seen,
            same,
            () if same else _changes(wanted, aim, entry),
            paths=(aim.spot.path,),
            version=wanted.manifest.digest,
            written=aim.written,
            algorithm=aim.algorithm,
        )

    def glance(self, owner: str, entry: Entry) -> Look:
        there = {path: seen.plain for path in entry.paths if (seen := self._seen(self.ground.spot_at(path), entry.algorithm))}
        changes = tuple(Change("spec.path", path, None) for path in there)
        return Look(digest_of(there) if there else "", not there, changes, paths=entry.paths)

    async def put(self, wanted: Wanted, entry: Entry) -> None:
        await in_thread(self._put, wanted, entry)

    async def remove(self, owner: str, entry: Entry) -> None:
        for path in entry.paths:
            await in_thread(remove_file, self.ground.spot_at(path))

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        if version and entry.version != version:
            return Health(State.PROGRESSING, "another version is in place")
        path = entry.paths[0]
        seen = self._seen(self.ground.spot_at(path), entry.algorithm)
        if seen is None:
            return Health(State.MISSING, f"{path} is not there")
        identity, _, mode = entry.written.partition(" ")
        if (
            seen.kind != "file"
            or seen.identity != (identity if identity != "*" else seen.identity)
            or mode not in ("*", f"{seen.mode:04o}")
        ):
            # That is drift, and for the next look to undo; nothing is wrong with the version that was applied.
            return Health(State.HEALTHY, f"{path} was changed since it was applied")
        return Health(State.HEALTHY)

    def _aim(self, wanted: Wanted, entry: Entry | None) -> _Aim:
        spec = _spec(wanted)
        spot = self.ground.spot(wanted.application, spec.path)
        identity = _identity(wanted, spec)
        seen = self._seen(spot, algorithm_of(identity))
        bits = spec.bits
        marks = [identity, f"{bits:04o}"]
        if seen and seen.kind == "file" and wanted.ignores("spec.content"):
            identity, marks[0] = seen.identity, "*"
        if seen and seen.kind == "file" and wanted.ignores("spec.mode"):
            bits, marks[1] = seen.mode, "*"
        paths = entry.paths if entry else ()
        left = tuple(path for path in paths if path != spot.path and os.path.lexists(path))
        return _Aim(spec, spot, identity, bits, " ".join(marks), seen, left)

    def _put(self, wanted: Wanted, entry: Entry) -> None:
        aim = self._aim(wanted, entry)
        if aim.seen and aim.seen.kind == "folder":
            raise Refused(
                f"{aim.spot.path} is a folder", key=str(wanted.key), where=aim.spot.path, hint="remove it, or choose another path"
            )
        with folder_of(aim.spot, make=True) as folder:
            if aim.same_content:
                os.chmod(aim.spot.name, aim.bits, dir_fd=folder)
            else:
                _replace(folder, aim.spot, _data(wanted, aim.spec), aim.bits)
        for path in aim.left:
            remove_file(self.ground.spot_at(path))

    def _seen(self, spot: Spot, algorithm: str) -> Seen | None:
        try:
            with folder_of(spot, make=False) as folder:
                return self.contents.look(spot.name, folder, algorithm)
        except FileNotFoundError:
            return None


def remove_file(spot: Spot) -> None:
    """Remove a file, when it is there, and the folders that are empty then. Raises Refused."""
    try:
        with folder_of(spot, make=False) as folder:
            os.unlink(spot.name, dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        raise Refused(f"{spot.path} is a folder now", where=spot.path, hint="remove it: a file was there before") from None
    remove_empty(spot)


def source_of(wanted: Wanted, source: str) -> str:
    """A ``source`` as a path from the repository's root."""
    origin = wanted.manifest.origin
    return resolve_path(wanted.desired.application.folder, source, origin.file, origin.line)


def _changes(wanted: Wanted, aim: _Aim, entry: Entry | None) -> tuple[Change, ...]:
    found = [Change("spec.path", path, aim.spot.path) for path in aim.left]
    if not aim.same_content:
        after = MASK if aim.spec.hidden else shown(_data(wanted, aim.spec))
        found.append(Change("spec.content", _before(aim, entry), after))
    if not aim.same_mode:
        found.append(Change("spec.mode", f"{aim.seen.mode:04o}" if aim.seen else None, f"{aim.bits:04o}"))
    return tuple(found)


def _before(aim: _Aim, entry: Entry | None) -> str | None:
    """What is there, for people. Of what is not ours only size and id are told: somebody's password may be in it."""
    if aim.seen is None:
        return None
    if aim.spec.hidden or (entry and entry.body.get("secret")):
        return MASK
    if entry is None or aim.seen.kind != "file" or aim.seen.size > LARGEST_SHOWN:
        return aim.seen.short
    data = read_file(aim.spot)
    return aim.seen.short if data is None else shown(data)


def _spec(wanted: Wanted) -> FileSpec:
    assert isinstance(wanted.document, File)
    return wanted.document.spec


def _identity(wanted: Wanted, spec: FileSpec) -> str:
    """The object id of the desired content; that of a source is known without reading it."""
    if spec.source is None:
        return blob_id(_data(wanted, spec))
    path = source_of(wanted, spec.source)
    if wanted.desired.tree.kind(path) != "file":
        raise Refused(f"{wanted.key}: `{spec.source}` is not a file of the repository", key=str(wanted.key), hint="name a file in `source`")
    return wanted.desired.tree.object_id(path) or ""


def _data(wanted: Wanted, spec: FileSpec) -> bytes:
    if spec.source is not None:
        return wanted.desired.tree.read(source_of(wanted, spec.source))
    return (spec.content.reveal() if isinstance(spec.content, Secret) else spec.content or "").encode()


def read_file(spot: Spot) -> bytes | None:
    """A file's content; None when it cannot be had."""
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
        write_new(folder, draft, data, bits)
        os.rename(draft, spot.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    os.fsync(folder)


def write_new(folder: int, name: str, data: bytes, bits: int) -> None:
    """Write a file that is not there yet, so that it survives a power loss. Raises OSError."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        write(descriptor, data)
        os.fchmod(descriptor, bits)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
