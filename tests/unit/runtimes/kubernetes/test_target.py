"""What a target may name."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from trueup.model.application import Target, TargetSpec
from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes import kubernetes
from trueup.runtimes.kubernetes.target import Specification


def permitted(options: Mapping[str, object], allowed: Mapping[str, object]) -> None:
    target = Target("r#main", "prod", TargetSpec(runtime="kubernetes", **options), "targets/trueup.yaml", 4)
    kubernetes.permitted(target, Place(Path("/nowhere"), lambda name: Secret("", name), allowed))


def test_without_settings_only_the_current_context_may_be_used() -> None:
    permitted({}, {})
    with pytest.raises(SettingsError, match="may not use the context prod") as told:
        permitted({"context": "prod"}, {})
    assert told.value.where == "targets/trueup.yaml:4"


def test_named_contexts_may_be_used_and_no_others() -> None:
    permitted({"context": "prod-eu"}, {"contexts": ["prod-*"]})
    for context in ("", "staging"):
        with pytest.raises(SettingsError, match="may not use the context"):
            permitted({"context": context}, {"contexts": ["prod-*"]})


def test_a_server_needs_the_operators_word() -> None:
    with pytest.raises(SettingsError, match="may not use the server"):
        permitted({"server": "https://example.org"}, {})
    permitted({"server": "https://example.org"}, {"servers": ["https://example.org"]})


def test_where_rights_are_bound_a_target_without_an_account_is_refused() -> None:
    allowed = {"impersonate": ["tenants:*"]}
    permitted({"impersonate": "tenants:{application}"}, allowed)
    for account in ("", "kube-system:admin"):
        with pytest.raises(SettingsError, match="may not use the rights of"):
            permitted({"impersonate": account} if account else {}, allowed)


@pytest.mark.parametrize("account", ["deployer", "a:b:c", "{other}:x", ":x", "system:serviceaccount:a:b"])
def test_an_account_is_a_namespace_and_a_name(account: str) -> None:
    with pytest.raises(ValidationError):
        Specification(impersonate=account)


def test_settings_that_nobody_knows_are_told() -> None:
    with pytest.raises(SettingsError, match="`context` is not known"):
        permitted({}, {"context": "x"})


def test_built_in_kinds_are_known_to_be_in_a_namespace_or_not() -> None:
    assert kubernetes.namespaced({"apiVersion": "apps/v1", "kind": "Deployment"})
    assert kubernetes.namespaced({"apiVersion": "example.org/v1", "kind": "Namespace"})
    assert not kubernetes.namespaced({"apiVersion": "v1", "kind": "Namespace"})
    assert not kubernetes.namespaced({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"})


def test_every_value_of_a_secret_is_secret() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}, "stringData": {"b": "y"}}
    assert kubernetes.secrets(body) == [("data", "a"), ("stringData", "b")]
    assert kubernetes.secrets({**body, "kind": "ConfigMap"}) == []
