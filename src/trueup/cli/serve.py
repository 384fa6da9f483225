"""``trueup serve``: keep what runs true to what Git says, until stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

import click
from litestar import Litestar

from trueup.assembly import retention
from trueup.cli.program import INTERRUPTED
from trueup.cli.session import Session
from trueup.cli.verb import verb
from trueup.engine.requests import Engine
from trueup.model.application import seconds_of
from trueup.model.errors import UsageError
from trueup.server.application import application
from trueup.server.listener import Listener
from trueup.settings import RepositorySettings, Settings
from trueup.store import ServeLock
from trueup.toolkit.export import exporting
from trueup.toolkit.metrics import Metrics
from trueup.toolkit.telemetry import logger_to

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@verb("serve")
@click.option("--poll", metavar="30s", envvar="TRUEUP_POLL", show_envvar=True, help="The pause between two looks at a repository.")
@click.option("--listen", metavar="HOST:PORT", help="Where to answer; `off`: nowhere.  [default: 127.0.0.1:8420]")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="How the log is written on standard error.  [default: text]")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="What is logged.  [default: info]")
def command(session: Session, poll: str | None, listen: str | None, log_format: str | None, log_level: str | None) -> int:
    """Follow repositories and keep their targets as Git says: every commit is applied, drift is healed, what is dangerous is held.

    Follows the repository that is named, else those of the settings, else the upstream of the clone you stand in. SIGTERM and Ctrl-C stop
    it when the step under way is done, a second one at once; what runs goes on.
    """
    said: dict[str, Any] = {"log": {key: value for key, value in (("format", log_format), ("level", log_level)) if value}}
    if listen is not None:
        said["listen"] = "" if listen == "off" else listen
    settings = session.settings(**said)
    return asyncio.run(_serve(session, settings, poll))


async def _serve(session: Session, settings: Settings, poll: str | None) -> int:
    repositories = await _repositories(session, settings, poll)
    settings = settings.model_copy(update={"repositories": repositories})
    token = settings.trigger.token()  # whoever set one that cannot be read is told before anything begins
    with ServeLock.acquire(settings.state) as lock:
        listener = _listener(settings)
        if listener:
            lock.announce(listener.address)
        metrics = Metrics()
        logger = logger_to(sys.stderr, settings.log.format, settings.log.level)
        try:
            with exporting(os.environ, logger) as tracers:
                async with session.assemble(settings, logger, metrics, tracers) as engine:
                    serving = _Serving(engine, settings, listener)
                    web = application(engine, token, _figures(engine, metrics)) if listener else None
                    return await serving.until_stopped(web)
        finally:
            if listener:
                listener.close()


async def _repositories(session: Session, settings: Settings, poll: str | None) -> tuple[RepositorySettings, ...]:
    chosen = settings.repositories if settings.repositories and not session.names_repository else (await session.chosen(settings),)
    if poll is None:
        return chosen
    try:
        return tuple(each.model_copy(update={"poll": seconds_of(poll)}) for each in chosen)
    except ValueError as error:
        raise UsageError(f"--poll: {error}") from error


def _listener(settings: Settings) -> Listener | None:
    return Listener(*settings.address) if settings.address else None


def _figures(engine: Engine, metrics: Metrics) -> Callable[[], bytes]:
    """What ``/metrics`` gives: what happened, and how things stand when somebody asks."""
    memory = engine.memory
    metrics.applications(memory.counts)
    metrics.queue.set_function(memory.waiting)
    return metrics.text


class _Serving:
    """The walk and the listener side by side, until a signal or the end of one of them."""

    def __init__(self, engine: Engine, settings: Settings, listener: Listener | None) -> None:
        self._engine = engine
        self._settings = settings
        self._listener = listener
        self._stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def until_stopped(self, web: Litestar | None) -> int:
        """The exit code: 0 after SIGTERM, 130 after Ctrl-C. Raises what the walk or the listener raised."""
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)
        tasks = [asyncio.create_task(self._walk())]
        if self._listener and web:
            tasks.append(asyncio.create_task(self._listener.serve(web)))
        waited: list[asyncio.Future[Any]] = [*tasks, self._stopped]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self._listener:
            self._listener.stop()
        tasks[0].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end
        return self._stopped.result() if self._stopped.done() else 0

    async def _walk(self) -> None:
        equipment = self._engine.equipment
        repositories = [each.repository for each in self._settings.repositories]
        address = f"http://{self._listener.address}" if self._listener else ""
        told = ", ".join(each.identity for each in repositories)
        equipment.telemetry.info("serving", repositories=told, state=str(self._settings.state), address=address)
        followings = [equipment.following(each) for each in repositories]
        await self._engine.serve(followings, retention(self._settings, self._engine.memory))

    def _stop(self, number: signal.Signals) -> None:
        if self._stopped.done():
            os._exit(128 + number)
        self._stopped.set_result(INTERRUPTED if number is signal.SIGINT else 0)
