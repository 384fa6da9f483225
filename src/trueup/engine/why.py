"""Why an object, or one field of it, is as it is."""

from collections.abc import Callable

from trueup.engine.course import Course
from trueup.engine.equipment import Equipment
from trueup.model.answer import Why


class Reasons:
    """Finds the commit that set a thing, and proves it."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment

    async def why(self, course: Course, key: str, field: str, depth: int, progress: Callable[[int], None]) -> Why:
        """The answer."""
        raise NotImplementedError
