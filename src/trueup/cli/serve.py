"""``trueup serve``: keep what runs true to what Git says, until stopped."""

import asyncio
import os
import signal
from typing import Any, Final

import click

from trueup.cli.layout import count, text
from trueup.cli.program import INTERRUPTED
from trueup.cli.session import Session
from trueup.cli.verb import verb
from trueup.model.application import seconds_of
from trueup.model.errors import UsageError
from trueup.server.application import application
from trueup.server.listener import Listener
from trueup.settings import RepositorySettings, Settings
from trueup.store.lock import ServeLock

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@verb("serve")
@click.option("--poll", metavar="30s", envvar="TRUEUP_POLL", help="The pause between two looks at a repository.")
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
    with ServeLock.acquire(settings.state) as lock:
        listener = _listener(settings)
        if listener:
            lock.announce(listener.address)
        try:
            async with session.assemble(settings) as engine:
                views = session.views
                where = f", answering at http://{listener.address}" if listener else ""
                views.tell([text(f"serving {count(len(repositories), 'repository', 'repositories')}, state in {settings.state}{where}")])
                return await _Serving(engine, listener, settings).until_stopped()
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


class _Serving:
    """The walk and the listener side by side, until a signal or the end of one of them."""

    def __init__(self, engine: Any, listener: Listener | None, settings: Settings) -> None:
        self._engine = engine
        self._listener = listener
        self._settings = settings
        self._stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def until_stopped(self) -> int:
        """The exit code: 0 after SIGTERM, 130 after Ctrl-C. Raises what the walk or the listener raised."""
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)
        walking = asyncio.create_task(self._engine.serve([each.repository for each in self._settings.repositories]))
        tasks: list[asyncio.Task[None]] = [walking]
        if self._listener:
            web = application(self._engine, self._settings.trigger.token(), self._engine.metrics)
            tasks.append(asyncio.create_task(self._listener.serve(web)))
        waited: list[asyncio.Future[Any]] = [*tasks, self._stopped]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self._listener:
            self._listener.stop()
        walking.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end
        return self._stopped.result() if self._stopped.done() else 0

    def _stop(self, number: signal.Signals) -> None:
        if self._stopped.done():
            os._exit(128 + number)
        self._stopped.set_result(INTERRUPTED if number is signal.SIGINT else 0)
