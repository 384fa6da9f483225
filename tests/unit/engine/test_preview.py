"""Plans of many applications, of which some cannot be had."""

import logging

import pytest

from trueup.engine.preview import Planned, walk_plans
from trueup.model.errors import DeclarationError, Fault, Refused, Several, TrueupError, Unreachable
from trueup.model.memory import Address
from trueup.model.plan import Plan
from trueup.toolkit.telemetry import Telemetry
from trueup.toolkit.troubles import Troubles

FAULTY = DeclarationError([Fault("api/a.yaml", 2, 0, "wrong")])
SILENT = Unreachable("no answer")


class Asked:
    """Answers for each application in turn, and who was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def plan(self, name: str, target: str, trouble: Exception | None = None) -> Planned:
        async def ask() -> Plan:
            self.names.append(name)
            if trouble:
                raise trouble
            return Plan(application=name, target=target, repository="estate", revision="c1")

        return Address("estate", name, target), ask


async def told(*wanted: Planned, faults: tuple[Fault, ...] = ()) -> tuple[list[str], TrueupError | None]:
    """Whose plans came, and what was raised after them."""
    names: list[str] = []
    try:
        async for each in walk_plans(wanted, Troubles(faults), Telemetry(logging.getLogger("plans"))):
            names.append(each.application)  # noqa: PERF401 - what came before the error counts
    except TrueupError as error:
        return names, error
    return names, None


async def test_what_stands_in_the_way_of_some_is_raised_after_the_plans_of_the_others() -> None:
    asked = Asked()
    refused = Refused("no")
    names, problem = await told(
        asked.plan("api", "here", FAULTY), asked.plan("old", "here", refused), asked.plan("web", "here"), faults=FAULTY.faults
    )
    assert names == ["web"]
    assert isinstance(problem, Several)
    assert [str(each) for each in problem.errors] == ["wrong", "no"], "the same fault once"
    assert refused.where == "application old"


async def test_a_single_trouble_is_raised_as_it_is() -> None:
    assert await told(Asked().plan("web", "here")) == (["web"], None)
    assert await told(Asked().plan("api", "here", SILENT), Asked().plan("web", "there")) == (["web"], SILENT)


async def test_a_plug_in_that_breaks_is_told_without_its_words() -> None:
    names, problem = await told(Asked().plan("api", "here", ZeroDivisionError("hunter2")), Asked().plan("web", "here"))
    assert (names, str(problem)) == (["web"], "something unexpected happened: ZeroDivisionError")


async def test_a_target_that_does_not_answer_is_asked_once() -> None:
    asked = Asked()
    await told(asked.plan("a", "silent", SILENT), asked.plan("b", "silent"), asked.plan("c", "here"))
    assert asked.names == ["a", "c"]


@pytest.mark.parametrize("error", [FAULTY, SILENT])
def test_several_errors_name_the_first(error: TrueupError) -> None:
    several = Several([error, Refused("no")])
    assert (str(several), several.where) == (f"{error.message} (and 1 more)", error.where)
