"""One application in a namespace of its own on a real cluster, the runtime that keeps it, and hands that reach in past the runtime."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.testbed.kubernetes.cluster import Cluster
from trueup.model.application import Application, ApplicationSpec, Target, TargetSpec
from trueup.model.contracts import Desired, Owner, Place
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.model.plan import Action, Plan, Verb
from trueup.model.run import Outcome
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes import kubernetes
from trueup.runtimes.kubernetes.runtime import KubernetesRuntime
from trueup.testing import FolderTree, carry_out


class Shop:
    """The application `shop` on a target."""

    def __init__(self, cluster: Cluster, folder: Path, namespace: str) -> None:
        self.cluster = cluster
        self.folder = folder
        self.namespace = namespace
        self.options: dict[str, Any] = {"namespace": f"{namespace}-records"}
        self.allowed: dict[str, Any] = {"kubeconfig": str(cluster.kubeconfig)}
        self.secrets: dict[str, str] = {}
        self.repository = f"https://git.example.org/{namespace}#main"
        self.owner = Owner(self.repository, "shop")
        self.runtime: KubernetesRuntime

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[KubernetesRuntime]:
        """The runtime, freshly opened."""
        target = Target(self.repository, "cluster", TargetSpec(runtime="kubernetes", **self.options), "targets/trueup.yaml")
        runtime = await kubernetes.open(target, Place(self.folder / "state", lambda name: Secret(self.secrets[name], name), self.allowed))
        assert isinstance(runtime, KubernetesRuntime)
        self.runtime = runtime
        try:
            yield runtime
        finally:
            await runtime.close()

    def desired(self, *bodies: Body, revision: str = "1" * 40, name: str = "shop", **spec: Any) -> Desired:
        """What Git says, one object to each ten lines of shop/objects.yaml."""
        application = Application(self.repository, name, ApplicationSpec(target="cluster", **spec), f"{name}/trueup.yaml", 1)
        manifests = [self._manifest(body, name, 10 * number + 1) for number, body in enumerate(bodies)]
        return Desired(application, revision, tuple(manifests), FolderTree({}), run="0" * 20)

    async def plan(self, desired: Desired) -> Plan:
        """What would change."""
        return await self.runtime.plan(desired)

    async def walk(self, desired: Desired) -> list[Outcome]:
        """Plan, and carry the plan out."""
        return await carry_out(self.runtime, desired, await self.runtime.plan(desired))

    async def make(self, desired: Desired) -> list[Outcome]:
        """Walk, and everything is done."""
        outcomes = await self.walk(desired)
        failed = [(str(each.key), each.message) for each in outcomes if each.state != "done"]
        assert failed == [], failed
        return outcomes

    async def changes(self, desired: Desired) -> dict[str, Verb]:
        """What would change, by key."""
        return {str(action.key): action.verb for action in (await self.plan(desired)).changes}

    async def action(self, desired: Desired) -> Action:
        """The only action of a plan."""
        [action] = (await self.plan(desired)).actions
        return action

    # ------------------------------------------------------------------ objects

    def config_map(self, name: str, data: Mapping[str, str] | None = None, **metadata: Any) -> Body:
        """A ConfigMap."""
        return self.body("v1", "ConfigMap", name, {"data": dict(data or {"colour": "red"})}, **metadata)

    def deployment(self, name: str, image: str = "shop/web", **spec: Any) -> Body:
        """A Deployment of one container."""
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": image}]}}
        fields = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
        return self.body("apps/v1", "Deployment", name, {"spec": fields})

    def body(self, version: str, kind: str, name: str, fields: Mapping[str, Any], **metadata: Any) -> Body:
        """An object in our namespace; `namespace=None` for one in none."""
        named = {"name": name, "namespace": self.namespace, **metadata}
        return {"apiVersion": version, "kind": kind, "metadata": {name: each for name, each in named.items() if each is not None}, **fields}

    # ------------------------------------------------------------------ hands

    def kubectl(self, *arguments: str, given: object = None) -> str:
        """What kubectl prints, in our namespace."""
        return self.cluster.kubectl("-n", self.namespace, *arguments, input=json.dumps(given) if given is not None else "")

    def get(self, plural: str, name: str) -> dict[str, Any]:
        """An object as it is."""
        found: dict[str, Any] = self.cluster.get(f"{self.path(plural)}/{name}")
        return found

    def names(self, plural: str) -> list[str]:
        """The names of all objects of a kind, but the one that every namespace has."""
        listed = [each["metadata"]["name"] for each in self.cluster.get(self.path(plural))["items"]]
        return sorted(name for name in listed if name != "kube-root-ca.crt")

    def patch(self, plural: str, name: str, change: Mapping[str, Any], manager: str = "kubectl-edit") -> None:
        """A hand changes an object, as kubectl does."""
        path = f"{self.path(plural)}/{name}?fieldManager={manager}"
        status, answer = self.cluster.request("PATCH", path, change, "application/merge-patch+json")
        assert status == 200, answer

    def delete(self, plural: str, name: str) -> None:
        """A hand deletes an object."""
        status, answer = self.cluster.request("DELETE", f"{self.path(plural)}/{name}")
        assert status in (200, 202), answer

    def path(self, plural: str, namespace: str = "") -> str:
        """Where objects are: `configmaps`, `deployments.apps/v1`."""
        name, _, group = plural.partition(".")
        return f"/{f'apis/{group}' if group else 'api/v1'}/namespaces/{namespace or self.namespace}/{name}"

    def parent(self) -> dict[str, Any]:
        """The parent of the application's set."""
        [parent] = self.parents()
        return parent

    def parents(self) -> list[dict[str, Any]]:
        """All parents in our own namespace."""
        path = self.path("configmaps", self.options["namespace"]) + "?labelSelector=applyset.kubernetes.io/id"
        return list(self.cluster.get(path)["items"])

    def _manifest(self, body: Body, name: str, line: int) -> Manifest:
        wave = int(body["metadata"].get("annotations", {}).get("trueup.dev/wave", 0))
        for steps in kubernetes.secrets(body):
            body = {**body, steps[0]: {**body[steps[0]], steps[1]: Secret(str(body[steps[0]][steps[1]]), f"file {line} {steps[1]}")}}
        return Manifest(Key.of(body), body, Origin(f"{name}/objects.yaml", line, "1" * 40), wave)


def states(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """What became of each object."""
    return {str(outcome.key): outcome.state for outcome in outcomes}
