"""A namespace of a real cluster to test on, reached through a gate that can be shut."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

from tests.testbed.kubernetes.cluster import Cluster
from tests.testbed.kubernetes.gate import Gate
from trueup.model.application import Ignore
from trueup.model.contracts import Owner, Place, Runtime
from trueup.model.errors import SettingsError
from trueup.model.manifest import Body, Key
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes import kubernetes
from trueup.testing import Ground, Thing, World

PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services"}
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmission"
MARKS = ("applyset.kubernetes.io/", "trueup.dev/")


class KubernetesGround(Ground):
    """Two ConfigMaps and a Service."""

    kind = kubernetes
    cluster: ClassVar[Cluster]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.name = _name(folder)
        self.gate = Gate(self.cluster.url)
        self._opened = False
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}
        self.cluster.request("POST", "/api/v1/namespaces", body)

    def bodies(self, version: int, prefix: str) -> list[Body]:
        """The first one's data is the version, beside what a hand changes."""
        service = {"selector": {"app": prefix}, "ports": [{"port": 80}]}
        return [
            self._body("ConfigMap", f"{prefix}-page", data={"colour": "red", "version": str(version)}),
            self._body("ConfigMap", f"{prefix}-settings", data={"colour": "red"}),
            self._body("Service", f"{prefix}-web", spec=service),
        ]

    def secret_bodies(self, secret: Secret, prefix: str) -> list[Body]:
        """A Secret in both of the forms that one can have, and one whose value is base64."""
        encoded = Secret(base64.b64encode(secret.reveal().encode()).decode(), secret.identity)
        return [
            self._body("Secret", prefix, stringData={"password": secret}, data={"again": encoded}),
            self._body("ConfigMap", f"{prefix}-page", data={"colour": "red"}),
        ]

    def refused_body(self, prefix: str) -> Body:
        """A ConfigMap that a policy of the cluster takes in a dry run only."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"], "resourceNames": [prefix]}
        validation = {"expression": "has(request.dryRun) && request.dryRun", "message": "not today"}
        here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.name}}}
        policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
        binding = {"policyName": self.name, "validationActions": ["Deny"], "matchResources": here}
        for kind, specification in (("policies", policy), ("policybindings", binding)):
            body = {"metadata": {"name": self.name}, "spec": specification}
            status, answer = self.cluster.request("POST", f"{POLICIES}{kind}", body)
            assert status == 201, answer
        refused = self._body("ConfigMap", prefix, data={"colour": "red"})
        path = self.path(Key.of(refused))
        # It takes the server a moment to know its own policy.
        while self.cluster.request("POST", path.rpartition("/")[0], refused)[0] == 201:
            assert self.cluster.request("DELETE", path)[0] == 200
            time.sleep(0.1)
        return refused

    @classmethod
    def clear(cls, folder: Path) -> None:
        """The policy is the whole cluster's."""
        for kind in ("policybindings", "policies"):
            cls.cluster.request("DELETE", f"{POLICIES}{kind}/{_name(folder)}")

    def ignore(self, key: Key) -> Ignore:
        """The field that ``tamper`` changes."""
        return Ignore(key=str(key), field="data.colour")

    async def tamper(self, owner: Owner, key: Key) -> None:
        """Another colour."""
        self.patch(key, {"data": {"colour": "blue"}})

    async def remove(self, owner: Owner, key: Key) -> None:
        """Delete it."""
        assert self.cluster.request("DELETE", self.path(key))[0] == 200

    async def plant(self, owner: Owner, body: Body) -> None:
        """Make it, as `kubectl create` does."""
        key = Key.of(body)
        path = f"{self.path(key).rpartition('/')[0]}?fieldManager=kubectl-create"
        assert self.cluster.request("POST", path, body)[0] == 201

    async def expose(self, owner: Owner, key: Key, value: str) -> None:
        """Another password, and kubectl's note of it."""
        encoded = base64.b64encode(value.encode()).decode()
        note = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"stringData": {"password": value}})}
        self.patch(key, {"data": {"password": encoded}, "metadata": {"annotations": note}})

    def unreachable(self) -> AbstractAsyncContextManager[None]:
        """Shut the gate."""
        return self.gate.closed()

    async def world(self) -> World:
        """What is in the namespace, without what the server and we keep to ourselves."""
        return {key: Thing(body["metadata"]["uid"], _content(body)) for key, body in self._all().items()}

    def options(self) -> dict[str, object]:
        """Records in a namespace of this test's own, which is not there at first."""
        return {"namespace": f"{self.name}-records"}

    def place(self) -> Place:
        """The operator names the kubeconfig that leads through the gate."""
        return Place(self.folder / "state", _no_secret, {"kubeconfig": str(self.folder / "kubeconfig")})

    async def open(self) -> Runtime:
        """Open the gate first."""
        if not self._opened:
            self._opened = True
            await self.gate.open()
            self.gate.kubeconfig(self.cluster.kubeconfig, self.folder / "kubeconfig")
        return await super().open()

    def patch(self, key: Key, change: Mapping[str, Any], manager: str = "kubectl-edit") -> None:
        """A hand with kubectl."""
        path = f"{self.path(key)}?fieldManager={manager}"
        status, answer = self.cluster.request("PATCH", path, change, "application/merge-patch+json")
        assert status == 200, answer

    def path(self, key: Key) -> str:
        """Where an object is."""
        return f"/api/v1/namespaces/{self.name}/{PLURALS[key.kind]}/{key.name}"

    def _body(self, kind: str, name: str, **fields: object) -> Body:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self.name}, **fields}

    def _all(self) -> dict[Key, Body]:
        found = {}
        for kind, plural in PLURALS.items():
            for each in self.cluster.get(f"/api/v1/namespaces/{self.name}/{plural}")["items"]:
                body = {**each, "apiVersion": "v1", "kind": kind}
                if body["metadata"]["name"] != "kube-root-ca.crt":
                    found[Key.of(body)] = body
        return found


def _name(folder: Path) -> str:
    return "contract-" + hashlib.sha256(str(folder).encode()).hexdigest()[:10]


def _content(body: Body) -> object:
    named = body["metadata"]
    kept = {
        part: {name: value for name, value in named.get(part, {}).items() if not name.startswith(MARKS)}
        for part in ("labels", "annotations")
    }
    return {
        **{name: value for name, value in body.items() if name not in ("metadata", "status")},
        "metadata": {"name": named["name"], **kept},
    }


def _no_secret(name: str) -> Secret:
    raise SettingsError(f"no secret is named {name}", hint="set it in the settings")
