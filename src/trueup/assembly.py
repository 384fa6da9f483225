"""Finds plug-ins by name and puts the engine together: the only module that knows both sides."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Protocol, TypeVar, runtime_checkable

from opentelemetry.trace import TracerProvider

from trueup.engine.equipment import Equipment, Following
from trueup.engine.fetch import Rules
from trueup.engine.offers import TargetOffers
from trueup.engine.render import Renders
from trueup.engine.requests import Engine
from trueup.engine.targets import Targets
from trueup.model.application import Target
from trueup.model.contracts import Kinds, Place, RendererKind, RuntimeKind
from trueup.model.errors import SettingsError
from trueup.model.memory import Memory
from trueup.model.source import Repository
from trueup.settings import Settings
from trueup.store import ServeLock, open_memory, this_process
from trueup.toolkit.confine import Confinement
from trueup.toolkit.door import Door
from trueup.toolkit.git.draft import Person
from trueup.toolkit.git.mirror import TRANSFER, Mirror
from trueup.toolkit.sources.allowed import Policy
from trueup.toolkit.sources.cache import Sources
from trueup.toolkit.telemetry import Meter, Telemetry

T = TypeVar("T")


class Plugins(Mapping[str, T]):
    """The plug-ins of one entry-point group, by name; each is imported when it is asked for, so that a command pays for what it uses."""

    def __init__(self, group: str, prepared: Callable[[T], T] = lambda kind: kind) -> None:
        self._prepared = prepared
        self._entries = {entry.name: entry for entry in entry_points(group=group)}
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            entry = self._entries[name]
            try:
                self._loaded[name] = self._prepared(entry.load())
            except ImportError as error:
                message = f"the plug-in `{name}` cannot be loaded: {error}"
                raise SettingsError(message, where=entry.value, hint="install it again") from error
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@runtime_checkable
class RunsProgram(Protocol):
    """A renderer that runs a program of the machine."""

    name: str

    def equipped(self, program: str, confinement: Confinement) -> RendererKind:
        """The same renderer with what the operator chose; an empty program is looked for on PATH."""


def renderer_kinds() -> Mapping[str, RendererKind]:
    """Every renderer that is installed, by name."""
    return Plugins("trueup.renderers")


def runtime_kinds() -> Mapping[str, RuntimeKind]:
    """Every runtime that is installed, by name."""
    return Plugins("trueup.runtimes")


@asynccontextmanager
async def assemble(
    settings: Settings, logger: logging.Logger | None = None, meter: Meter | None = None, tracers: TracerProvider | None = None
) -> AsyncIterator[Engine]:
    """An engine on the settings' state folder, closed at the end. Without a logger it logs nothing. Raises SettingsError."""
    _demand_known(settings, runtime_kinds())
    memory = open_memory(settings.state)
    confinement = _confinement(settings, logger or _silent())
    kinds = Kinds(Plugins("trueup.renderers", _equipping(settings, confinement)), Plugins("trueup.runtimes", _limiting(settings)))
    store, work, steps = Door("store", 1), Door("work", settings.limits.render_workers), Door("steps", settings.limits.fetches)
    programs = Door("render", settings.limits.render_workers)
    targets = Targets(kinds, _placing(settings))
    offers = TargetOffers(targets, lambda target: settings.state / "offers" / f"{Repository(target.repository).short}-{target.name}.json")
    telemetry = Telemetry(logger or _silent(), meter, tracers)
    equipment = Equipment(
        memory=memory,
        store=store,
        work=work,
        steps=steps,
        kinds=kinds,
        renders=Renders(kinds, memory, settings.limits.manifest_size, lambda: telemetry.count("renders"), programs, offers),
        targets=targets,
        telemetry=telemetry,
        lease=this_process(),
        following=_following(settings),
        person=Person(settings.identity.name, settings.identity.email),
        offers=offers,
        lacking=_lacking(confinement),
        weaker=_weaker(confinement),
    )
    try:
        yield Engine(equipment, lambda: _is_served(settings), settings.limits.concurrency, settings.limits.fetches)
    finally:
        offers.close()
        await targets.close()
        work.close()
        programs.close()
        steps.close()
        store.close()
        memory.close()


def _demand_known(settings: Settings, runtimes: Mapping[str, RuntimeKind]) -> None:
    """A bound for targets that nobody looks at is none: raises SettingsError for the table of a runtime that is not there."""
    for name in settings.targets:
        if name not in runtimes:
            close = get_close_matches(name, runtimes, 1)
            hint = f"did you mean `[targets.{close[0]}]`?" if close else f"the runtimes here are {', '.join(sorted(runtimes))}"
            raise SettingsError(f"there is no runtime `{name}`", where=f"[targets.{name}] of the settings", hint=hint)


def retention(settings: Settings, memory: Memory) -> Callable[[], object]:
    """What drops old history, as the settings say."""
    return lambda: memory.retain(settings.retention.runs, settings.retention.days)


def _confinement(settings: Settings, logger: logging.Logger) -> Confinement:
    """One for all renderers: what this machine lacks for it is found out, and told, once."""

    def told(missing: tuple[str, ...]) -> None:
        logger.warning("renderers run without %s", "; ".join(missing))

    return Confinement(settings.render.confine == "require", told=told)


@runtime_checkable
class RunsHelmToo(Protocol):
    """A renderer whose program runs helm."""

    def helped(self, helm: str) -> RendererKind:
        """The same renderer with that helm; empty: the one on PATH."""


@runtime_checkable
class TakesFromOutside(Protocol):
    """A renderer that takes something from outside of the repository."""

    def supplied(self, sources: Sources) -> RendererKind:
        """The same renderer with what it may take."""


def _equipping(settings: Settings, confinement: Confinement) -> Callable[[RendererKind], RendererKind]:
    programs = {"kustomize": settings.render.kustomize, "helm": settings.render.helm}

    policy = Policy([each.allowed() for each in settings.sources])
    sources = Sources(settings.state / "sources", policy, settings.limits.source_size)

    def equip(kind: RendererKind) -> RendererKind:
        kind = kind.helped(settings.render.helm) if isinstance(kind, RunsHelmToo) else kind
        equipped = kind.equipped(programs.get(kind.name, ""), confinement) if isinstance(kind, RunsProgram) else kind
        return equipped.supplied(sources) if isinstance(equipped, TakesFromOutside) else equipped

    return equip


@runtime_checkable
class Limited(Protocol):
    """A runtime whose manifests the operator's settings limit too, and not only its targets."""

    def limited(self, allowed: Mapping[str, object]) -> RuntimeKind:
        """The same runtime with its settings; they are looked at when a manifest is checked."""


def _limiting(settings: Settings) -> Callable[[RuntimeKind], RuntimeKind]:
    def limit(kind: RuntimeKind) -> RuntimeKind:
        return kind.limited(settings.targets.get(kind.name, {})) if isinstance(kind, Limited) else kind

    return limit


def _lacking(confinement: Confinement) -> Callable[[], tuple[str, ...]]:
    def lacking() -> tuple[str, ...]:
        missing = confinement.missing
        return tuple(f"renderers cannot be confined, without {each}" for each in missing) if confinement.require else ()

    return lacking


def _weaker(confinement: Confinement) -> Callable[[], tuple[str, ...]]:
    def weaker() -> tuple[str, ...]:
        missing = () if confinement.require else confinement.missing
        return (*(f"renderers run without {each}" for each in missing), *(f"renderers: {each}" for each in confinement.weaker))

    return weaker


def _silent() -> logging.Logger:
    logger = logging.Logger("trueup", logging.CRITICAL + 1)  # noqa: LOG001 - one of its own: nothing global changes
    logger.addHandler(logging.NullHandler())
    return logger


def _is_served(settings: Settings) -> bool:
    """Whether another process serves this state folder; this one asking itself does its own work."""
    serving = ServeLock.find(settings.state)
    return serving is not None and serving.pid != os.getpid()


def _placing(settings: Settings) -> Callable[[Target], Place]:
    def place(target: Target) -> Place:
        short = Repository(target.repository).short
        folder = settings.state / "targets" / target.runtime / short
        return Place(folder, settings.secret, settings.targets.get(target.runtime, {}))

    return place


def _following(settings: Settings) -> Callable[[Repository], Following]:
    """Each repository with its one mirror: repositories of one URL share it."""
    mirrors: dict[str, Mirror] = {}
    known: dict[str, Following] = {}

    def following(repository: Repository) -> Following:
        if repository.identity not in known:
            chosen = settings.of_repository(repository)
            transfer = replace(TRANSFER, deadline=settings.limits.fetch_timeout)
            mirror = mirrors.setdefault(repository.url, Mirror(settings.state / "mirrors", chosen.remote(), transfer=transfer))
            known[repository.identity] = Following(repository, mirror, Rules(chosen.rewind, chosen.signing_keys), chosen.poll)
        return known[repository.identity]

    return following
