"""What moves below a root is told: by the kernel where it can, by looking every two seconds where its limits are reached."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from trueup.model.contracts import Lost, Moved
from trueup.model.errors import Refused
from trueup.runtimes.host.inotify import IGNORED, ISDIR, Q_OVERFLOW, Inotify
from trueup.runtimes.host.interests import Interests
from trueup.runtimes.host.keeper.process import lives
from trueup.runtimes.host.keeper.state import STATE
from trueup.runtimes.host.record import Records
from trueup.runtimes.host.running import Ways
from trueup.runtimes.host.thread import in_thread

_BURST = 0.075
"""Seconds in which what belongs together comes together."""
_LOOK = 2.0

Signature = tuple[object, ...]


@dataclass(slots=True)
class Watch:
    """One reader of everything that moves."""

    records: Records
    ways: Ways
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    watches: dict[int, str] = field(default_factory=dict)
    processes: dict[tuple[int, int], int] = field(default_factory=dict)
    interests: Interests | None = None

    async def moves(self) -> AsyncIterator[Moved | Lost]:
        """For as long as it is read."""
        try:
            kernel = Inotify()
        except OSError as error:
            yield Lost(_words(error))
            async for moved in self._looking():
                yield moved
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(kernel.descriptor, self.woken.set)
        try:
            async for told in self._listening(kernel):
                yield told
        finally:
            loop.remove_reader(kernel.descriptor)
            kernel.close()
            self._let_go()

    async def _listening(self, kernel: Inotify) -> AsyncIterator[Moved | Lost]:
        try:
            await self._renew(kernel)
        except OSError as error:
            yield Lost(_words(error))
            async for moved in self._looking():
                yield moved
            return
        while True:
            await self.woken.wait()
            await asyncio.sleep(_BURST)
            self.woken.clear()
            told, renew = self._heard(kernel)
            try:
                told |= await self._renew(kernel) if renew else set()
            except OSError as error:
                yield Lost(_words(error))
                async for moved in self._looking():
                    yield moved
                return
            for each in sorted(told, key=str):
                yield each

    def _heard(self, kernel: Inotify) -> tuple[set[Moved | Lost], bool]:
        """Whom it is about, and whether there is something new to watch."""
        told: set[Moved | Lost] = set()
        renew = False
        folders = self.interests.folders if self.interests else {}
        for event in kernel.read():
            if event.mask & Q_OVERFLOW:
                told.add(Lost("the kernel had no room for all events"))
            folder = folders.get(self.watches.get(event.watch, ""))
            if folder:
                told.update(folder.concerned(event.name))
            renew = renew or bool(event.mask & (ISDIR | IGNORED)) or event.name.startswith("record-") or event.name in ("", STATE)
        for identity, descriptor in list(self.processes.items()):
            if not lives(*identity):
                self._forget(identity, descriptor)
                told.update({self.interests.keepers[identity]} if self.interests and identity in self.interests.keepers else ())
        return told, renew

    async def _renew(self, kernel: Inotify) -> set[Moved | Lost]:
        """Watch what there is to watch now. What happened before its folder was watched is told of everything in it. Raises OSError."""
        before = set(self.interests.folders) if self.interests else None
        self.interests = await in_thread(self._interests)
        watches: dict[int, str] = {}
        told: set[Moved | Lost] = set()
        for path, folder in self.interests.folders.items():
            with suppress(FileNotFoundError, NotADirectoryError):
                number = kernel.add(path, folder.mask)
                watches[number] = path
                if before is not None and self.watches.get(number) != path:
                    told.update(folder.concerned(""))
        for number in self.watches.keys() - watches.keys():
            kernel.remove(number)
        self.watches = watches
        self._follow()
        return told

    def _interests(self) -> Interests:
        try:
            records = self.records.all()
        except Refused:
            # Whoever walks next meets it, and tells.
            records = []
        return Interests(self.records.root, self.ways).add(records)

    def _follow(self) -> None:
        """Hear of the end of every keeper. Raises OSError."""
        wanted = self.interests.keepers if self.interests else {}
        for identity, descriptor in list(self.processes.items()):
            if identity not in wanted:
                self._forget(identity, descriptor)
        loop = asyncio.get_running_loop()
        for identity in wanted.keys() - self.processes.keys():
            try:
                descriptor = os.pidfd_open(identity[0])
            except ProcessLookupError:
                self.woken.set()
                continue
            self.processes[identity] = descriptor
            loop.add_reader(descriptor, self._ended, descriptor)

    def _ended(self, descriptor: int) -> None:
        # It stays readable: heard once is enough.
        asyncio.get_running_loop().remove_reader(descriptor)
        self.woken.set()

    def _forget(self, identity: tuple[int, int], descriptor: int) -> None:
        del self.processes[identity]
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def _let_go(self) -> None:
        for identity, descriptor in list(self.processes.items()):
            self._forget(identity, descriptor)

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
        interests = self._interests()
        for path, folder in sorted(interests.folders.items()):
            for name, moved in folder.names.items():
                for each in moved:
                    found.setdefault(each, []).append(_signature(f"{path}/{name}", folder.mask))
            for each, inside, keep in folder.everything:
                names = _names(path)
                own = [name for name in names if each in folder.concerned(name)] if keep or inside else names
                found.setdefault(each, []).extend(_signature(f"{path}/{name}", folder.mask) for name in own)
        for identity, moved_ in interests.keepers.items():
            found.setdefault(moved_, []).append(identity)
        return found


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []


def _signature(path: str, mask: int) -> Signature:
    try:
        status = os.lstat(path)
    except OSError:
        return (path,)
    if os.path.isdir(path):  # noqa: PTH112
        # A folder's times change with what is in it; that is told of what is in it.
        return (path, status.st_ino)
    return (path, status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)


def _words(error: OSError) -> str:
    return f"the kernel cannot watch more ({error.strerror}): looking every {_LOOK:g}s instead"
