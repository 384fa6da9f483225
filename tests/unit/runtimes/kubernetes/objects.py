"""Objects as a server gives them, for tests of what is pure."""

from typing import Any

from trueup.model.application import Application, ApplicationSpec, Policy
from trueup.model.contracts import Desired, Owner
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import Marks
from trueup.runtimes.kubernetes.wanted import Wanted
from trueup.testing import FolderTree

REPOSITORY = "https://git.example.org/estate#main"
OWNER = Owner(REPOSITORY, "shop")
MARKS = Marks(OWNER, "trueup")
PLAIN = Policy()
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True, frozenset())


def managed(manager: str, fields: dict[str, Any], operation: str = "Update", **more: str) -> dict[str, Any]:
    """An entry of ``managedFields``."""
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def config_map(data: dict[str, Any], **metadata: Any) -> Body:
    """A ConfigMap in the namespace shop."""
    named = {"name": "page", "namespace": "shop", "uid": "u1", "resourceVersion": "7", **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": data}


def marked(body: Body, revision: str = "1" * 40) -> Body:
    """The same, carrying our marks."""
    metadata = {**body["metadata"], "labels": MARKS.labels, "annotations": MARKS.annotations(body, revision)}
    return {**body, "metadata": metadata}


def wanted(body: Body, **more: Any) -> Wanted:
    """What Git wants, at line 3 of shop/page.yaml."""
    return Wanted(Key.of(body), body, Manifest(Key.of(body), body, Origin("shop/page.yaml", 3)), CONFIG_MAPS, MARKS, **more)


def desired(policy: Policy = PLAIN, removed: bool = False) -> Desired:
    """The application shop."""
    application = Application(REPOSITORY, "shop", ApplicationSpec(target="cluster", policy=policy), "shop/trueup.yaml", 1)
    return Desired(application, "1" * 40, (), FolderTree({}), removed)


def live(body: Body) -> LiveObject:
    """As the server gave it."""
    return LiveObject(body)
