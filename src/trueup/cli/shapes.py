"""Answers -> the JSON documents of the contract, with its keys and no others."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trueup.model.answer import Rendered, Why
from trueup.model.errors import Fault
from trueup.model.health import ObjectHealth, worst
from trueup.model.memory import Drifted
from trueup.model.plan import Plan, Verb
from trueup.model.run import Run, Status
from trueup.model.wire import plain

Document = dict[str, Any]

# What only the walk needs stays inside: ``seen`` is a digest of live data, from which a short secret could be guessed.
ACTION: Final = ("verb", "key", "when", "wave", "after", "effect", "verified", "reason", "changes", "origin")
OUTCOME: Final = ("key", "verb", "state", "message", "seconds")
DRIFT: Final = ("key", "changes", "by", "since")


def plan_list(plans: Iterable[Plan], everything: bool) -> Document:
    """``everything``: unchanged actions are listed too."""
    return _list("PlanList", [_plan(plan, everything) for plan in plans])


def run_list(runs: Sequence[Run], following: str = "") -> Document:
    """Newest first. ``next`` is the id to go on from, null when there are no more."""
    ordered = sorted(runs, key=lambda run: run.id, reverse=True)
    return {**_list("RunList", [_run(run) for run in ordered]), "next": following or None}


def status_list(statuses: Iterable[Status]) -> Document:
    """How applications stand."""
    return _list("StatusList", [plain(status) for status in statuses])


def drift_list(drifts: Iterable[tuple[Status, Drifted]]) -> Document:
    """What differs, though Git did not change."""
    return _list("DriftList", [_drift(status, drifted) for status, drifted in drifts])


def health_list(objects: Sequence[ObjectHealth]) -> Document:
    """The health of objects, and of the worst of them."""
    return {"kind": "HealthList", "state": worst(each.state for each in objects).value, "objects": [plain(each) for each in objects]}


def fault_list(faults: Iterable[Fault]) -> Document:
    """What is wrong in files."""
    return _list("FaultList", [plain(fault) for fault in faults])


def manifest_list(rendered: Iterable[Rendered]) -> Document:
    """What applications render to."""
    return _list("ManifestList", [plain(each) for each in rendered])


def why_document(why: Why) -> Document:
    """Why a thing is as it is."""
    document: Document = plain(why)
    return document


def _list(kind: str, items: list[Any]) -> Document:
    return {"kind": kind, "items": items}


def _plan(plan: Plan, everything: bool) -> Document:
    document: Document = plain(plan)
    listed = [action for action in document["actions"] if everything or action["verb"] != Verb.UNCHANGED]
    return {**document, "actions": [_only(action, ACTION) for action in listed]}


def _run(run: Run) -> Document:
    document: Document = plain(run)
    return {**document, "outcomes": [_only(outcome, OUTCOME) for outcome in document["outcomes"]]}


def _drift(status: Status, drifted: Drifted) -> Document:
    where = {"repository": status.repository, "application": status.application, "target": status.target}
    return {**where, **_only(plain(drifted), DRIFT)}


def _only(document: Document, keys: Sequence[str]) -> Document:
    return {key: document[key] for key in keys}
