"""What moves below a root is told: by the kernel where it can, by looking every two seconds where its limits are reached."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from trueup.model.contracts import Lost, Moved
from trueup.model.errors import Refused
from trueup.runtimes.host.inotify import IGNORED, ISDIR, Q_OVERFLOW, Event, Inotify
from trueup.runtimes.host.interests import COMES_AND_GOES, Folder, Interests
from trueup.runtimes.host.keeper.process import lives
from trueup.runtimes.host.keeper.state import STATE
from trueup.runtimes.host.record import Records
from trueup.runtimes.host.running import Ways
from trueup.runtimes.host.thread import in_thread

_BURST = 0.075
"""Seconds in which what belongs together comes together."""
_LOOK = 2.0

Signature = tuple[object, ...]
Told = Moved | Lost
Files = set[Path]
"""Records by their files: each says what has to be watched for one application."""


@dataclass(slots=True)
class Watch:
    """One reader of everything that moves. What is to be watched is known by record, so that one change renews the watch of one."""

    records: Records
    ways: Ways
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    parts: dict[Path, Interests] = field(default_factory=dict)
    watches: dict[int, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    processes: dict[tuple[int, int], int] = field(default_factory=dict)

    async def moves(self) -> AsyncIterator[Told]:
        """For as long as it is read."""
        kernel: Inotify | None = None
        try:
            kernel = Inotify()
            asyncio.get_running_loop().add_reader(kernel.descriptor, self.woken.set)
            await self._renew(kernel, {self.records.folder, *await in_thread(self._files)})
            if self.parts:
                yield Lost("what happened before the watch began was not seen")
            while True:
                for told in await self._next(kernel):
                    yield told
        except OSError as error:
            yield Lost(f"the kernel cannot watch more ({error.strerror}): looking every {_LOOK:g}s instead")
        finally:
            self._let_go(kernel)
        async for moved in self._looking():
            yield moved

    async def _next(self, kernel: Inotify) -> list[Told]:
        """What was told in the next burst. Raises OSError."""
        await self.woken.wait()
        await asyncio.sleep(_BURST)
        self.woken.clear()
        told: set[Told] = set()
        stale: Files = set()
        for event in kernel.read():
            path = self.watches.get(event.watch, "")
            if event.mask & Q_OVERFLOW:
                told.add(Lost("the kernel had no room for all events"))
                stale |= await in_thread(self._files)
            told.update(moved for folder in self._at(path) for moved in folder.concerned(event.name))
            stale |= self._stale(event, path)
        told |= self._ended()
        if stale:
            told |= await self._renew(kernel, stale)
        return sorted(told, key=str)

    def _at(self, path: str) -> list[Folder]:
        return [part.folders[path] for part in self.parts.values() if path in part.folders]

    def _stale(self, event: Event, path: str) -> Files:
        """The records of which something new may have to be watched now."""
        own = str(self.records.folder)
        if path == own or (path == str(self.records.root) and event.name == self.records.folder.name):
            return self._files() | {self.records.folder}
        if event.name.startswith("record-") and os.path.dirname(path) == own:  # noqa: PTH120
            return {Path(path) / event.name}
        if event.mask & (ISDIR | IGNORED) or event.name in ("", STATE):
            return self._about(path)
        return set()

    def _about(self, path: str) -> Files:
        """The records that have something in a folder."""
        return {file for file, part in self.parts.items() if path in part.folders}

    async def _renew(self, kernel: Inotify, stale: Files) -> set[Told]:
        """Watch what these records name now. What happened before its folder was watched is told of all in it. Raises OSError."""
        first = not self.watches
        told: set[Told] = set()
        fresh: list[str] = []
        while stale or fresh:
            for file, part in (await in_thread(self._read, stale)).items():
                self.parts.pop(file, None)
                if part:
                    self.parts[file] = part
            fresh = self._add(kernel, await in_thread(self._masks))
            told.update(moved for path in fresh for folder in self._at(path) for moved in folder.concerned(""))
            # What came into a folder just before that was watched made no event: look again, until nothing is new.
            stale = (await in_thread(_records_in, fresh)) | {file for path in fresh for file in self._about(path)}
        self._follow()
        return set() if first else told

    def _masks(self) -> dict[str, int]:
        """Every folder to watch. Those of the records are, before there is one."""
        own = self.records.folder
        masks = {str(folder): COMES_AND_GOES for folder in (self.records.root, own, *own.glob("*/"))}
        for part in self.parts.values():
            for path, folder in part.folders.items():
                masks[path] = masks.get(path, 0) | folder.mask
        return masks

    def _add(self, kernel: Inotify, masks: dict[str, int]) -> list[str]:
        """Watch these folders and no others; gives those that are new. Raises OSError."""
        fresh = []
        for path, mask in masks.items():
            with suppress(FileNotFoundError, NotADirectoryError):
                number = kernel.add(path, mask)
                if self.watches.get(number) != path:
                    fresh.append(path)
                self.watches[number], self.numbers[path] = path, number
        for path in self.numbers.keys() - masks.keys():
            number = self.numbers.pop(path)
            self.watches.pop(number, None)
            kernel.remove(number)
        return fresh

    def _files(self) -> Files:
        return set(self.records.folder.glob("*/record-*.json")) | self.parts.keys()

    def _read(self, stale: Files) -> dict[Path, Interests | None]:
        """What has to be watched for records; None for one that is gone."""
        found: dict[Path, Interests | None] = {}
        for file in stale:
            found[file] = None
            with suppress(Refused):
                # One that cannot be read is met by whoever walks next, and told then.
                record = self.records.read(file)
                found[file] = Interests(self.records.root, self.ways).add([record]) if record else None
        return found

    def _ended(self) -> set[Told]:
        """The keepers that ended."""
        told: set[Told] = set()
        for identity, descriptor in list(self.processes.items()):
            if not lives(*identity):
                self._forget(identity, descriptor)
                told.update(part.keepers[identity] for part in self.parts.values() if identity in part.keepers)
        return told

    def _follow(self) -> None:
        """Hear of the end of every keeper. Raises OSError."""
        wanted = {identity for part in self.parts.values() for identity in part.keepers}
        for identity, descriptor in list(self.processes.items()):
            if identity not in wanted:
                self._forget(identity, descriptor)
        for identity in wanted - self.processes.keys():
            try:
                descriptor = os.pidfd_open(identity[0])
            except ProcessLookupError:
                self.woken.set()
                continue
            self.processes[identity] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._hear, descriptor)

    def _hear(self, descriptor: int) -> None:
        # It stays readable: heard once is enough.
        asyncio.get_running_loop().remove_reader(descriptor)
        self.woken.set()

    def _forget(self, identity: tuple[int, int], descriptor: int) -> None:
        del self.processes[identity]
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def _let_go(self, kernel: Inotify | None) -> None:
        for identity, descriptor in list(self.processes.items()):
            self._forget(identity, descriptor)
        if kernel:
            asyncio.get_running_loop().remove_reader(kernel.descriptor)
            kernel.close()

    async def _looking(self) -> AsyncIterator[Moved]:
        """Without the kernel's help."""
        before = await in_thread(self._signatures)
        while True:
            await asyncio.sleep(_LOOK)
            now = await in_thread(self._signatures)
            for moved in sorted(before.keys() | now.keys(), key=str):
                if before.get(moved) != now.get(moved):
                    yield moved
            before = now

    def _signatures(self) -> dict[Moved, list[Signature]]:
        """What can be seen of every object without reading it."""
        found: dict[Moved, list[Signature]] = {}
        for part in self._read(self._files()).values():
            for path, folder in sorted(part.folders.items()) if part else ():
                for moved, names in _seen_in(path, folder):
                    found.setdefault(moved, []).extend(_signature(f"{path}/{name}") for name in names)
            for identity, moved in part.keepers.items() if part else ():
                found.setdefault(moved, []).append(identity)
        return found


def _records_in(folders: Iterable[str]) -> Files:
    return {file for folder in folders for file in Path(folder).glob("record-*.json")}


def _seen_in(path: str, folder: Folder) -> Iterable[tuple[Moved, list[str]]]:
    for name, moved in folder.names.items():
        yield from ((each, [name]) for each in moved)
    names = _names(path) if folder.everything else []
    for each, _, _ in folder.everything:
        yield each, [name for name in names if each in folder.concerned(name)]


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []


def _signature(path: str) -> Signature:
    try:
        status = os.lstat(path)
    except OSError:
        return (path,)
    if os.path.isdir(path):  # noqa: PTH112
        # A folder's times change with what is in it; that is told of what is in it.
        return (path, status.st_ino)
    return (path, status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
