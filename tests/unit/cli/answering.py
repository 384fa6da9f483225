"""An engine that answers what a test says, so that words, formats and exit codes can be looked at alone."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import TracerProvider

from trueup.cli.program import main
from trueup.engine.requests import Engine
from trueup.model.answer import Rendered, RolledBack, Why
from trueup.model.contracts import Tree
from trueup.model.errors import Fault, TrueupError
from trueup.model.health import HealthReport, State
from trueup.model.manifest import Key, Origin
from trueup.model.memory import Drifted, Waiting
from trueup.model.plan import Action, Hold, Plan, Verb, plan_of
from trueup.model.run import Run, RunState, Status, Sync
from trueup.model.selection import Order, Rollback, Selection
from trueup.model.source import Repository
from trueup.settings import Settings
from trueup.toolkit.telemetry import Meter

COMMIT = "3f2a9c1d" + "0" * 32
KEY = Key("File", "x")


def status(sync: Sync, health: State, message: str = "") -> Status:
    return Status(repository="r", application="web", target="laptop", sync=sync, health=health, message=message)


def run(state: RunState, number: int = 1, hold: Hold | None = None, application: str = "web") -> Run:
    return Run(
        id=f"{number:020}",
        repository="r",
        application=application,
        target="laptop",
        revision=COMMIT,
        plan="d" * 32,
        state=state,
        hold=hold,
        health=HealthReport(State.HEALTHY),
        started_at=datetime(2026, 11, 28, tzinfo=UTC),
    )


def plan(*verbs: Verb) -> Plan:
    return plan_of("web", "laptop", "r", COMMIT, [Action(verb=verb, key=Key("File", verb.value)) for verb in verbs])


class Answering(Engine):
    """Gives what it was told to give, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Any] = []
        self.serving = lambda: False

    def _answer(self, name: str, *asked: Any, default: Any = ()) -> Any:
        self.asked.append((name, *asked))
        answer = self.answers.get(name, default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def plan(self, repository: Repository, selection: Selection, revision: str = "", tree: Tree | None = None) -> AsyncIterator[Plan]:
        for each in self._answer("plan", repository, selection, revision, tree):
            if isinstance(each, TrueupError):
                raise each
            yield each

    async def apply(self, repository: Repository, selection: Selection, order: Order) -> AsyncIterator[Run]:
        for each in self._answer("apply", repository, selection, order):
            if isinstance(each, TrueupError):
                raise each
            yield each

    async def statuses(self, repository: Repository, selection: Selection) -> list[Status]:
        return list(self._answer("statuses", repository, selection))

    async def remembered(self, repository: Repository, selection: Selection) -> list[Status]:
        return list(self.answers.get("remembered", [status(Sync.SYNCED, State.HEALTHY)]))

    async def drift(self, repository: Repository, selection: Selection) -> AsyncIterator[tuple[Status, Drifted]]:
        for each in self._answer("drift", repository, selection):
            if isinstance(each, TrueupError):
                raise each
            yield each

    async def history(self, repository: Repository, application: str = "", before: str = "", limit: int = 50) -> list[Run]:
        return list(self._answer("history", repository, application, before, limit))

    async def check(self, tree: Tree, path: str) -> list[Fault]:
        return list(self._answer("check", tree, path))

    async def render(self, repository: Repository, selection: Selection, revision: str = "") -> list[tuple[str, list[Rendered]]]:
        rendered = Rendered(KEY, Origin("web.yaml", 3, COMMIT), {"apiVersion": "v1", "data": {"on": "yes"}})
        return list(self._answer("render", repository, selection, default=[("web", [rendered])]))

    async def why(self, repository: Repository, application: str, key: str, field: str, depth: int, progress: Callable[[int], None]) -> Why:
        progress(3)
        return self._answer("why", application, key, field, depth, default=Why(application=application, key=KEY))  # type: ignore[no-any-return]

    async def logs(self, repository: Repository, application: str, key: str, follow: bool) -> AsyncIterator[str]:
        for line in self._answer("logs", application, key, follow):
            yield line

    async def rollback(self, repository: Repository, request: Rollback) -> RolledBack:
        return self._answer("rollback", request, default=RolledBack(application="web", bad="b", good="g", commit="c"))  # type: ignore[no-any-return]

    async def pause(self, repository: Repository, application: str, reason: str, actor: str) -> None:
        self._answer("pause", application, reason)

    async def release(self, repository: Repository, application: str, actor: str) -> list[Waiting]:
        return list(self._answer("release", application))

    async def waiting(self, repository: Repository, application: str = "") -> list[Waiting]:
        return list(self._answer("waiting", application))

    async def approve(self, repository: Repository, application: str, digest: str, actor: str) -> Waiting:
        self.asked.append(("approve", application, digest))
        return Waiting(repository="r", application=application, kind="approval", digest=digest)


def trueup(engine: Answering, *words: str) -> int:
    """Run a command line against this engine, on some repository."""

    @asynccontextmanager
    async def assemble(
        settings: Settings, logger: logging.Logger | None = None, meter: Meter | None = None, tracers: TracerProvider | None = None
    ) -> AsyncIterator[Engine]:
        engine.asked.append(("settings", settings))
        yield engine

    return main([words[0], *words[1:], *([] if words[0] == "check" else ["--repo", "https://example.org/shop"])], assemble)
