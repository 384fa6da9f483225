"""The secrets in containers -> where they are not what they should be. Nothing of them is written down, not even a digest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.model.contracts import Tree
from trueup.model.secret import Secret
from trueup.runtimes.compose.confiding import value_of
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.picture import Picture
from trueup.toolkit.together import together


@dataclass(frozen=True, slots=True)
class Exposure:
    """Looks into containers."""

    picture: Picture
    tree: Tree
    secret: Callable[[str], Secret]

    async def of(self, services: Iterable[tuple[Mapping[str, Any], Sequence[Container]]]) -> dict[str, tuple[str, ...]]:
        """Container -> the targets of its secrets that differ. Raises SettingsError for a secret that the operator did not set."""
        asked = [
            (container.id, str(entry["target"]), value_of(entry, self.tree, self.secret))
            for spec, containers in services
            if containers
            for entry in spec.get("secrets") or ()
            for container in containers
        ]
        same = await together(self.picture.holds(*each) for each in asked)
        wrong: dict[str, tuple[str, ...]] = {}
        for (container, target, _), is_same in zip(asked, same, strict=True):
            wrong |= {} if is_same else {container: (*wrong.get(container, ()), target)}
        return wrong
