"""What would change at the head. Changes nothing, at a target or in the memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial

import msgspec

from trueup.engine.course import Course
from trueup.engine.equipment import Equipment
from trueup.engine.guard import Facts, guard
from trueup.engine.mishap import contained
from trueup.engine.plan import Declarations, plan
from trueup.engine.want import Wants, paused
from trueup.model.application import Application
from trueup.model.errors import DeclarationError, Fault, TrueupError, Unreachable, UsageError
from trueup.model.memory import Address, Declared, Followed, Row, Standing
from trueup.model.plan import Plan
from trueup.model.run import Sync, Trigger
from trueup.model.selection import Selection
from trueup.model.source import Repository
from trueup.toolkit.telemetry import Telemetry
from trueup.toolkit.troubles import Troubles

Planned = tuple[Address, Callable[[], Awaitable[Plan | None]]]
"""Whose plan, and how to get it."""


class Previews:
    """Plans without a run."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.memory = equipment.memory
        self.store = equipment.store.through
        self.wants = Wants(equipment)

    # ------------------------------------------------------------------ who is meant

    async def addresses(self, repository: Repository, selection: Selection) -> list[Address]:
        """The applications that are meant, those that are going included. Raises UsageError for a name or labels that nobody has."""
        return await self.store(self._addresses, repository, selection)

    async def declared(self, repository: Repository, selection: Selection) -> list[Address]:
        """Those of them that are not going: at another revision there is nothing to be had of what Git does not declare by now.

        Raises UsageError for a name that is going.
        """
        meant = await self.addresses(repository, selection)
        names = sorted({address.application for address in meant})
        known = await self.store(self.memory.applications, repository.identity, names)
        targets = {each.application.name: each.application.target for each in known}
        gone = [name for name in names if name not in targets]
        if gone and selection.names:
            hint = "take back the commit that removed its declaration"
            raise UsageError(f"`{gone[0]}` is not declared any more", where=repository.identity, hint=hint)
        return [address for address in meant if targets.get(address.application) == address.target]

    def _addresses(self, repository: Repository, selection: Selection) -> list[Address]:
        identity = repository.identity
        if selection.names and not selection.labels:
            declared = {each.application.name: each for each in self.memory.applications(identity, selection.names)}
            standings = [each for name in selection.names for each in self.standings_of(identity, name)]
        else:
            declared = {each.application.name: each for each in self.memory.applications(identity)}
            standings = self.memory.standings(identity)
        known = {Address(identity, each.application.name, each.status.target): each for each in standings}
        meant = [Address(identity, name, each.application.target) for name, each in declared.items() if takes(selection, each.application)]
        meant += [address for address, each in known.items() if address not in set(meant) and takes(selection, each.application)]
        if selection.labels and not meant:
            told = " and ".join(f"`{key}={value}`" for key, value in selection.labels)
            hint = "labels stand in `metadata.labels` of an application's declaration"
            raise UsageError(f"no application has the label {told}", where=identity, hint=hint)
        unknown = sorted(set(selection.names) - {address.application for address in meant})
        if unknown:
            followed = self.memory.followed(identity)
            faulty = f"; a declaration that has a fault is not among them: {followed.faults[0]}" if followed and followed.faults else ""
            raise UsageError(f"there is no application `{unknown[0]}`", where=identity, hint=f"`trueup status` lists them{faulty}")
        if selection.everything or selection.names:
            return sorted(meant)
        waiting = set(self.memory.pending(identity))
        return sorted(each for each in meant if each in waiting or _is_open(declared.get(each.application), known.get(each)))

    def standings_of(self, identity: str, name: str) -> list[Standing]:
        """How one application stands, at each target where it does."""
        found = self.memory.standings(identity, Address(identity, name), 8)
        return [each for each in found if each.application.name == name]

    # ------------------------------------------------------------------ the head

    async def head(self, repository: Repository, selection: Selection) -> AsyncIterator[Plan]:
        """Plans at the revisions that the followed branch has now. Raises what stood in the way of some after the plans of the others."""
        troubles = Troubles(anywhere(selection, await self.followed(repository)))
        meant: list[Planned] = [(each, partial(self._at_head, each)) for each in await self.addresses(repository, selection)]
        async for each in walk_plans(meant, troubles, self.equipment.telemetry):
            yield each

    async def _at_head(self, address: Address) -> Plan | None:
        """The plan of one address; None when there is nothing to plan. Raises DeclarationError with its faults."""
        course = await self.course(address)
        if course.application is None or await self.wants.lives_on(course):
            return None
        if course.faults:
            raise DeclarationError(course.faults)
        return await self.planned(course, self.memory)

    async def course(self, address: Address) -> Course:
        """What a walk of this address would start from."""
        known = await self.store(self.memory.known, address)
        return Course(Row(address, 0, 0.0, Trigger.PERSON, 0, 0.0), msgspec.structs.replace(known, run=None, plan=None))

    async def planned(self, course: Course, declarations: Declarations) -> Plan:
        """What would change where a walk started from there, and whether it would be held."""
        desired, runtime = await self.wants.desired(course), await self.wants.runtime(course)
        planned = await plan(runtime, desired, declarations)
        facts = Facts(course.removed, len(desired.manifests), course.known.approvals, course.elsewhere, course.parting)
        held = paused(course) or guard(planned, desired.application.policy, facts)
        return msgspec.structs.replace(planned, held=held)

    async def followed(self, repository: Repository) -> Followed:
        """The repository as it was read last. Raises UsageError when it never was."""
        followed = await self.store(self.memory.followed, repository.identity)
        if followed is None or not followed.commit:
            raise UsageError("the repository was not read yet", where=repository.url, hint="fetch it first")
        return followed


async def walk_plans(wanted: Iterable[Planned], troubles: Troubles, telemetry: Telemetry) -> AsyncIterator[Plan]:
    """Plan after plan. What stands in the way of one is no matter of the others; a target that did not answer is not asked again."""
    silent: set[str] = set()
    for address, ask in wanted:
        if address.target in silent:
            continue
        try:
            with contained(telemetry, f"a plan of {address.application}"):
                planned = await ask()
        except TrueupError as error:
            if isinstance(error, Unreachable):
                silent.add(address.target)
            troubles.add(error, f"application {address.application}")
            continue
        if planned is not None:
            yield planned
    troubles.raise_all()


def anywhere(selection: Selection, followed: Followed) -> list[Fault]:
    """Where nobody is named, what is wrong in any declaration is told, also in one that was never known."""
    return [] if selection.names or selection.labels else list(followed.faults)


def takes(selection: Selection, application: Application) -> bool:
    """Whether it is among those that are meant."""
    return selection.takes(application.name, application.labels)


def _is_open(declared: Declared | None, standing: Standing | None) -> bool:
    """Whether the desired revision or drift is open."""
    if declared is None or standing is None or declared.faults:
        return True
    synced = standing.applied and standing.status.sync is Sync.SYNCED and not standing.drift
    return not synced or standing.status.revision != declared.revision or standing.digest != declared.digest
