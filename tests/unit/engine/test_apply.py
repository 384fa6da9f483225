"""Which actions are carried out next."""

from tests.unit.engine.plans import action, done, names, planned
from trueup.engine.apply import begun, next_batch, on_failure, starts_wave
from trueup.model.plan import When

WAVES = planned(
    action("first", wave=-1), action("a"), action("b", after="a"), action("c"), action("last", wave=3), action("same", "unchanged")
)


def test_waves_come_in_the_order_of_their_numbers() -> None:
    assert names(next_batch(WAVES, [])) == "first"
    assert names(next_batch(WAVES, done("first"))) == "a c"
    assert names(next_batch(WAVES, done("first a c"))) == "b"
    assert names(next_batch(WAVES, done("first a b c"))) == "last"
    assert next_batch(WAVES, done("first a b c last")) == ()


def test_what_failed_before_is_tried_again_and_lets_no_later_wave_begin() -> None:
    outcomes = [*done("first b c"), *done("a", state="failed")]
    assert names(next_batch(WAVES, outcomes)) == "a"


def test_what_does_not_depend_on_a_failure_goes_on_inside_its_wave() -> None:
    plan = planned(action("bad"), action("good"), action("after-good", after="good"), action("after-bad", after="bad"), action("z", wave=1))
    failed = done("bad", state="failed")
    outcomes = [*done("good"), *failed]
    assert names(next_batch(plan, outcomes, failed)) == "after-good"
    assert next_batch(plan, [*outcomes, *done("after-good")], failed) == ()
    assert names(next_batch(plan, [*outcomes, *done("after-good")])) == "bad", "the next pass tries it again"


def test_what_waits_for_a_failure_is_no_change_and_is_done_in_its_own_order_once() -> None:
    plan = planned(action("a"), action("late", wave=9, when=When.FAILED), action("soon", wave=8, when=When.FAILED))
    assert (names(plan.changes), plan.summary.create) == ("a", 1)
    assert next_batch(plan, done("a")) == ()
    assert [names(batch) for batch in on_failure(plan, done("a"))] == ["soon", "late"]
    assert [names(batch) for batch in on_failure(plan, done("a soon"))] == ["late"]
    assert planned(action("late", when=When.FAILED)).empty


def test_what_was_done_with_another_verb_is_not_done() -> None:
    plan = planned(action("a", "update"))
    assert names(next_batch(plan, done("a", "create"))) == "a"


def test_a_wave_starts_with_its_first_batch_and_the_first_wave_waits_for_nobody() -> None:
    assert not starts_wave(WAVES, next_batch(WAVES, []), [])
    for outcomes, starts in ((done("first"), True), (done("first a"), False), (done("first a b c"), True)):
        assert starts_wave(WAVES, next_batch(WAVES, outcomes), outcomes) is starts


def test_what_has_begun_is_what_was_done() -> None:
    assert names(begun(WAVES, [*done("first a"), *done("c", state="failed")])) == "first a"
