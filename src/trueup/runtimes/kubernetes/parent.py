"""The parent of an application's set: a ConfigMap that says which kinds and namespaces its members are in, and what was last declared."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Final

from pydantic import ValidationError

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.errors import Refused
from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import (
    ADDITIONAL_NAMESPACES,
    GROUP_KINDS,
    OWNER,
    SET_ID,
    TOOLING,
    Marks,
    annotations,
    mapping,
    repository_label,
)

CONFIG_MAPS: Final = Resource("", "v1", "ConfigMap", "configmaps", True, frozenset())
NAMESPACES: Final = Resource("", "v1", "Namespace", "namespaces", False, frozenset())
_TOOL: Final = "trueup"
_DEPARTS: Final = "deletion"
# A set may always have members beside its parent, and an ApplySet does not say whether it has; who looks for them wants to know.
_HERE: Final = "membersHere"


@dataclass(frozen=True, slots=True)
class Parent:
    """What stands at the target of one application. ``kinds`` are ``Kind.group``, ``namespaces`` those of namespaced members.

    ``synced`` is the commit up to which its hooks ran; empty where it has none, or they never did. ``departs`` is true when it has hooks of
    a deletion, which only Git can tell then.
    """

    marks: Marks
    revision: str = ""
    policy: Policy = field(default_factory=Policy)
    kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    synced: str = ""
    departs: bool = False

    @classmethod
    def read(cls, live: LiveObject) -> "Parent | None":
        """What a ConfigMap says; None when it is not the parent of an application of ours. Raises Refused when another tool keeps it."""
        data = mapping(live.body.get("data"))
        owner = Owner(str(data.get("repository", "")), str(data.get("application", "")))
        marks = Marks(owner, live.key.namespace)
        if live.key.name != marks.parent:
            return None
        said = annotations(live.body)
        _check_tool(live, str(said.get(TOOLING, "")))
        here = {live.key.namespace} if data.get(_HERE) else set[str]()
        namespaces = _listed(said.get(ADDITIONAL_NAMESPACES)) | here
        revision, synced = str(data.get("revision", "")), str(data.get("synced", ""))
        kinds, departs = _listed(said.get(GROUP_KINDS)), data.get("hooks") == _DEPARTS
        return cls(marks, revision, _policy(data.get("policy")), kinds, namespaces, synced, departs)

    def holding(self, keys: Iterable[Key]) -> "Parent":
        """The same with these objects among its members."""
        kinds, namespaces = (
            self.kinds | {group_kind(key) for key in keys},
            self.namespaces | {key.namespace for key in keys if key.namespace},
        )
        return replace(self, kinds=kinds, namespaces=namespaces)

    @property
    def body(self) -> Body:
        """The ConfigMap."""
        owner = self.marks.owner
        said = {TOOLING: _tooling(), GROUP_KINDS: ",".join(sorted(self.kinds))}
        others = sorted(self.namespaces - {self.marks.own_namespace})
        data = {"repository": owner.repository, "application": owner.application, "revision": self.revision}
        policy = self.policy.model_dump_json(by_alias=True, exclude_defaults=True)
        here = {_HERE: "true"} if self.marks.own_namespace in self.namespaces else {}
        hooks = {**({"synced": self.synced} if self.synced else {}), **({"hooks": _DEPARTS} if self.departs else {})}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.marks.parent,
                "namespace": self.marks.own_namespace,
                "labels": {SET_ID: self.marks.id, OWNER: repository_label(owner.repository)},
                "annotations": {**said, ADDITIONAL_NAMESPACES: ",".join(others)},
            },
            "data": {**data, "policy": policy, **here, **hooks},
        }


@functools.cache
def _tooling() -> str:
    """Read from files once: every write of a parent names it."""
    return f"{_TOOL}/v{version('trueup')}"


def group_kind(key: Key) -> str:
    """``Kind.group``, as an ApplySet writes it."""
    return f"{key.kind}.{key.group}" if key.group else key.kind


def _check_tool(live: LiveObject, tooling: str) -> None:
    if tooling.partition("/")[0] != _TOOL:
        message = f"the set {live.key} is kept by {tooling or 'nobody knows whom'}, not by Trueup"
        raise Refused(
            message, key=str(live.key), hint="delete that ConfigMap when its tool is gone, or name another `namespace` in the target"
        )


def _listed(text: object) -> frozenset[str]:
    return frozenset(each for each in str(text or "").split(",") if each)


def _policy(text: object) -> Policy:
    try:
        return Policy.model_validate_json(str(text))
    except ValidationError:
        return Policy()
