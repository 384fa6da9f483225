"""What people read, from nouns to lines: each case is data in ``tests/cases/views``, the nouns as JSON and the text that they become."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from trueup.cli.layout import table
from trueup.cli.texts.drift import drift_lines
from trueup.cli.texts.error import complaint_lines, error_lines, fault_lines
from trueup.cli.texts.history import history_lines
from trueup.cli.texts.plan import plan_lines
from trueup.cli.texts.rollback import rollback_lines
from trueup.cli.texts.run import progress_lines, run_complaints, run_lines
from trueup.cli.texts.status import status_complaints, status_lines
from trueup.cli.texts.waiting import waiting_lines
from trueup.cli.texts.why import why_lines
from trueup.model.answer import RolledBack, Why
from trueup.model.errors import DeclarationError, Fault, Held, Refused, SettingsError
from trueup.model.manifest import Key
from trueup.model.memory import Drifted, Waiting
from trueup.model.plan import Action, Change, Plan, Verb, plan_of
from trueup.model.run import Run, Status
from trueup.model.wire import decode

CASES = Path(__file__).parents[2] / "cases" / "views"

Lines = Sequence[Text]
VIEWS: dict[str, tuple[Any, Callable[[Any], Lines]]] = {
    "plan": (list[Plan], lambda plans: plan_lines(plans, everything=False)),
    "status": (list[Status], lambda statuses: [*status_lines(statuses, None), Text(), *complaint_lines(status_complaints(statuses))]),
    "history": (list[Run], lambda runs: history_lines(runs, runs[-1].id, None)),
    "drift": (list[tuple[Status, Drifted]], drift_lines),
    "why": (Why, why_lines),
    "runs": (list[Run], lambda runs: [*run_lines(runs, None), Text(), *complaint_lines(run_complaints(runs))]),
    "waiting": (list[Waiting], waiting_lines),
    "faults": (list[Fault], fault_lines),
    "rollback": (RolledBack, rollback_lines),
}


def written(lines: Lines) -> str:
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.json")), ids=lambda case: case.stem)
def test_a_noun_becomes_the_text_of_its_case(case: Path) -> None:
    kind, view = VIEWS[case.stem.partition("-")[0]]
    nouns = decode(case.read_bytes(), kind)
    assert written(view(nouns)) == case.with_suffix(".txt").read_text(encoding="utf-8")


def test_nothing_that_acts_on_a_terminal_gets_through() -> None:
    case = (CASES / "plan-changes.txt").read_text(encoding="utf-8")
    assert "\x1b" not in case
    assert "\\u001b[31mred" in case


def test_an_error_says_what_where_and_what_next() -> None:
    error = Refused(
        "Deployment/shop/web was refused: spec.replicas must be a number",
        where="shop/web.yaml:14  (3f2a9c1, application shop)",
        hint="write `replicas: 3` without quotes",
    )
    assert written(error_lines(error)) == (
        "error: Deployment/shop/web was refused: spec.replicas must be a number\n"
        "  --> shop/web.yaml:14  (3f2a9c1, application shop)\n"
        "\n"
        "hint: write `replicas: 3` without quotes\n"
    )


def test_of_many_faults_fifty_are_shown_and_the_others_counted() -> None:
    shown = written(error_lines(DeclarationError([Fault(f"{number}.yaml", 1, 1, "wrong") for number in range(53)])))
    assert shown.count("error: ") == 50
    assert shown.endswith("and 3 more faults\n")


def test_a_settings_error_with_several_faults_keeps_its_lines() -> None:
    shown = written(error_lines(SettingsError("the settings have 2 faults\n  a.toml:1: x\n  a.toml:2: \x1by")))
    assert shown == "error: the settings have 2 faults\n  a.toml:1: x\n  a.toml:2: \\x1by\n"


NARROW = """\
APPLICATION  TARGET
  STATE      HEALTH
web          laptop
  succeeded  healthy
a            b
  c          d
"""
BESIDE = """\
APPLICATION  MESSAGE
web          all well
payments
  waits for the database, which is not there
"""


def test_what_has_no_room_in_a_table_stands_below_and_nothing_is_cut() -> None:
    def row(*cells: str) -> list[Text]:
        return [Text(cell) for cell in cells]

    titles = ("APPLICATION", "TARGET", "STATE", "HEALTH")
    assert written(table(titles, [row("web", "laptop", "succeeded", "healthy"), row("a", "b", "c", "d")], 25)) == NARROW
    rows = [row("web", "all well"), row("payments", "waits for the database, which is not there")]
    assert written(table(("APPLICATION", "MESSAGE"), rows, 30)) == BESIDE
    assert written(table(("APPLICATION", "MESSAGE"), rows, None)).count("\n") == 3
    assert written(table(("A", "B"), [row("wide" * 9, "b")], 5)) == f"A\n  B\n{'wide' * 9}\n  b\n"


def test_a_run_tells_only_what_is_new() -> None:
    [run, _] = decode((CASES / "runs.json").read_bytes(), list[Run])
    begun = decode(
        b'{"id":"1","repository":"r","application":"web","target":"laptop","revision":"3f2a9c1d","startedAt":"2026-11-28T19:40:00Z"}', Run
    )
    assert written(progress_lines(None, begun)) == "web: applying 3f2a9c1 to laptop\n"
    assert written(progress_lines(begun, run)) == "web: + Service/web done  0.4s\nweb: succeeded\n"
    assert not progress_lines(run, run)


def test_long_and_large_texts_are_bounded() -> None:
    changes = (Change("content", "\n".join(f"line {number}" for number in range(5000)), "x"), Change("name", "a", "y" * 5000))
    plan = plan_of("web", "t", "r", "1", [Action(verb=Verb.UPDATE, key=Key("File", "x"), changes=changes)])
    shown = written(plan_lines([plan], everything=False))
    assert "a text of 5000 lines -> a text of 1 line" in shown
    assert "(4500 more characters)" in shown


def test_what_is_held_is_told_as_a_hold() -> None:
    statuses = decode((CASES / "status.json").read_bytes(), list[Status])
    assert [complaint.exit_code for complaint in status_complaints(statuses)] == [3, 1, 1]
    assert isinstance(status_complaints(statuses)[0], Held)
