"""What renders take from outside of their repository, for any thread: from the cache, or fetched once.

On disk, below the folder of the cache::

    commits/<hash of the address>/<commit>.git    a bare repository with the files of one commit
    charts/<sha256>.tgz                           an archive, called by its digest
    files/<sha256>                                a file, called by its digest
"""

import asyncio
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, TypeVar

from trueup.model.errors import Refused, SettingsError, TrueupError
from trueup.toolkit.git.git_tree import GitTree
from trueup.toolkit.git.remote import remote, scrub
from trueup.toolkit.process import Limits
from trueup.toolkit.sources.allowed import Policy
from trueup.toolkit.sources.charts import Pinned, archive_of, digest_of
from trueup.toolkit.sources.commits import commit_of, directory_of, is_damaged
from trueup.toolkit.sources.download import Download

LARGEST: Final = 64 * 1024**2
DEADLINE: Final = 60.0
KEPT_SECONDS: Final = 90 * 86400.0
"""What nothing has named for so long goes."""

CALM: Final = 10.0
"""What failed is not asked for again so soon: a thousand applications may name one base."""

Result = TypeVar("Result")


class Sources:
    """Fetches what is pinned and allowed, and keeps it. Everything here blocks.

    Raises SettingsError for what the operator does not allow, or where we are not let in; Unreachable for what does not answer or is not
    there yet; Refused for what is too large or is not what was pinned.
    """

    def __init__(
        self, folder: Path | None = None, policy: Policy | None = None, largest: int = LARGEST, deadline: float = DEADLINE
    ) -> None:
        self._folder = folder
        self._policy = policy or Policy()
        self._largest = largest
        self._deadline = deadline
        self._download = Download(self._policy, largest, deadline)
        self._turns: dict[str, threading.Lock] = {}
        self._failed: dict[str, tuple[float, TrueupError]] = {}
        self._trees: dict[str, GitTree] = {}

    def commit(self, url: str, commit: str) -> GitTree:
        """The files of one commit (a full hash) of the repository at an address."""
        asked = remote(url, self._policy.of(url).credentials)
        directory = directory_of(self._place("commits"), asked, commit)
        name = f"{url} {commit}"

        def fetch() -> GitTree:
            if name not in self._trees or is_damaged(directory):
                limits = Limits(deadline=self._deadline, silence=self._deadline)
                self._trees[name] = _waited(lambda: commit_of(asked, commit, directory, self._largest, limits))
                self._used(directory)
            return self._trees[name]

        return self._in_turn(name, fetch)

    def chart(self, chart: Pinned) -> bytes:
        """The archive of a chart, by its digest."""
        self._policy.of(chart.repository)
        file = self._place("charts") / f"{chart.digest.removeprefix('sha256:')}.tgz"

        def fetch() -> bytes:
            kept = file.read_bytes() if file.is_file() else b""
            if hashlib.sha256(kept).hexdigest() != file.stem:
                kept = _waited(lambda: archive_of(chart, self._download))
                _keep(file, kept)
            self._used(file)
            return kept

        return self._in_turn(f"{chart.repository} {chart.reference} {chart.digest}", fetch)

    def file(self, url: str, digest: str) -> bytes:
        """A file at an address, by its digest (``sha256:`` and 64 digits)."""
        kept = self._place("files") / digest.removeprefix("sha256:")

        def fetch() -> bytes:
            content = kept.read_bytes() if kept.is_file() else b""
            if hashlib.sha256(content).hexdigest() != kept.name:
                content = _waited(lambda: self._download.fetch(url))
                _demand(content, digest, url)
                _keep(kept, content)
            self._used(kept)
            return content

        self._policy.of(url)
        return self._in_turn(f"{url} {digest}", fetch)

    def published(self, chart: Pinned) -> str:
        """The digest that the repository itself gives for a chart now, for a hint; empty when it cannot be told."""
        self._policy.of(chart.repository)
        try:
            return self._in_turn(f"{chart.repository} {chart.reference}", lambda: _waited(lambda: digest_of(chart, self._download)))
        except TrueupError:
            return ""

    def _place(self, name: str) -> Path:
        if self._folder is None:
            raise SettingsError("nothing is fetched here", hint="run it where there is a state folder")
        return self._folder / name

    def _used(self, place: Path) -> None:
        """Remember that it was used, and let go of what was not for a long time."""
        os.utime(place)
        folder = self._place("")
        for each in (*folder.glob("commits/*/*.git"), *folder.glob("charts/*.tgz"), *folder.glob("files/*")):
            with suppress(OSError):  # another process was first
                if time.time() - each.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(each) if each.is_dir() else each.unlink()

    def _in_turn(self, name: str, fetch: Callable[[], Result]) -> Result:
        """One thread asks for a thing, the others wait for what it gets; for a moment, a failure stands for all of them."""
        with self._turns.setdefault(name, threading.Lock()):
            at, error = self._failed.get(name, (0.0, None))
            if error is not None and time.monotonic() - at < CALM:
                raise error
            try:
                found = fetch()
            except TrueupError as failed:
                self._failed[name] = (time.monotonic(), failed)
                raise
            self._failed.pop(name, None)
            return found


def _waited(ask: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """In a loop of its own, in a thread of its own: the caller may be in a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(ask())).result()


def _demand(content: bytes, digest: str, url: str) -> None:
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if found != digest:
        hint = "find out why it was exchanged before you pin it anew"
        raise Refused(f"{scrub(url)} is not what was pinned: it has {found}", where=scrub(url), hint=hint)


def _keep(file: Path, content: bytes) -> None:
    """There at once, as a whole."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=file.parent, delete=False) as written:
            written.write(content)
        os.replace(written.name, file)  # noqa: PTH105
    except OSError as error:
        hint = "see that the state folder can be written and has room"
        raise SettingsError(f"nothing can be kept in {file.parent}: {error.strerror}", where=str(file.parent), hint=hint) from error
