"""What manifests ask for, in our words and in those of Argo CD, Helm and Flux."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.runtimes.kubernetes.hooks import (
    PLAIN,
    DeletePolicy,
    Merging,
    Occasion,
    Options,
    Phase,
    Removing,
    declared_annotations,
    objections_of,
    options_of,
)

ARGO, HELM, FLUX = "argocd.argoproj.io/", "helm.sh/", "kustomize.toolkit.fluxcd.io/"
BEFORE = DeletePolicy.BEFORE_HOOK_CREATION


def said(name: str, value: str, **others: str) -> Options:
    return options_of({"metadata": {"annotations": {name: value, **others}}})


def test_an_object_without_annotations_asks_for_nothing() -> None:
    assert options_of({"metadata": {"name": "web"}}) == options_of({}) == PLAIN == Options()
    assert said("example.com/owner", "shop") == PLAIN


def test_our_own_words() -> None:
    assert said("trueup.dev/wave", "-3") == Options(wave=-3)
    assert said("trueup.dev/replace", "allowed") == Options(recreate=True)
    assert said("trueup.dev/replace", "perhaps") == PLAIN


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Prune=false", Options(prune=Removing.KEEP)),
        ("Prune=confirm", Options(prune=Removing.CONFIRM)),
        ("Prune=true", PLAIN),
        ("Delete=false", Options(delete=Removing.KEEP)),
        ("Delete=confirm", Options(delete=Removing.CONFIRM)),
        ("Replace=true", PLAIN),
        ("Replace=false", PLAIN),
        ("Force=true", Options(recreate=True)),
        ("SkipDryRunOnMissingResource=true", Options(skip_dry_run=True)),
        ("CreateNamespace=true", Options(create_namespace=True)),
        ("PruneLast=true", Options(prune_last=True)),
        ("ServerSideApply=true", PLAIN),
        ("Prune=false, Replace=true,Force=true", Options(prune=Removing.KEEP, recreate=True)),
    ],
)
def test_argo_cds_sync_options(word: str, expected: Options) -> None:
    assert said(f"{ARGO}sync-options", word) == expected


def test_argo_cds_waves() -> None:
    assert said(f"{ARGO}sync-wave", "5") == Options(wave=5)
    assert said(f"{ARGO}sync-wave", "five") == PLAIN
    assert said(f"{ARGO}sync-wave", "5", **{"trueup.dev/wave": "2"}) == Options(wave=2)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SKIP])
def test_argo_cds_hooks(phase: Phase) -> None:
    options = said(f"{ARGO}hook", phase.value)
    assert options == Options(phases=frozenset({phase}))
    assert options.is_hook
    assert options.is_applied


def test_a_hook_of_several_phases_names_them_all() -> None:
    assert said(f"{ARGO}hook", "PreSync, PostSync").phases == {Phase.PRE_SYNC, Phase.POST_SYNC}


def test_what_is_skipped_is_not_applied() -> None:
    assert not said(f"{ARGO}hook", "Skip").is_applied
    assert said(f"{ARGO}hook", "Skip,Sync").phases == {Phase.SYNC}


def test_argo_cds_delete_policies() -> None:
    assert said(f"{ARGO}hook", "Sync").delete_policies == {BEFORE}
    policies = said(f"{ARGO}hook", "Sync", **{f"{ARGO}hook-delete-policy": "HookSucceeded,HookFailed"}).delete_policies
    assert policies == {DeletePolicy.HOOK_SUCCEEDED, DeletePolicy.HOOK_FAILED}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pre-install", Options(phases=frozenset({Phase.PRE_SYNC}), occasion=Occasion.INSTALL)),
        ("pre-install,pre-upgrade", Options(phases=frozenset({Phase.PRE_SYNC}))),
        ("pre-upgrade", Options(phases=frozenset({Phase.PRE_SYNC}), occasion=Occasion.UPGRADE)),
        ("post-upgrade", Options(phases=frozenset({Phase.POST_SYNC}), occasion=Occasion.UPGRADE)),
        ("post-install,post-upgrade", Options(phases=frozenset({Phase.POST_SYNC}))),
        ("pre-delete", Options(phases=frozenset({Phase.PRE_DELETE}))),
        ("post-delete", Options(phases=frozenset({Phase.POST_DELETE}))),
        ("test", Options(phases=frozenset({Phase.SKIP}))),
        ("post-install,test", Options(phases=frozenset({Phase.POST_SYNC}), occasion=Occasion.INSTALL)),
        ("pre-rollback", Options(phases=frozenset({Phase.SKIP}))),
        ("crd-install", PLAIN),
    ],
)
def test_helms_hooks(word: str, expected: Options) -> None:
    assert said(f"{HELM}hook", word) == expected


def test_a_helm_hooks_weight_and_policy() -> None:
    named = {f"{HELM}hook-weight": "-5", f"{HELM}hook-delete-policy": "hook-succeeded,before-hook-creation,hook-failed"}
    options = said(f"{HELM}hook", "pre-install", **named)
    assert options.wave == -5
    assert options.delete_policies == set(DeletePolicy)


def test_a_weight_without_a_hook_says_nothing() -> None:
    assert said(f"{HELM}hook-weight", "-5") == PLAIN


def test_argo_cds_hook_counts_before_helms() -> None:
    assert said(f"{ARGO}hook", "PostSync", **{f"{HELM}hook": "pre-install"}) == Options(phases=frozenset({Phase.POST_SYNC}))


def test_what_helm_keeps_stays() -> None:
    assert said(f"{HELM}resource-policy", "keep") == Options(prune=Removing.KEEP, delete=Removing.KEEP)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("prune", "disabled", Options(prune=Removing.KEEP, delete=Removing.KEEP)),
        ("prune", "Disabled", Options(prune=Removing.KEEP, delete=Removing.KEEP)),
        ("prune", "enabled", PLAIN),
        ("force", "enabled", Options(recreate=True)),
        ("reconcile", "disabled", Options(merging=Merging.IGNORE)),
        ("ssa", "Merge", Options(merging=Merging.MERGE)),
        ("ssa", "ifNotPresent", Options(merging=Merging.IF_NOT_PRESENT)),
        ("ssa", "Ignore", Options(merging=Merging.IGNORE)),
        ("ssa", "Override", PLAIN),
    ],
)
def test_fluxs_annotations(name: str, value: str, expected: Options) -> None:
    assert said(FLUX + name, value) == expected


def test_what_flux_leaves_alone_is_not_applied() -> None:
    assert not said(f"{FLUX}reconcile", "disabled").is_applied


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trueup.dev/wave", "one"),
        (f"{ARGO}sync-wave", "1.5"),
        (f"{HELM}hook-weight", ""),
        (f"{ARGO}hook", "PreSync,Presync"),
        (f"{ARGO}hook-delete-policy", "HookSuceeded"),
        (f"{HELM}hook", "preinstall"),
        (f"{HELM}hook-delete-policy", "HookFailed"),
    ],
)
def test_what_nobody_would_obey_is_objected_to(name: str, value: str) -> None:
    [objection] = objections_of({"metadata": {"annotations": {name: value}}})
    assert objection.path == ("metadata", "annotations", name)
    assert objection.hint


def test_what_is_understood_is_not_objected_to() -> None:
    annotations = {f"{ARGO}hook": "PreSync, Sync", f"{HELM}hook": "crd-install,test", "trueup.dev/wave": "-1", f"{ARGO}sync-wave": "+1"}
    assert objections_of({"metadata": {"annotations": annotations}}) == []


def managed(manager: str, operation: str, *names: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{name}": {} for name in names}}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def test_a_mark_that_a_hand_put_on_a_live_object_does_not_count() -> None:
    annotations = {f"{FLUX}prune": "disabled", f"{ARGO}sync-options": "Prune=false", "a": "b"}
    entries = [
        managed("trueup", "Apply", "a"),
        managed("kubectl", "Apply", f"{FLUX}prune"),
        managed("trueup", "Update", f"{ARGO}sync-options"),
    ]
    live = {"metadata": {"annotations": annotations, "managedFields": entries}}
    assert declared_annotations(live, "trueup") == {"a": "b"}


def test_a_mark_that_came_from_git_counts() -> None:
    entries = [managed("trueup", "Apply", f"{FLUX}prune", "gone")]
    live = {"metadata": {"annotations": {f"{FLUX}prune": "disabled"}, "managedFields": entries}}
    marks = declared_annotations(live, "trueup")
    assert options_of({"metadata": {"annotations": marks}}).prune is Removing.KEEP


NAMES = st.sampled_from(
    [f"{ARGO}hook", f"{ARGO}sync-wave", f"{ARGO}sync-options", f"{HELM}hook", f"{HELM}hook-weight", f"{FLUX}ssa", "trueup.dev/wave"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, st.text(alphabet="PreSync=false,+-0123456789 \x00é") | ANYTHING) | ANYTHING, ANYTHING)
def test_nothing_that_a_manifest_says_breaks_us(annotations: Any, metadata: Any) -> None:
    for body in ({"metadata": {"annotations": annotations, "managedFields": metadata}}, {"metadata": metadata}):
        options_of(body)
        objections_of(body)
        declared_annotations(body, "trueup")
