"""What has to be watched so that every change of an owned object is told."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from trueup.model.contracts import Moved
from trueup.runtimes.host import inotify
from trueup.runtimes.host.directory import is_kept
from trueup.runtimes.host.keeper.state import STATE
from trueup.runtimes.host.keepers import Instance
from trueup.runtimes.host.record import Entry, Record
from trueup.runtimes.host.running import Ways

COMES_AND_GOES = inotify.MOVED_FROM | inotify.MOVED_TO | inotify.CREATE | inotify.DELETE | inotify.DELETE_SELF | inotify.MOVE_SELF
ALL = COMES_AND_GOES | inotify.MODIFY | inotify.ATTRIB | inotify.CLOSE_WRITE


@dataclass(slots=True)
class Folder:
    """One folder to watch.

    ``names``: whom a name in it is about; ``everything``: whom all that happens in it is about, but for kept paths.
    """

    mask: int = COMES_AND_GOES
    names: dict[str, set[Moved]] = field(default_factory=dict)
    everything: list[tuple[Moved, str, tuple[str, ...]]] = field(default_factory=list)

    def concerned(self, name: str) -> Iterator[Moved]:
        """Whose object an event at a name is about; with no name, everybody's."""
        for each, moved in self.names.items():
            if not name or name == each:
                yield from moved
        for about, inside, keep in self.everything:
            if not name or not is_kept(f"{inside}/{name}" if inside else name, keep):
                yield about


@dataclass(slots=True)
class Interests:
    """The folders to watch, and the processes whose end has to be told."""

    root: Path
    ways: Ways
    folders: dict[str, Folder] = field(default_factory=dict)
    keepers: dict[tuple[int, int], Moved] = field(default_factory=dict)

    def add(self, records: Iterable[Record]) -> "Interests":
        """Everything that these records name."""
        # The folder of the records comes with the first of them.
        self._folder(str(self.root), COMES_AND_GOES)
        for record in records:
            self._folder(str(self.root / ".trueup" / record.owner.application), COMES_AND_GOES)
            for entry in record.entries:
                self._add(record, entry)
        return self

    def _add(self, record: Record, entry: Entry) -> None:
        moved = Moved(record.owner, entry.key)
        if entry.key.kind in ("Service", "Job"):
            self._running(moved, record.owner.application)
        for path in entry.paths:
            self._path(path, moved)
            if entry.key.kind == "Directory":
                self._tree(path, moved, tuple(entry.body.get("keep", ())))

    def _path(self, path: str, moved: Moved) -> None:
        """The folder that a path is in sees every change of it; those above, that it goes or comes as a whole."""
        steps = path.removeprefix(f"{self.root}/").split("/") if path.startswith(f"{self.root}/") else [os.path.basename(path)]  # noqa: PTH119
        folder = str(self.root) if len(steps) > 1 else os.path.dirname(path)  # noqa: PTH120
        for step in steps[:-1]:
            self._folder(folder, COMES_AND_GOES).names.setdefault(step, set()).add(moved)
            folder = f"{folder}/{step}"
        self._folder(folder, ALL).names.setdefault(steps[-1], set()).add(moved)

    def _tree(self, path: str, moved: Moved, keep: tuple[str, ...]) -> None:
        for folder, folders, _ in os.walk(path):
            inside = os.path.relpath(folder, path)
            inside = "" if inside == "." else inside
            folders[:] = [name for name in folders if not is_kept(f"{inside}/{name}" if inside else name, keep)]
            self._folder(folder, ALL).everything.append((moved, inside, keep))

    def _running(self, moved: Moved, application: str) -> None:
        keepers = self.ways.keepers(application, moved.key.kind, moved.key.name)
        # The log beside the state is written all the time: only what comes and goes is watched.
        self._folder(str(keepers.folder), COMES_AND_GOES).everything.append((moved, "", ()))
        self._folder(str(keepers.folder.parent), COMES_AND_GOES).names.setdefault(keepers.folder.name, set()).add(moved)
        for start in sorted(keepers.folder.glob("*-*"))[-2:]:
            self._folder(str(start), COMES_AND_GOES).names.setdefault(STATE, set()).add(moved)
        for instance in keepers.instances():
            if instance.kept or instance.orphaned:
                self._process(instance, moved)

    def _process(self, instance: Instance, moved: Moved) -> None:
        one = instance.keeper if instance.kept else instance.process
        if one:
            self.keepers[one.pid, one.start] = moved

    def _folder(self, path: str, mask: int) -> Folder:
        folder = self.folders.setdefault(path, Folder())
        folder.mask |= mask
        return folder
