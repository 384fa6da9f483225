"""Directories: the new version is built beside the old one, and both are exchanged at once."""

import ctypes
import os
import posixpath
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import digest_of
from trueup.model.plan import Change
from trueup.runtimes.host.content import Contents, Seen, algorithm_of
from trueup.runtimes.host.files import source_of, write_new
from trueup.runtimes.host.ground import Ground, Spot, draft_of, fits, folder_of, remove_empty
from trueup.runtimes.host.keeper.file import flush_folder
from trueup.runtimes.host.manifests import Directory, DirectorySpec
from trueup.runtimes.host.member import Look, Wanted
from trueup.runtimes.host.record import Entry
from trueup.runtimes.host.thread import in_thread

_EXCHANGE = 2
_GRACE = 0.1
_MOST_LISTINGS = 256
_LISTED = 50
"""How many changed files a plan names."""

Listing = Mapping[str, Seen]


@dataclass(frozen=True, slots=True)
class Directories:
    """The member for ``kind: Directory``."""

    ground: Ground
    contents: Contents
    listings: dict[tuple[str, tuple[str, ...]], dict[str, Seen]] = field(default_factory=dict)

    def look(self, wanted: Wanted, entry: Entry | None) -> Look:
        spec = _spec(wanted)
        spot = self.ground.spot(wanted.application, spec.path)
        desired = self._desired(wanted, spec)
        algorithm = _algorithm(desired)
        there, live = self._live(spot, algorithm, spec.keep)
        left = [path for path in (entry.paths if entry else ()) if path != spot.path and os.path.lexists(path)]
        drafts = [draft_of(spot).path] if entry and os.path.lexists(draft_of(spot).path) else []
        if there and wanted.ignores("spec.source"):
            desired = live
        same = there and live == desired and not left and not drafts
        seen = digest_of([{path: each.plain for path, each in live.items()}, left, drafts]) if there or left or drafts else ""
        return Look(
            seen,
            same,
            () if same else (*(Change("spec.path", path, spot.path) for path in left), *_changes(live, desired)),
            reason="an exchange was broken off" if drafts and not same else "",
            paths=(spot.path,),
            version=wanted.manifest.digest,
            written="*" if wanted.ignores("spec.source") else _digest(desired),
            algorithm=algorithm,
        )

    def glance(self, owner: str, entry: Entry) -> Look:
        found = {path: self._live(self.ground.spot_at(path), entry.algorithm, _kept_by(entry)) for path in entry.paths}
        there = {path: _digest(live) for path, (is_there, live) in found.items() if is_there}
        changes = tuple(Change("spec.path", path, None) for path in there)
        return Look(digest_of(there) if there else "", not there, changes, paths=entry.paths)

    async def put(self, wanted: Wanted, entry: Entry) -> None:
        await in_thread(self._put, wanted, entry)

    async def remove(self, owner: str, entry: Entry) -> None:
        for path in entry.paths:
            await in_thread(_remove_all, self.ground.spot_at(path), _kept_by(entry))

    def health(self, owner: str, entry: Entry, version: str) -> Health:
        if version and entry.version != version:
            return Health(State.PROGRESSING, "another version is in place")
        there, live = self._live(self.ground.spot_at(entry.paths[0]), entry.algorithm, _kept_by(entry))
        if not there:
            return Health(State.MISSING, f"{entry.paths[0]} is not there")
        if entry.written not in ("*", _digest(live)):
            # That is drift, and for the next look to undo; nothing is wrong with the version that was applied.
            return Health(State.HEALTHY, f"{entry.paths[0]} was changed since it was applied")
        return Health(State.HEALTHY)

    def _live(self, spot: Spot, algorithm: str, keep: tuple[str, ...]) -> tuple[bool, dict[str, Seen]]:
        """Whether something is there, and every file in it but the kept ones. What is no folder counts as one entry without a name."""
        try:
            with folder_of(spot, make=False) as above:
                seen = self.contents.look(spot.name, above, algorithm)
                if seen is None:
                    return False, {}
                if seen.kind != "folder":
                    return True, {"": seen}
                return True, {path: each for path, each in self._walk(spot.name, above, algorithm) if not is_kept(path, keep)}
        except FileNotFoundError:
            return False, {}

    def _walk(self, name: str, above: int, algorithm: str) -> Iterator[tuple[str, Seen]]:
        for folder, folders, files, descriptor in os.fwalk(name, dir_fd=above, follow_symlinks=False):
            inside = folder[len(name) :].lstrip("/")
            links = [each for each in folders if stat.S_ISLNK(os.stat(each, dir_fd=descriptor, follow_symlinks=False).st_mode)]
            for file in (*files, *links):
                seen = self.contents.look(file, descriptor, algorithm)
                if seen:
                    yield posixpath.join(inside, file), seen

    def _desired(self, wanted: Wanted, spec: DirectorySpec) -> dict[str, Seen]:
        """What should be in it. A folder of the repository is listed once, for as long as its object id stays."""
        name = (wanted.desired.tree.object_id(source_of(wanted, spec.source)) or "", spec.keep)
        found = self.listings.get(name)
        if found is None:
            if len(self.listings) >= _MOST_LISTINGS:
                self.listings.clear()
            found = self.listings[name] = _listing(wanted, spec)
        return found

    def _put(self, wanted: Wanted, entry: Entry) -> None:
        spec = _spec(wanted)
        spot = self.ground.spot(wanted.application, spec.path)
        draft = draft_of(spot)
        for rest in (draft, _aside(draft)):
            # Broken off before or after the exchange: what is kept may be in either.
            if os.path.lexists(rest.path):
                _carry(rest, spot, spec.keep)
                _remove_tree(rest)
        desired = self._desired(wanted, spec)
        there, live = self._live(spot, _algorithm(desired), spec.keep)
        if there and "" in live:
            hint = "remove it, or choose another path"
            raise Refused(f"{spot.path} is a {live[''].kind}", key=str(wanted.key), where=spot.path, hint=hint)
        self._build(wanted, spot, draft, live)
        if there:
            _link(spot, draft, spec.keep)
            _exchange(spot, draft)
            # Who looked the folder up a moment ago still finds its files in it.
            time.sleep(_GRACE)
            _carry(draft, spot, spec.keep)
            _remove_tree(draft)
        else:
            _rename(draft, spot)
        for path in entry.paths:
            if path != spot.path:
                old = self.ground.spot_at(path)
                _carry(old, spot, spec.keep)
                _remove_all(old, spec.keep)

    def _build(self, wanted: Wanted, spot: Spot, draft: Spot, live: Listing) -> None:
        """The new version: what is the same already is linked, the rest is written."""
        spec = _spec(wanted)
        source = source_of(wanted, spec.source)
        _make_folder(draft)
        for path, seen in self._desired(wanted, spec).items():
            new = Spot(draft.base, (*draft.steps, *path.split("/")))
            with folder_of(new, make=True) as folder:
                if live.get(path) == seen:
                    old = Spot(spot.base, (*spot.steps, *path.split("/")))
                    with folder_of(old, make=False) as old_folder:
                        os.link(old.name, new.name, src_dir_fd=old_folder, dst_dir_fd=folder, follow_symlinks=False)
                else:
                    write_new(folder, new.name, wanted.desired.tree.read(posixpath.join(source, path)), seen.mode)


def is_kept(path: str, keep: tuple[str, ...]) -> bool:
    """Whether a path in a directory, or a folder that it is in, is one of those that are not ours."""
    steps = path.split("/")
    return any(fits("/".join(steps[: end + 1]), keep) for end in range(len(steps)))


def _spec(wanted: Wanted) -> DirectorySpec:
    assert isinstance(wanted.document, Directory)
    return wanted.document.spec


def _kept_by(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.body.get("keep", ()))


def _listing(wanted: Wanted, spec: DirectorySpec) -> dict[str, Seen]:
    tree, source = wanted.desired.tree, source_of(wanted, spec.source)
    if tree.kind(source) != "folder":
        raise Refused(
            f"{wanted.key}: `{spec.source}` is not a folder of the repository", key=str(wanted.key), hint="name a folder in `source`"
        )
    found = {}
    for path in tree.walk(source):
        inside = path.removeprefix(f"{source}/") if source else path
        if not is_kept(inside, spec.keep):
            mode = 0o755 if tree.mode(path) == 0o100755 else 0o644
            found[inside] = Seen("file", tree.object_id(path) or "", mode, tree.size(path))
    return found


def _algorithm(desired: Listing) -> str:
    return next((algorithm_of(seen.identity) for seen in desired.values()), "sha1")


def _digest(listing: Listing) -> str:
    return digest_of({path: seen.plain for path, seen in listing.items()})


def _changes(live: Listing, desired: Listing) -> Iterator[Change]:
    names = [path for path in sorted(live.keys() | desired.keys()) if live.get(path) != desired.get(path)]
    for path in names[:_LISTED]:
        before, after = live.get(path), desired.get(path)
        yield Change(f'files["{path}"]', before.short if before else None, after.short if after else None)
    if len(names) > _LISTED:
        yield Change("files", None, f"and {len(names) - _LISTED} more")


def _make_folder(spot: Spot) -> None:
    with folder_of(spot, make=True) as above:
        os.mkdir(spot.name, 0o755, dir_fd=above)
        os.chmod(spot.name, 0o755, dir_fd=above)


def _kept_files(spot: Spot, keep: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The kept files below a folder, in steps."""
    found: list[tuple[str, ...]] = []
    if not keep:
        return found
    with suppress(FileNotFoundError, NotADirectoryError), folder_of(spot, make=False) as above:
        for folder, folders, files, descriptor in os.fwalk(spot.name, dir_fd=above, follow_symlinks=False):
            inside = folder[len(spot.name) :].lstrip("/")
            links = [each for each in folders if stat.S_ISLNK(os.stat(each, dir_fd=descriptor, follow_symlinks=False).st_mode)]
            paths = [posixpath.join(inside, name) for name in (*files, *links)]
            found += [tuple(path.split("/")) for path in paths if is_kept(path, keep)]
    return found


def _link(old: Spot, new: Spot, keep: tuple[str, ...]) -> None:
    """Have the kept files in the new version too, before it is exchanged: whoever has one open goes on writing to the same."""
    for steps in _kept_files(old, keep):
        source, copy = Spot(old.base, (*old.steps, *steps)), Spot(new.base, (*new.steps, *steps))
        with folder_of(source, make=False) as there, folder_of(copy, make=True) as here, suppress(FileNotFoundError):
            os.link(source.name, copy.name, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)


def _carry(old: Spot, new: Spot, keep: tuple[str, ...]) -> None:
    """Move the kept files over that came into being, or were replaced, while the new version was built."""
    for steps in _kept_files(old, keep):
        source, place = Spot(old.base, (*old.steps, *steps)), Spot(new.base, (*new.steps, *steps))
        with folder_of(source, make=False) as there, folder_of(place, make=True) as here:
            if _newer(source.name, there, place.name, here):
                os.rename(source.name, place.name, src_dir_fd=there, dst_dir_fd=here)


def _newer(source: str, there: int, place: str, here: int) -> bool:
    old = os.stat(source, dir_fd=there, follow_symlinks=False)
    try:
        new = os.stat(place, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return old.st_ino != new.st_ino and old.st_mtime_ns > new.st_mtime_ns


def _exchange(one: Spot, other: Spot) -> None:
    """Exchange two folders that are side by side, at once; where the file system cannot, one after the other."""
    with folder_of(one, make=False) as folder:
        _flush(folder)
        names = (os.fsencode(one.name), os.fsencode(other.name))
        if ctypes.CDLL(None, use_errno=True).renameat2(folder, names[0], folder, names[1], _EXCHANGE):
            aside = _aside(other).name
            os.rename(one.name, aside, src_dir_fd=folder, dst_dir_fd=folder)
            os.rename(other.name, one.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.rename(aside, other.name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def _aside(draft: Spot) -> Spot:
    """Where the old version is for a moment, on file systems that cannot exchange."""
    return Spot(draft.base, (*draft.steps[:-1], f"{draft.name}.old"))


def _rename(draft: Spot, spot: Spot) -> None:
    with folder_of(spot, make=False) as folder:
        os.rename(draft.name, spot.name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def _flush(folder: int) -> None:
    ctypes.CDLL(None, use_errno=True).syncfs(folder)


def _remove_tree(spot: Spot) -> None:
    with suppress(FileNotFoundError), folder_of(spot, make=False) as above:
        shutil.rmtree(spot.name, dir_fd=above)


def _remove_all(spot: Spot, keep: tuple[str, ...]) -> None:
    """Remove a folder and its draft, and what is empty then. What is kept was never ours, and stays."""
    _remove_tree(draft_of(spot))
    if _kept_files(spot, keep):
        _remove_ours(spot, keep)
        return
    _remove_tree(spot)
    remove_empty(spot)
    with suppress(OSError):
        flush_folder(os.path.dirname(spot.path))  # noqa: PTH120


def _remove_ours(spot: Spot, keep: tuple[str, ...]) -> None:
    with folder_of(spot, make=False) as above:
        for folder, folders, files, descriptor in os.fwalk(spot.name, topdown=False, dir_fd=above, follow_symlinks=False):
            inside = folder[len(spot.name) :].lstrip("/")
            for name in (*files, *folders):
                if not is_kept(posixpath.join(inside, name), keep):
                    with suppress(OSError):
                        _remove_one(name, descriptor)


def _remove_one(name: str, folder: int) -> None:
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.rmdir(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)
