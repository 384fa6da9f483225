"""Plans and outcomes for tests, by the names of things."""

from collections.abc import Iterable
from typing import Any

from trueup.model.manifest import Key
from trueup.model.plan import Action, Plan, Verb, plan_of
from trueup.model.run import Outcome


def key(name: str) -> Key:
    """A thing's key."""
    return Key("Thing", name)


def action(name: str, verb: str = "create", after: str = "", **facts: Any) -> Action:
    """An action; ``after`` holds names with spaces between them."""
    return Action(verb=Verb(verb), key=key(name), after=tuple(key(each) for each in after.split()), **facts)


def actions(verb: str, count: int) -> list[Action]:
    """As many actions of one verb."""
    return [action(f"{verb}{number}", verb) for number in range(count)]


def planned(*several: Action) -> Plan:
    """These actions as a plan."""
    return plan_of("web", "here", "/repository#HEAD", "a" * 40, several)


def done(names: str, verb: str = "create", state: str = "done") -> list[Outcome]:
    """Outcomes of things, names with spaces between them."""
    return [Outcome(key(name), Verb(verb), state) for name in names.split()]


def names(several: Iterable[Action]) -> str:
    """The names of what is acted on, with spaces between them."""
    return " ".join(each.key.name for each in several)
