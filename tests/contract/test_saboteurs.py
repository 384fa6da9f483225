"""Each sentence of the contract fails the runtime that lies in just that way: a sentence that nothing can fail promises nothing."""

from pathlib import Path

import pytest

from tests.contract import liars
from tests.contract.memory_ground import MemoryGround
from trueup.model.contracts import Runtime
from trueup.testing import RuntimeContract

SABOTEURS: dict[str, list[type[liars.Liar]]] = {
    "planning_changes_nothing": [liars.ActsWhilePlanning, liars.MarksWhilePlanning],
    "what_was_applied_needs_no_change": [liars.AlwaysSeesAChange, liars.SaysDone],
    "a_new_version_changes_only_what_differs": [liars.AlwaysSeesAChange, liars.TouchesWhatIsTheSame],
    "drift_is_seen_and_undone": [liars.SeesNoDrift, liars.HealsNothing],
    "what_is_no_longer_declared_goes": [liars.KeepsWhatLeaves, liars.DeletesFirst],
    "what_leaves_goes_in_the_reverse_order": [liars.DeletesFirst],
    "a_removed_application_leaves_nothing": [liars.LeavesSomething, liars.KeepsRecords],
    "applying_twice_is_applying_once": [liars.WritesEachTime],
    "interrupted_half_way_walking_again_finishes": [liars.BelievesItsRecord, liars.WritesEachTime],
    "only_what_was_asked_is_carried_out": [liars.DoesEverything],
    "an_outdated_plan_is_not_carried_out": [liars.NeverLooksAgain, liars.DeletesWithoutLooking],
    "what_is_ignored_is_left_alone": [liars.KnowsNoIgnore],
    "what_was_refused_is_told_and_the_rest_is_done": [liars.HidesRefusals, liars.StopsAtRefusals],
    "the_objects_of_others_stay": [liars.TakesEverybodysAway],
    "what_belongs_to_nobody_is_adopted_by_name_only": [liars.TakesSilently, liars.NeverLooksAgain],
    "what_belongs_to_another_is_named_with_its_owner": [liars.NamesNobody],
    "an_object_moves_between_two_applications_without_being_made_again": [liars.MakesAnew, liars.DeletesWithoutLooking],
    "ownership_is_read_back_by_a_fresh_opening": [liars.ForgetsPolicies, liars.ForgetsRevisions],
    "with_prune_off_objects_stay_and_our_mark_goes": [liars.PrunesAlways, liars.KeepsTheMark],
    "a_plan_survives_json_and_back": [liars.KnowsOnlyItsOwnPlans],
    "a_digest_is_the_same_until_something_moves": [liars.HasAnotherDigestEachTime],
    "unreachable_says_so": [liars.SeesNothing],
    "health_is_of_the_version_that_was_applied": [liars.NeverAsksWhichVersion, liars.AlwaysWell],
    "what_moves_is_watched": [liars.WatchesNothing],
    "a_person_sees_what_is_there_and_who_changed_it": [liars.ShowsWhatItWants],
    "secrets_do_not_show": [
        liars.ShowsSecretsInPlans,
        liars.ShowsSecretsInOutcomes,
        liars.ShowsSecretsInHealth,
        liars.ShowsSecretsLive,
        liars.ShowsSecretsInLogs,
    ],
}


def test_every_sentence_has_a_saboteur() -> None:
    assert {name for name in dir(RuntimeContract) if name.startswith("test_")} == {f"test_{sentence}" for sentence in SABOTEURS}


@pytest.mark.parametrize(("sentence", "liar"), [(sentence, liar) for sentence, lying in SABOTEURS.items() for liar in lying])
async def test_the_saboteur_is_caught(sentence: str, liar: type[liars.Liar], tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(_contract_of(liar), f"test_{sentence}")(tmp_path)


@pytest.mark.parametrize("sentence", SABOTEURS)
async def test_who_only_wraps_the_honest_runtime_is_not_caught(sentence: str, tmp_path: Path) -> None:
    await getattr(_contract_of(liars.Liar), f"test_{sentence}")(tmp_path)


def _contract_of(liar: type[liars.Liar]) -> RuntimeContract:
    class LyingGround(MemoryGround):
        patience = MemoryGround.patience if liar is liars.Liar else 1.0

        async def open(self) -> Runtime:
            return liar(await super().open(), self)

    contract = RuntimeContract()
    contract.ground = LyingGround
    return contract
