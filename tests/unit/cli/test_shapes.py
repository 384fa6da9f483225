"""The JSON documents have the keys of the contract, and no others."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from trueup.cli import shapes
from trueup.cli.layout import json_text
from trueup.model.answer import Rendered, Why
from trueup.model.errors import Fault
from trueup.model.manifest import Key, Origin
from trueup.model.memory import Drifted
from trueup.model.plan import Action, Change, Plan, Verb, plan_of
from trueup.model.run import Outcome, Run, Status
from trueup.model.secret import Secret
from trueup.model.wire import decode

CASES = Path(__file__).parents[2] / "cases" / "views"
AT = datetime(2026, 11, 28, 19, 42, 25, tzinfo=UTC)


def keys(document: Any, *names: str) -> None:
    assert set(document) == set(names)


def test_a_plan() -> None:
    change = Change("content", Secret("hunter2", "a"), Secret("hunter3", "b"))
    actions = [
        Action(verb=Verb.UPDATE, key=Key("File", "x"), changes=(change,), seen="s", desired="d"),
        Action(verb=Verb.UNCHANGED, key=Key("File", "y")),
    ]
    document = shapes.plan_list([plan_of("web", "laptop", "r", "3f2a", actions)], everything=False)
    keys(document, "kind", "items")
    [plan] = document["items"]
    keys(
        plan, *["apiVersion", "kind", "application", "target", "repository", "revision", "removal", "digest", "held", "summary", "actions"]
    )
    keys(plan["summary"], *["create", "update", "replace", "adopt", "delete", "unchanged"])
    [action] = plan["actions"]
    keys(action, *["verb", "key", "when", "wave", "after", "effect", "verified", "reason", "changes", "origin"])
    keys(action["origin"], "file", "line", "commit")
    assert list(action["changes"]) == [{"path": "content", "before": "(secret)", "after": "(secret)"}]
    assert (document["kind"], plan["held"]) == ("PlanList", None)
    assert len(shapes.plan_list([plan_of("web", "laptop", "r", "3f2a", actions)], everything=True)["items"][0]["actions"]) == 2


def test_a_plan_that_was_printed_can_be_read_again() -> None:
    plans = decode((CASES / "plan-several.json").read_bytes(), list[Plan])
    printed = json_text(shapes.plan_list(plans, everything=True))
    assert decode(msgspec.json.encode(json.loads(printed)["items"]), list[Plan]) == plans


def test_runs_are_newest_first_and_say_how_to_go_on() -> None:
    outcome = Outcome(Key("File", "x"), Verb.CREATE, "done", version="v")
    runs = [Run(id=name, repository="r", application="web", target="t", revision="3f", started_at=AT, outcomes=(outcome,)) for name in "ab"]
    document = shapes.run_list(runs, "a")
    keys(document, "kind", "items", "next")
    assert [run["id"] for run in document["items"]] == ["b", "a"]
    assert (document["kind"], document["next"], shapes.run_list(runs)["next"]) == ("RunList", "a", None)
    names = "apiVersion kind id repository application target revision revisionExact author subject actor trigger of plan renderer state"
    keys(document["items"][0], *names.split(), "message", "hold", "startedAt", "finishedAt", "outcomes", "health")
    keys(document["items"][0]["outcomes"][0], "key", "verb", "state", "message", "seconds")
    assert document["items"][0]["startedAt"] == "2026-11-28T19:42:25Z"


def test_the_other_lists() -> None:
    status = Status(repository="r", application="web", target="t")
    [item] = shapes.status_list([status])["items"]
    keys(item, *["repository", "application", "target", "revision", "desiredRevision", "sync", "health", "message", "lastRun"])
    [item] = shapes.drift_list([(status, Drifted(key=Key("File", "x")))])["items"]
    keys(item, *["repository", "application", "target", "key", "changes", "by", "since"])
    [item] = shapes.fault_list([Fault("a.yaml", 1, 2, "wrong")])["items"]
    keys(item, *["file", "line", "column", "message", "hint"])
    [item] = shapes.manifest_list([Rendered(Key("File", "x"), Origin("a.yaml", 1), {"kind": "File"})])["items"]
    keys(item, "key", "origin", "manifest")
    why = shapes.why_document(Why(application="web", key=Key("File", "x"), date=AT))
    names = "kind application key field desired live commit author date subject file line exact run appliedAt changedBy"
    keys(why, *names.split())


def test_json_is_safe_to_look_at_and_reads_as_the_same() -> None:
    document = {"message": "\x1b[31m \x9b31m \u202e \x7f \n \U000e0041 ö 日本"}
    printed = json_text(document)
    assert json.loads(printed) == document
    assert printed.isascii() is False
    assert not set(printed) & set("\x1b\x9b\u202e\x7f\U000e0041")
