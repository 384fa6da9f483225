"""Whatever a secret's value looks like, it is in nothing that is said of a Secret: a property of everything that is pure."""

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.runtimes.kubernetes.objects import MARKS, desired, managed, marked, wanted
from trueup.cli.markdown import plan_markdown
from trueup.cli.shapes import plan_list
from trueup.cli.texts.plan import plan_lines
from trueup.model import wire
from trueup.model.application import Policy
from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.model.plan import Plan, Verb, plan_of
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes.client.request import Cause, Details, Refusal
from trueup.runtimes.kubernetes.concealing import concealed, masked
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.planning import actions_of, refuse
from trueup.runtimes.kubernetes.refusals import words
from trueup.runtimes.kubernetes.touches import touches_of
from trueup.runtimes.kubernetes.trial import Trial

NOTE = "kubectl.kubernetes.io/last-applied-configuration"
# A mark on both sides: no value is by accident a part of something else that is said.
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=2, max_size=60).map(lambda text: f"~{text}§")
PAIRS = st.tuples(VALUES, VALUES)


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def forms(value: str) -> set[str]:
    """What a value may look like: itself, base64, as JSON and Python write it, line by line."""
    lines = {line for line in value.splitlines() if len(line) > 3}
    return {value, encoded(value), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1], *lines}


def leaks(said: str, *values: str) -> list[str]:
    return [form for value in values for form in forms(value) if form in said]


def of_git(value: str) -> Body:
    """A Secret as the engine gives it: what is secret prints as such."""
    fields = {"stringData": {"password": Secret(value, "1")}, "data": {"again": Secret(encoded(value), "2")}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database", "namespace": "shop"}, **fields}


def of_server(value: str, manager: str = "trueup") -> Body:
    """The same as a server gives it, with what kubectl noted of it."""
    note = json.dumps({"kind": "Secret", "stringData": {"password": value, "old": value}})
    names = {"f:data": {"f:password": {}, "f:again": {}, "f:old": {}}, "f:metadata": {"f:annotations": {f"f:{NOTE}": {}}}}
    fields = managed(manager, names, "Apply" if manager == "trueup" else "Update", time="2026-11-28T12:00:00Z")
    named = {"name": "database", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "annotations": {NOTE: note}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {**named, "managedFields": [fields]}}
    return {**body, "data": {"password": encoded(value), "again": encoded(value), "old": encoded(value)}}


def planned(git: Body, live: Body | None, result: Body | None, policy: Policy) -> Plan:
    trial = Trial(wanted(git), LiveObject(live) if live else None, result)
    return plan_of("shop", "cluster", MARKS.owner.repository, "1" * 40, list(actions_of(desired(policy), [trial], [], MARKS)))


def shown(plan: Plan) -> str:
    """Everything that a plan can be printed as."""
    lines = "\n".join(line.plain for line in plan_lines([plan], True))
    document = json.dumps(plan_list([plan], True), default=repr, ensure_ascii=False)
    return "\n".join([lines, document, json.dumps(plan_list([plan], True), default=repr), plan_markdown([plan], True), _any([plan])])


def _any(things: Iterable[object]) -> str:
    return "\n".join(text for each in things for text in (repr(each), wire.encode(each).decode()))


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_a_plan_shows_that_a_secret_changes_and_no_value(values: tuple[str, str]) -> None:
    before, after = values
    policy = Policy(adopt=True, self_heal="strict")
    result = marked(of_server(after))
    # Still there after the apply alone; what kubectl applied, or a hand added, goes once it is taken over.
    result["metadata"]["managedFields"][0]["fieldsV1"]["f:data"].pop("f:old")
    for live in (
        None,
        marked(of_server(before)),
        of_server(before, "kubectl-client-side-apply"),
        marked(of_server(before, "kubectl-edit")),
    ):
        plan = planned(of_git(after), live, result if live else None, policy)
        assert plan.actions[0].verb in (Verb.CREATE, Verb.UPDATE, Verb.ADOPT, Verb.UNCHANGED)
        assert before == after or live is None or plan.actions[0].changes
        assert not leaks(shown(plan), before, after)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_a_refusal_that_quotes_a_secret_is_not_repeated(value: str) -> None:
    causes = (Cause("FieldValueInvalid", f"Invalid value: {value!r}", "data[password]"),)
    for refusal in (
        Refusal(f"Secret database is invalid: {value}", "Invalid", 422, Details("database", "Secret", causes)),
        Refusal(f'illegal base64 data in "{encoded(value)}" near {json.dumps(value)}', "BadRequest", 400),
    ):
        with pytest.raises(Refused) as told:
            refuse([Trial(wanted(of_git(value)), None, refusal=words(refusal, of_git(value)))], "shop")
        fault = told.value
        assert not leaks(f"{fault} {fault!r} {fault.where} {fault.hint}", value)


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_a_live_object_and_who_touched_it_show_no_value(values: tuple[str, str]) -> None:
    ours, by_hand = values
    live = LiveObject(marked(of_server(by_hand, "kubectl-edit")))
    said = _any([wire.plain(concealed(live.body)), touches_of(live)])
    assert not leaks(said, ours, by_hand)
    assert "(secret)" in said


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from(["stringData", "data"]))
def test_the_last_words_of_a_program_lose_the_secrets_that_it_was_given(value: str, field: str) -> None:
    given_to_it: Any = of_git(value)
    manifest = wanted({**given_to_it, **{name: {} for name in ("stringData", "data") if name != field}}).manifest
    said = masked(f"cannot sign in with {value}; {encoded(value) if field == 'data' else ''}", [manifest])
    assert value not in said
    assert encoded(value) not in said
    assert said.startswith("cannot sign in with (secret)")
    in_one_line = " ".join(value.split())
    assert in_one_line not in masked(f"cannot sign in with {in_one_line}", [manifest])
