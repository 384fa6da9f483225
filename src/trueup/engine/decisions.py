"""What a person decides: pauses, releases and approvals, remembered, and whom they wake."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from trueup.engine.course import Course
from trueup.engine.equipment import Equipment
from trueup.engine.follow import REPOSITORY_HOLDS
from trueup.engine.report import MOST_TARGETS, UNREACHABLE
from trueup.model.errors import UsageError
from trueup.model.memory import Address, Waiting
from trueup.model.run import Trigger
from trueup.model.source import Repository
from trueup.model.wire import time_text

RELEASED: Final = ("paused", "bad revision")
"""The holds of an application that a person lifts by its name."""


class Decisions:
    """Writes them down. Whoever walks next obeys them."""

    def __init__(self, equipment: Equipment) -> None:
        self.memory = equipment.memory
        self.store = equipment.store.through

    async def wake(self, addresses: Iterable[Address]) -> None:
        """Walk these, for a person asks."""
        await self.store(self.memory.wake, addresses, Trigger.PERSON)

    async def pause(self, course: Course, reason: str, actor: str) -> None:
        """Nothing is applied to it until it is released."""
        repository, application = course.address.repository, course.address.application
        at = time_text(datetime.now(UTC))
        waiting = Waiting(repository=repository, application=application, kind="paused", reason=reason, actor=actor, at=at)
        await self.store(self.memory.hold, waiting)
        await self.wake([course.address])

    async def release(self, course: Course) -> list[Waiting]:
        """Lift the pause and the bad revision of an application, and let go of what it left at targets that do not answer; all of that."""
        repository, application = course.address.repository, course.address.application
        holds = await self.store(self.memory.holds, repository, application)
        await self.store(self.memory.lift, repository, application, RELEASED)
        left = await self.store(self._let_go, course)
        await self.wake([course.address])
        return [*(hold for hold in holds if hold.kind in RELEASED), *left]

    def _let_go(self, course: Course) -> list[Waiting]:
        """Forget what stands where Git does not want it and nobody answers. Should that target come back, it is found again."""
        address, declared = course.address, course.known.declared
        wanted = declared.application.target if declared else ""
        let_go: list[Waiting] = []
        for standing in self.memory.standings(address.repository, Address(address.repository, address.application), MOST_TARGETS):
            status = standing.status
            if status.application == address.application and status.target != wanted and status.message.startswith(UNREACHABLE):
                self.memory.fall(Address(address.repository, address.application, status.target))
                told = {"repository": address.repository, "application": address.application, "target": status.target}
                let_go.append(Waiting(**told, kind="left behind", reason=status.message, revision=status.revision))
        return let_go

    async def let_in(self, repository: Repository, actor: str) -> list[Waiting]:
        """Approve what keeps the repository's head out, for that very head; what was lifted. The next fetch follows it."""
        holds = await self.waiting(repository)
        lifted = [hold for hold in holds if not hold.application and hold.kind in REPOSITORY_HOLDS]
        for hold in lifted:
            await self.store(self.memory.approve, Address(repository.identity), f"{hold.kind} {hold.digest}", actor)
        await self.store(self.memory.lift, repository.identity, "", REPOSITORY_HOLDS)
        return lifted

    async def waiting(self, repository: Repository, application: str = "") -> list[Waiting]:
        """Everything that waits for a person, in the whole repository or of one application."""
        return await self.store(self.memory.holds, repository.identity, application or None)

    async def approve(self, repository: Repository, application: str, digest: str, actor: str) -> Waiting:
        """Approve a plan that waits, by its digest (or the beginning of it); without one, the one that alone waits. Raises UsageError."""
        held = [hold for hold in await self.waiting(repository, application) if hold.kind == "approval" and hold.digest.startswith(digest)]
        if not held:
            raise UsageError(f"nothing of `{application}` waits for approval", hint="`trueup plan` shows what would change")
        if len(held) > 1:
            choices = ", ".join(f"{hold.digest[:12]} ({hold.target})" for hold in held)
            raise UsageError(f"{len(held)} plans of `{application}` wait", hint=f"choose one with --digest: {choices}")
        address = Address(repository.identity, application, held[0].target)
        await self.store(self.memory.approve, address, held[0].digest, actor)
        await self.wake([address])
        return held[0]
