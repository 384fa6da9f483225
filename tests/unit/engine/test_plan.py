"""What moves between applications is settled between them, before anybody looks at the plan."""

from collections.abc import Sequence

from tests.unit.engine.plans import action, key, planned
from trueup.engine.plan import plan
from trueup.model.application import Application, ApplicationSpec
from trueup.model.contracts import Desired, Runtime
from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan
from trueup.testing.trees import FolderTree


class Declared:
    """Who declares which things: thing -> applications, names with spaces between them."""

    def __init__(self, **names: str) -> None:
        self.names = names
        self.asked = 0

    def declaring(self, repository: str, target: str, keys: Sequence[Key]) -> dict[Key, tuple[str, ...]]:
        """As a catalog answers."""
        self.asked += 1
        return {each: tuple(self.names[each.name].split()) for each in keys if each.name in self.names}


class Raw(Runtime):
    """A target that plans just this."""

    def __init__(self, *actions: Action) -> None:
        self.actions = actions

    async def plan(self, desired: Desired) -> Plan:
        return planned(*self.actions)


async def settled(declared: Declared, *actions: Action) -> list[tuple[str, str, str]]:
    """(thing, verb, reason) of what is left of a raw plan of the application ``web``."""
    result = await plan(Raw(*actions), _desired(), declared)  # type: ignore[abstract]
    return [(each.key.name, each.verb, each.reason) for each in result.actions]


async def test_what_leaves_and_is_declared_by_another_is_left_to_be_handed_over() -> None:
    actions = [action("x", "delete"), action("y", "delete"), action("z", "update", reason="leaves Git, stays")]
    assert await settled(Declared(x="api", z="api"), *actions) == [("y", "delete", "")]


async def test_what_leaves_and_is_this_applications_own_by_any_means_is_deleted() -> None:
    assert await settled(Declared(x="api"), action("x", "delete", own=True)) == [("x", "delete", "")]


async def test_what_another_owns_and_does_not_declare_any_more_is_taken_over() -> None:
    taken = action("x", "adopt", owner="api", foreign=True, desired="d")
    assert await settled(Declared(x="web"), taken) == [("x", "adopt", "moved from api")]
    result = await plan(Raw(taken), _desired(), Declared(x="web"))  # type: ignore[abstract]
    assert (result.actions[0].foreign, result.actions[0].owner, result.actions[0].key) == (False, "", key("x"))


async def test_what_another_owns_and_declares_too_is_not() -> None:
    taken = action("x", "adopt", owner="api", foreign=True, desired="d", reason="belongs to api")
    assert await settled(Declared(x="api web"), taken) == [("x", "adopt", "belongs to api")]


async def test_what_belongs_to_another_repository_is_not() -> None:
    taken = action("x", "adopt", owner="api of /elsewhere#HEAD", foreign=True, desired="d", reason="belongs to others")
    assert await settled(Declared(x="web"), taken) == [("x", "adopt", "belongs to others")]


async def test_nobody_is_asked_when_nothing_moves() -> None:
    declared = Declared()
    assert len(await settled(declared, action("x", desired="d"), action("y", "unchanged", desired="d"))) == 2
    assert declared.asked == 0


def _desired() -> Desired:
    web = Application("/repository#HEAD", "web", ApplicationSpec(target="here"), "trueup.yaml")
    return Desired(web, "a" * 40, (), FolderTree({}))
