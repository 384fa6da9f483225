"""What one walk starts from and decides."""

from typing import Any

import msgspec
import pytest

from tests.unit.engine.plans import action, done, key, planned
from trueup.engine.course import Course
from trueup.model.application import Application, ApplicationSpec, Policy
from trueup.model.errors import Fault, UsageError
from trueup.model.health import HealthReport, State
from trueup.model.manifest import Key
from trueup.model.memory import CALM, Address, Declared, Followed, Known, Row, Standing, Waiting
from trueup.model.plan import Hold
from trueup.model.run import RunState, Status, Sync, Trigger
from trueup.model.source import Repository

REPOSITORY = Repository("/repository")
HERE = Address(REPOSITORY.identity, "web", "here")
OLD, NEW, HEAD = "a" * 40, "b" * 40, "c" * 40
NOW = 1_800_000_000.0


def app(where: str = "here", **policy: Any) -> Application:
    """The application as it is declared."""
    specification = ApplicationSpec(target=where, policy=Policy.model_validate(policy))
    return Application(REPOSITORY.identity, "web", specification, "trueup.yaml")


def declared(revision: str = NEW, digest: str = "new", where: str = "here", **facts: Any) -> Declared:
    """The application as the catalog knows it."""
    return Declared(application=app(where), revision=revision, digest=digest, **facts)


def standing(revision: str = OLD, digest: str = "old", application: Application | None = None, **facts: Any) -> Standing:
    """The application as it stands."""
    status = Status(repository=REPOSITORY.identity, application="web", target="here", revision=revision, sync=Sync.SYNCED)
    return Standing(application=application or app(), status=status, digest=digest, applied=True, good=revision, **facts)


def course(trigger: Trigger = Trigger.POLL, at: str = "", **known: Any) -> Course:
    """A walk that starts from this."""
    start = {"declared": declared(), "standing": standing(), "run": None, "plan": None, **known}
    return Course(Row(HERE, 1, 0.0, trigger, 0, 0.0), Known(followed=Followed(repository=REPOSITORY, commit=HEAD), **start), "", at)


def bad(revision: str = NEW) -> Waiting:
    """A hold on a bad revision."""
    return Waiting(
        repository=REPOSITORY.identity, application="web", kind="bad revision", revision=revision, good=OLD, reason="it was slow"
    )


def test_a_walk_makes_the_applications_own_revision_true() -> None:
    assert (course().revision, course().digest, course().settled) == (NEW, "new", False)


def test_what_was_applied_as_it_is_wanted_is_settled_and_differs_only_by_drift() -> None:
    assert course(standing=standing(NEW, "new")).settled
    assert not course(standing=standing(NEW, "other")).settled, "the same commit may render to something else"
    assert not course(standing=msgspec.structs.replace(standing(NEW, "new"), applied=False)).settled
    assert not course(standing=None).settled


def test_a_bad_revision_is_held_back_and_the_good_one_stays() -> None:
    held = course(holds=(bad(),))
    assert (held.revision, held.digest, held.settled) == (OLD, "", True)
    assert course(holds=(bad("d" * 40),)).revision == NEW, "a newer revision is another one"


def test_what_a_person_names_goes_before_everything() -> None:
    asked = course(at=OLD, holds=(bad(OLD),))
    assert (asked.revision, asked.digest) == (OLD, "")
    assert not asked.is_overtaken_by(asked.known)


@pytest.mark.parametrize("gone", [None, declared(where="there")], ids=["not declared", "declared elsewhere"])
def test_what_is_not_declared_here_goes(gone: Declared | None) -> None:
    removal = course(declared=gone)
    assert (removal.removed, removal.revision, removal.settled, removal.application) == (True, HEAD, False, app())


def test_the_policy_of_a_removal_is_the_one_that_was_applied_last() -> None:
    kept = course(declared=None, standing=standing(application=app(removal="keep")))
    assert (kept.policy.removal, kept.policy.prune) == ("keep", False)
    assert course(declared=None, standing=standing(application=app(removal="delete"))).policy.removal == "delete"
    assert course(declared=None).policy.removal == "hold"


def test_what_moves_to_another_target_goes_here_without_asking() -> None:
    assert course(declared=declared(where="there")).policy.removal == "delete"


def test_a_run_goes_on_as_long_as_its_revision_is_wanted() -> None:
    walked = course()
    run = walked.begin(planned(action("a", desired="d")), None, NOW)
    assert course(run=run, plan=walked.plan).goes_on
    assert not course(run=run, plan=walked.plan, declared=declared("d" * 40)).goes_on
    assert not course(run=run, plan=walked.plan, declared=None).goes_on, "what brought it here does not take it away"
    assert not course(run=run, plan=None).goes_on


@pytest.mark.parametrize(
    ("fresh", "overtaken"),
    [
        ({"declared": declared()}, False),
        ({"declared": declared("d" * 40)}, True),
        ({"declared": declared("d" * 40, faults=(Fault("a", 1, 0, "wrong"),))}, False),
        ({"declared": None}, False),
        ({"holds": (bad(),)}, True),
    ],
)
def test_only_something_else_that_can_be_had_overtakes_a_run(fresh: dict[str, Any], overtaken: bool) -> None:
    assert course().is_overtaken_by(course(**fresh).known) is overtaken


def test_a_removal_is_overtaken_by_a_declaration_that_is_back() -> None:
    removal = course(declared=None)
    assert removal.is_overtaken_by(course().known)
    assert not removal.is_overtaken_by(course(declared=declared(absent=True)).known)
    assert not removal.is_overtaken_by(course(declared=declared(where="there")).known)


@pytest.mark.parametrize(
    ("facts", "may"),
    [
        ({}, True),
        ({"standing": standing(NEW)}, False),
        ({"standing": None}, False),
        ({"holds": (bad(),)}, False),
        ({"at": OLD}, False),
        ({"declared": None}, False),
    ],
    ids=["a good one is known", "it is the good one", "none is known", "it is held already", "a person named it", "it is going"],
)
def test_a_bad_end_is_rolled_back_once_and_only_to_something_good(facts: dict[str, Any], may: bool) -> None:
    assert course(**facts).may_roll_back is may


def test_a_rollbacks_own_run_is_never_rolled_back() -> None:
    own = course(holds=(msgspec.structs.replace(bad("d" * 40), commit=NEW),))
    own.begin(planned(action("a")), None, NOW)
    assert not own.may_roll_back


def test_pauses_double_between_the_policys_bounds() -> None:
    policy = Policy.model_validate({"retry": {"from": "2s", "to": "30s"}})
    assert [policy.retry.pause_before(attempts) for attempts in (0, 1, 2, 3, 4, 5, 10_000)] == [2, 4, 8, 16, 30, 30, 30]


def test_drift_is_undone_at_once_three_times_and_then_more_and_more_slowly() -> None:
    pauses = [standing(heals=heals, healed_at=NOW).heal_pause(NOW) for heals in range(12)]
    assert pauses[:3] == [0, 0, 0]
    assert pauses[3:] == sorted(pauses[3:])
    assert (pauses[3], pauses[-1]) == (0.5, CALM / 2)
    assert standing(heals=9, healed_at=NOW - CALM - 1).heal_pause(NOW) == 0


def test_a_run_tells_why_it_began() -> None:
    settled = {"standing": standing(NEW, "new")}
    for trigger, known, told in (
        (Trigger.POLL, {}, Trigger.POLL),
        (Trigger.PUSH, {}, Trigger.PUSH),
        (Trigger.DRIFT, {"standing": msgspec.structs.replace(standing(NEW, "new"), applied=False)}, Trigger.RETRY),
        # It was woken by what moved at the target, and what it brings is a new commit.
        (Trigger.DRIFT, {}, Trigger.POLL),
        # What else the fetch after a rollback brings is no rollback.
        (Trigger.ROLLBACK, {}, Trigger.POLL),
        (Trigger.DRIFT, settled, Trigger.DRIFT),
        (Trigger.POLL, settled, Trigger.DRIFT),
        (Trigger.PERSON, settled, Trigger.PERSON),
        (Trigger.POLL, {"holds": (bad(),), **settled}, Trigger.ROLLBACK),
    ):
        assert course(trigger, **known).begin(planned(action("a")), None, NOW).trigger == told


def test_a_run_that_begins_takes_over_what_git_says_by_now() -> None:
    walked = course(declared=Declared(application=app(removal="delete"), revision=NEW, digest="new"))
    run = walked.begin(planned(action("a")), None, NOW)
    walked.give_time(NOW)
    stands = walked.standing
    assert stands is not None
    assert (stands.application.policy.removal, stands.digest, stands.applied) == ("delete", "new", False)
    assert (stands.status.revision, stands.status.sync, stands.status.last_run) == (NEW, Sync.PROGRESSING, run.id)
    assert stands.deadline == NOW + 300


def test_what_was_written_is_remembered_by_key_and_forgotten_when_it_goes_or_is_let_go_of() -> None:
    walked = course(standing=standing(versions={"Thing/b": "0", "Thing/c": "0", "Thing/d": "0", "Thing/gone": "0"}))
    several = [action("a"), action("b", "delete"), action("c", "update"), action("d", "unchanged", desired="d"), action("e", "create")]
    walked.begin(planned(*several), None, NOW)
    assert walked.versions == {"Thing/b": "", "Thing/c": "", "Thing/d": ""}, "a walk that broke off may have written another version"
    walked.add([msgspec.structs.replace(each, version="1") for each in done("a")])
    assert walked.versions == {"Thing/a": "1", "Thing/b": "", "Thing/c": "", "Thing/d": ""}
    let_go = [msgspec.structs.replace(each, version="0") for each in done("c", "update")]
    walked.add([*done("b", "delete"), *let_go, *done("a", state="failed")])
    assert walked.versions == {"Thing/a": "1", "Thing/d": ""}
    assert [(str(each.key), each.verb, each.state) for each in walked.outcomes] == [
        ("Thing/a", "create", "failed"),
        ("Thing/b", "delete", "done"),
        ("Thing/c", "update", "done"),
    ]


@pytest.mark.parametrize(
    ("state", "applied", "sync", "good"),
    [
        (RunState.SUCCEEDED, True, Sync.SYNCED, NEW),
        (RunState.FAILED, True, Sync.SYNCED, OLD),
        (RunState.FAILED, False, Sync.FAILED, OLD),
        (RunState.SUPERSEDED, False, Sync.PROGRESSING, OLD),
    ],
)
def test_how_an_application_stands_after_a_run(state: RunState, applied: bool, sync: Sync, good: str) -> None:
    walked = course()
    walked.begin(planned(action("a")), None, NOW)
    if applied:
        walked.carry_out()
    walked.saw(HealthReport(State.HEALTHY))
    run = walked.end(state, "", NOW + 1)
    assert walked.standing is not None
    assert (run.state, walked.standing.status.sync, walked.standing.good, walked.standing.deadline) == (state, sync, good, 0.0)


def test_a_held_plan_waits_with_its_digest_and_leaves_what_stands() -> None:
    plan = planned(action("a", "delete"))
    walked = course()
    run, waiting = walked.hold(plan, Hold("approval", "too much"), None, NOW)
    assert (run.state, run.message, waiting.digest, waiting.target, waiting.run) == (RunState.HELD, "too much", plan.digest, "here", run.id)
    assert walked.standing is not None
    assert (walked.standing.status.revision, walked.standing.status.sync, walked.standing.applied) == (OLD, Sync.HELD, True)


def test_drift_that_was_seen_before_keeps_the_time_when_it_was() -> None:
    first = course(standing=standing(NEW, "new"))
    seen = first.drifted(planned(action("a", "update")), NOW)
    later = course(standing=standing(NEW, "new", drift=seen)).drifted(planned(action("a", "update"), action("b", "update")), NOW + 60)
    assert (later[0].since, later[1].since != seen[0].since) == (seen[0].since, True)


def test_an_object_may_be_named_by_kind_and_name_where_that_is_enough() -> None:
    keys = (Key("Deployment", "web", "apps", "shop"), Key("Service", "web", "", "shop"), Key("Service", "web", "", "lab"), key("a"))
    walked = course(declared=declared(keys=keys))
    assert walked.key("Deployment/web") == keys[0]
    assert walked.key("Service/lab/web") == keys[2]
    for wrong in ("Service/web", "Thing/b", "nonsense"):
        with pytest.raises(UsageError):
            walked.key(wrong)
