"""Kinds as servers tell them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from trueup.runtimes.kubernetes.client.access import Access
from trueup.runtimes.kubernetes.client.connection import Connection
from trueup.runtimes.kubernetes.client.credentials import Fixed, Proof
from trueup.runtimes.kubernetes.client.definitions import kinds_declared
from trueup.runtimes.kubernetes.client.discovery import Discovery
from trueup.runtimes.kubernetes.client.request import Answer, Request, answer_of


class Answering(Connection):
    """Answers from a table, and counts."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(Access("https://example.org", Fixed(Proof())), 1)
        self.answers = answers
        self.asked: list[str] = []

    async def ask(self, request: Request) -> Answer:
        self.asked.append(request.path)
        found = self.answers.get(request.path)
        return answer_of(200 if found else 404, msgspec.json.encode(found or {"code": 404}))


def aggregated(group: str, *versions: str) -> dict[str, Any]:
    kind = {"resource": "widgets", "responseKind": {"kind": "Widget"}, "scope": "Namespaced", "verbs": ["get"]}
    return {"metadata": {"name": group}, "versions": [{"version": version, "resources": [kind]} for version in versions]}


async def test_the_preferred_version_comes_first_and_others_are_found_by_name() -> None:
    discovery = Discovery(Answering({"/apis": {"kind": "APIGroupDiscoveryList", "items": [aggregated("example.org", "v2", "v1")]}}))
    for version, found in (("", "v2"), ("v1", "v1"), ("v3", None)):
        resource = await discovery.find("example.org", "Widget", version)
        assert (resource.version if resource else None) == found


async def test_it_is_asked_once_and_again_when_an_unknown_kind_shows_up() -> None:
    connection = Answering({"/apis": {"kind": "APIGroupDiscoveryList", "items": [aggregated("example.org", "v1")]}})
    discovery = Discovery(connection)
    for _ in range(3):
        assert await discovery.find("example.org", "Widget")
    assert len(connection.asked) == 2
    for _ in range(3):
        assert await discovery.find("example.org", "Gadget") is None
    assert len(connection.asked) == 2
    discovery.forget()
    assert await discovery.find("example.org", "Gadget") is None
    assert len(connection.asked) == 4


async def test_a_server_that_does_not_aggregate_is_understood() -> None:
    pods = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"]}
    groups = {
        "name": "example.org",
        "preferredVersion": {"groupVersion": "example.org/v2"},
        "versions": [{"groupVersion": "example.org/v1"}],
    }
    widgets = {"resources": [{"name": "widgets", "kind": "Widget", "namespaced": False}, {"name": "widgets/status", "kind": "Widget"}]}
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"groupVersion": "v1", "resources": [pods]},
        "/apis": {"kind": "APIGroupList", "groups": [groups]},
        "/apis/example.org/v2": {"groupVersion": "example.org/v2", **widgets},
        "/apis/example.org/v1": {"groupVersion": "example.org/v1", **widgets},
    }
    discovery = Discovery(Answering(answers))
    pod, widget = await discovery.find("", "Pod"), await discovery.find("example.org", "Widget")
    assert pod is not None
    assert widget is not None
    assert pod.path("shop", "web") == "/api/v1/namespaces/shop/pods/web"
    assert (widget.version, widget.path("shop", "web")) == ("v2", "/apis/example.org/v2/widgets/web")


def test_a_definition_makes_its_kinds_before_a_server_serves_them() -> None:
    names = {"kind": "Widget", "plural": "widgets"}
    versions = [{"name": "v1", "served": True}, {"name": "v0", "served": False}]
    spec = {"group": "example.org", "names": names, "scope": "Cluster", "versions": versions}
    bodies: list[dict[str, Any]] = [
        {"kind": "CustomResourceDefinition", "spec": spec},
        {"kind": "CustomResourceDefinition", "spec": "?"},
        {"kind": "ConfigMap"},
    ]
    [(name, resource)] = kinds_declared(bodies).items()
    assert name == ("example.org", "Widget", "v1")
    assert not resource.namespaced
