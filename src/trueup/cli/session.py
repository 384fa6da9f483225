"""One command: what was said for every verb becomes settings, a repository and an engine."""

import asyncio
import getpass
import logging
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from opentelemetry.trace import TracerProvider

from trueup.cli.views import Views
from trueup.engine.requests import Engine
from trueup.model.errors import UsageError
from trueup.model.source import Repository
from trueup.settings import RepositorySettings, Settings, load
from trueup.toolkit.git.clone import discover_clone
from trueup.toolkit.git.remote import identity
from trueup.toolkit.git.working_tree import WorkingTree
from trueup.toolkit.telemetry import Meter

Walk = Callable[[Engine, Repository], Coroutine[Any, Any, int]]


class Assemble(Protocol):
    """What puts an engine together: ``trueup.assembly.assemble``."""

    def __call__(
        self, settings: Settings, logger: logging.Logger | None = None, meter: Meter | None = None, tracers: TracerProvider | None = None
    ) -> AbstractAsyncContextManager[Engine]:
        """An engine with these settings, closed at the end."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said on the command line for every verb; None: not said."""

    KEYS: ClassVar = ("repo", "branch", "path", "state", "config", "server")

    repo: str | None = None
    branch: str | None = None
    path: str | None = None
    state: str | None = None
    config: str | None = None
    server: str | None = None
    output: str = "text"


class Session:
    """One command from its words to its exit code."""

    def __init__(self, said: Said, assemble: Assemble) -> None:
        self._said = said
        self.assemble = assemble
        self.output = said.output
        self.views = Views()

    @property
    def names_repository(self) -> bool:
        """Whether a repository was named on the command line."""
        return bool(self._said.repo)

    @cached_property
    def actor(self) -> str:
        """Who is asking."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return str(os.getuid())

    def settings(self, **said: Any) -> Settings:
        """The settings, with what the command line says. Raises SettingsError."""
        if self._said.server:
            raise UsageError(
                "asking a serve elsewhere is not there yet", hint="leave --server and TRUEUP_SERVER out: the command does its own work"
            )
        if self._said.state:
            said["state"] = self._said.state
        return load(Path(self._said.config).expanduser() if self._said.config else None, os.environ, said)

    def run(self, walk: Walk) -> int:
        """Put an engine together and let the walk use it, on the repository that is meant."""
        return asyncio.run(self._run(walk))

    def run_alone(self, walk: Callable[[Engine], Coroutine[Any, Any, int]]) -> int:
        """The same without any repository."""
        return asyncio.run(self._run_alone(walk))

    async def _run_alone(self, walk: Callable[[Engine], Coroutine[Any, Any, int]]) -> int:
        async with self.assemble(self.settings()) as engine:
            return await walk(engine)

    async def _run(self, walk: Walk) -> int:
        settings = self.settings()
        chosen = await self.chosen(settings)
        async with self.assemble(settings.with_repository(chosen)) as engine:
            return await walk(engine, chosen.repository)

    async def chosen(self, settings: Settings) -> RepositorySettings:
        """The repository that is meant: the one that was said, else the upstream of the clone one stands in, else the only one that is set.

        Raises UsageError when there is none.
        """
        if self._said.repo:
            return self._of_url(self._said.repo, settings)
        clone = await discover_clone(Path.cwd())
        if clone:
            # A clone that follows nothing is where its commits come from.
            return self._of_url(clone.remote.url if clone.remote else str(clone.root), settings)
        if len(settings.repositories) == 1:
            return settings.repositories[0]
        raise UsageError("no repository is named", hint="name one with --repo URL or --repo PATH, or stand in a clone of it")

    def _of_url(self, url: str, settings: Settings) -> RepositorySettings:
        branch, path = self._said.branch, self._said.path
        found = [
            each
            for each in settings.repositories
            if each.repository.url == identity(url)
            and (branch is None or each.branch == branch)
            and (path is None or each.repository.path == path.strip("/"))
        ]
        if len(found) > 1:
            raise UsageError(f"{found[0].repository.url} is set {len(found)} times", hint="say which one is meant with --branch or --path")
        return found[0] if found else RepositorySettings(url=url, branch=branch or "", path=path or "")

    async def working_tree(self) -> WorkingTree:
        """The files as they lie on disk: of the repository when it is a folder here, else of the clone one stands in. Raises UsageError."""
        folder = self._folder()
        clone = await discover_clone(folder)
        if clone is None:
            raise UsageError(f"{folder} is in no clone", hint="stand in the clone whose files are meant, or name it with --repo PATH")
        return await WorkingTree.open(clone.root)

    def _folder(self) -> Path:
        named = Path(identity(self._said.repo)) if self._said.repo else None
        return named if named and named.is_dir() else Path.cwd()
