"""The JSON documents have the shapes of the contract (``tests.shapes``), and no others."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.shapes import misshapen
from trueup.cli import shapes
from trueup.cli.layout import json_text
from trueup.model.answer import Rendered, Why
from trueup.model.contracts import Touch
from trueup.model.errors import Fault
from trueup.model.health import ObjectHealth, State
from trueup.model.manifest import Key, Origin
from trueup.model.memory import Drifted
from trueup.model.plan import Action, Change, Plan, Verb, plan_of
from trueup.model.run import Outcome, Run, Status
from trueup.model.secret import Secret
from trueup.model.wire import decode

CASES = Path(__file__).parents[2] / "cases" / "views"
COMMIT = "3f2a9c1d" + "0" * 32
AT = datetime(2026, 11, 28, 19, 42, 25, tzinfo=UTC)


def shaped(document: Any, kind: str) -> Any:
    """The document as a program reads it, which has the shape of the contract."""
    read = json.loads(json_text(document))
    assert read["kind"] == kind
    assert not misshapen(read)
    return read


def nouns(case: str, kind: Any) -> Any:
    return decode((CASES / f"{case}.json").read_bytes(), kind)


def test_a_plan() -> None:
    change = Change("content", Secret("hunter2", "a"), Secret("hunter3", "b"))
    actions = [
        Action(verb=Verb.UPDATE, key=Key("File", "x"), changes=(change,), seen="s", desired="d"),
        Action(verb=Verb.UNCHANGED, key=Key("File", "y")),
    ]
    plans = [plan_of("web", "laptop", "r", COMMIT, actions)]
    [plan] = shaped(shapes.plan_list(plans, everything=False), "PlanList")["items"]
    [action] = plan["actions"]
    assert action["changes"] == [{"path": "content", "before": "(secret)", "after": "(secret)"}]
    assert plan["held"] is None
    assert len(shaped(shapes.plan_list(plans, everything=True), "PlanList")["items"][0]["actions"]) == 2


def test_a_plan_that_was_printed_can_be_read_again() -> None:
    plans = nouns("plan-several", list[Plan])
    printed = json_text(shapes.plan_list(plans, everything=True))
    assert decode(msgspec.json.encode(json.loads(printed)["items"]), list[Plan]) == plans


def test_runs_are_newest_first_and_say_how_to_go_on() -> None:
    outcome = Outcome(Key("File", "x"), Verb.CREATE, "done", version="v")
    names = [digit * 20 for digit in "ab"]
    runs = [
        Run(id=name, repository="r", application="web", target="t", revision=COMMIT, started_at=AT, outcomes=(outcome,)) for name in names
    ]
    document = shaped(shapes.run_list(runs, names[0]), "RunList")
    assert [run["id"] for run in document["items"]] == [names[1], names[0]]
    assert (document["next"], shapes.run_list(runs)["next"]) == (names[0], None)
    assert document["items"][0]["startedAt"] == "2026-11-28T19:42:25Z"


def test_the_other_documents() -> None:
    status = Status(repository="r", application="web", target="t")
    key, origin = Key("File", "x"), Origin("a.yaml", 1)
    shaped(shapes.status_list([status]), "StatusList")
    shaped(shapes.drift_list([(status, Drifted(key=key))]), "DriftList")
    shaped(shapes.fault_list([Fault("a.yaml", 1, 2, "wrong")]), "FaultList")
    shaped(shapes.manifest_list([Rendered(key, origin, {"kind": "File"})]), "ManifestList")
    shaped(shapes.health_list([ObjectHealth(key, State.DEGRADED, "it ended")]), "HealthList")
    touched = (Touch("you", "2026-11-28T19:42:25Z", (Change("spec", 1, None),)),)
    shaped(shapes.why_document(Why(application="web", key=key, date=AT, changed_by=touched)), "Why")


def test_a_document_of_another_shape_is_found() -> None:
    document = shaped(shapes.status_list([Status(repository="r", application="web", target="t")]), "StatusList")
    [item] = document["items"]
    for wrong in ({**item, "extra": 1}, {**item, "sync": "Synced"}, {**item, "revision": "3f2a9c1"}, {**item, "message": None}):
        assert misshapen({**document, "items": [wrong]})
    assert misshapen({**document, "kind": "Statuses"})
    assert misshapen({"kind": "StatusList"})


def test_json_is_safe_to_look_at_and_reads_as_the_same() -> None:
    document = {"message": "\x1b[31m \x9b31m \u202e \x7f \n \U000e0041 ö 日本"}
    printed = json_text(document)
    assert json.loads(printed) == document
    assert printed.isascii() is False
    assert not set(printed) & set("\x1b\x9b\u202e\x7f\U000e0041")
