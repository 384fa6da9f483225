"""Back to a good revision by a revert commit, so that Git and what runs agree."""

from trueup.engine.course import Course
from trueup.engine.equipment import Equipment
from trueup.model.answer import RolledBack
from trueup.model.memory import Address
from trueup.model.selection import Rollback


class Rollbacks:
    """Makes revert commits and holds bad revisions back."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment

    async def roll_back(self, course: Course, request: Rollback) -> RolledBack:
        """What a person asked for."""
        raise NotImplementedError

    async def answer(self, address: Address, run: str) -> RolledBack:
        """A run whose revision turned out bad, where the policy says ``rollback: auto``."""
        raise NotImplementedError
