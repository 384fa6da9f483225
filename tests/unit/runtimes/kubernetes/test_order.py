"""The order of an application, and its reverse."""

from typing import Any

from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.hooks import Phase
from trueup.runtimes.kubernetes.order import Place, hook_waves, in_ranks, places, removals

ARGO = "argocd.argoproj.io/"


def manifest(kind: str, name: str = "x", group: str = "", namespace: str = "", **annotations: str) -> tuple[Key, Body]:
    metadata: dict[str, Any] = {
        "name": name,
        "annotations": {f"{ARGO}{key.replace('_', '-')}": value for key, value in annotations.items()},
    }
    if namespace:
        metadata["namespace"] = namespace
    body = {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": metadata}
    return Key.of(body), body


def definition(kind: str, **annotations: str) -> tuple[Key, Body]:
    key, body = manifest("CustomResourceDefinition", f"{kind.lower()}s.example.com", "apiextensions.k8s.io", **annotations)
    return key, {**body, "spec": {"group": "example.com", "names": {"kind": kind}}}


def waves(*manifests: tuple[Key, Body]) -> dict[str, int]:
    return {str(key): place.wave for key, place in places(dict(manifests)).items()}


def ranks(*kinds: str, reverse: bool = False) -> list[list[str]]:
    return [[key.kind for key in group] for group in in_ranks([Key.parse(f"{kind}/x") for kind in kinds], lambda key: key, reverse)]


def test_kinds_come_in_the_order_of_what_needs_what() -> None:
    kinds = [
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        "Widget.example.com",
        "Deployment.apps",
        "Service",
        "Secret",
        "RoleBinding.rbac.authorization.k8s.io",
        "ServiceAccount",
        "ResourceQuota",
        "StorageClass.storage.k8s.io",
        "CustomResourceDefinition.apiextensions.k8s.io",
        "Namespace",
    ]
    assert ranks(*kinds) == [[kind.partition(".")[0]] for kind in reversed(kinds)]
    assert ranks(*reversed(kinds), reverse=True) == [[kind.partition(".")[0]] for kind in kinds]


def test_what_does_not_need_each_other_is_written_side_by_side() -> None:
    assert ranks("Secret", "ConfigMap", "StatefulSet.apps", "Deployment.apps", "Pod") == [
        ["Secret", "ConfigMap"],
        ["StatefulSet", "Deployment", "Pod"],
    ]


def test_a_kind_of_another_group_has_no_rank_of_ours() -> None:
    assert ranks("Service.serving.knative.dev", "Deployment.apps") == [["Deployment"], ["Service"]]


def test_every_kind_that_ends_in_class_comes_early() -> None:
    assert ranks("ConfigMap", "GatewayClass.gateway.networking.k8s.io") == [["GatewayClass"], ["ConfigMap"]]


def test_waves_keep_their_numbers() -> None:
    assert waves(manifest("ConfigMap", "a", sync_wave="-2"), manifest("ConfigMap", "b"), manifest("ConfigMap", "c", sync_wave="7")) == {
        "ConfigMap/a": -2,
        "ConfigMap/b": 0,
        "ConfigMap/c": 7,
    }


def test_the_rest_of_a_wave_comes_after_what_it_needs() -> None:
    role = manifest("ClusterRole", "r", "rbac.authorization.k8s.io")
    found = places(
        dict(
            [
                manifest("Namespace", "shop"),
                definition("Widget"),
                role,
                manifest("ConfigMap", "a"),
                manifest("ConfigMap", "b", sync_wave="1"),
            ]
        )
    )
    first = (Key.parse("Namespace/shop"), Key.parse("CustomResourceDefinition.apiextensions.k8s.io/widgets.example.com"), role[0])
    assert found == {**{key: Place(0) for key in first}, Key.parse("ConfigMap/a"): Place(0, first), Key.parse("ConfigMap/b"): Place(1)}


def test_a_namespace_comes_with_the_first_that_is_in_it() -> None:
    found = waves(
        manifest("Namespace", "shop", sync_wave="3"), manifest("Namespace", "other"), manifest("Secret", "s", "", "shop", sync_wave="-5")
    )
    assert found == {"Namespace/shop": -5, "Namespace/other": 0, "Secret/shop/s": -5}


def test_a_definition_comes_with_the_first_of_its_kind() -> None:
    found = waves(definition("Widget", sync_wave="1"), definition("Gadget"), manifest("Widget", "w", "example.com", sync_wave="-1"))
    assert list(found.values()) == [-1, 0, -1]


def test_a_namespace_that_nobody_needs_early_keeps_its_wave() -> None:
    assert waves(manifest("Namespace", "shop", sync_wave="-9"), manifest("Secret", "s", "", "shop"))["Namespace/shop"] == -9


def test_hooks_stand_around_the_waves() -> None:
    found = waves(
        manifest("Job", "late", "batch", hook="PostSync", sync_wave="4"),
        manifest("Job", "later", "batch", hook="PostSync", sync_wave="5"),
        manifest("Job", "early", "batch", hook="PreSync", sync_wave="9"),
        manifest("Job", "earlier", "batch", hook="PreSync,PostSync", sync_wave="-9"),
        manifest("Job", "beside", "batch", hook="Sync", sync_wave="1"),
        manifest("ConfigMap", "a", sync_wave="-3"),
        manifest("ConfigMap", "b", sync_wave="3"),
    )
    assert {key.rpartition("/")[2]: wave for key, wave in found.items()} == {
        "earlier": -5,
        "early": -4,
        "a": -3,
        "beside": 1,
        "b": 3,
        "late": 4,
        "later": 5,
    }


def test_a_hook_that_runs_first_finds_its_namespace() -> None:
    found = places(
        dict([manifest("Job", "early", "batch", "shop", hook="PreSync"), manifest("Namespace", "shop"), manifest("ConfigMap", "a")])
    )
    assert found[Key.parse("Namespace/shop")] == Place(-1)
    assert found[Key.parse("Job.batch/shop/early")] == Place(-1, (Key.parse("Namespace/shop"),))
    assert found[Key.parse("ConfigMap/a")] == Place(0)


def test_what_has_no_place_in_a_sync_is_left_out() -> None:
    hooks = [manifest("Job", hook, "batch", hook=hook) for hook in ("SyncFail", "PreDelete", "PostDelete", "Skip")]
    assert waves(*hooks, manifest("ConfigMap", "a")) == {"ConfigMap/a": 0}


def test_hooks_of_one_phase_stand_in_the_order_of_their_waves() -> None:
    bodies = dict(
        [
            manifest("Job", "late", "batch", hook="PreDelete", sync_wave="7"),
            manifest("Job", "early", "batch", hook="PreDelete,PostDelete", sync_wave="-2"),
            manifest("Job", "behind", "batch", hook="PostDelete"),
            manifest("ConfigMap", "a"),
        ]
    )
    assert {key.name: wave for key, wave in hook_waves(bodies, Phase.PRE_DELETE, 4).items()} == {"early": 4, "late": 5}


def test_what_goes_goes_in_reverse() -> None:
    gone = dict(
        [
            manifest("Namespace", "shop"),
            manifest("Secret", "s", "", "shop", sync_wave="-5"),
            manifest("ConfigMap", "a"),
            manifest("ConfigMap", "b", sync_wave="2"),
            manifest("Job", "j", "batch", hook="PostSync"),
        ]
    )
    found = removals(gone, made=[0, 3])
    assert [str(key) for key in sorted(found, key=lambda key: found[key])] == [
        "Job.batch/j",
        "ConfigMap/b",
        "ConfigMap/a",
        "Secret/shop/s",
        "Namespace/shop",
    ]
    assert sorted(found.values()) == [4, 5, 6, 7, 8]


def test_what_asks_for_it_is_pruned_last() -> None:
    found = removals(
        dict([manifest("ConfigMap", "a", sync_options="PruneLast=true", sync_wave="5"), manifest("Namespace", "shop")]), made=[]
    )
    assert found == {Key.parse("Namespace/shop"): 0, Key.parse("ConfigMap/a"): 1}


def test_a_definition_goes_after_its_objects() -> None:
    found = removals(dict([definition("Widget"), manifest("Widget", "w", "example.com")]), made=[])
    assert list(found.values()) == [1, 0]
