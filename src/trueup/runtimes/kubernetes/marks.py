"""How it is written at an object, and at the parent of a set, whose it is. The ApplySet specification, and a little of our own."""

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trueup.model.contracts import Owner
from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.builtin import group_of

PART_OF: Final = "applyset.kubernetes.io/part-of"
SET_ID: Final = "applyset.kubernetes.io/id"
TOOLING: Final = "applyset.kubernetes.io/tooling"
GROUP_KINDS: Final = "applyset.kubernetes.io/contains-group-kinds"
ADDITIONAL_NAMESPACES: Final = "applyset.kubernetes.io/additional-namespaces"

OWNER: Final = "trueup.dev/owner"
OBJECT: Final = "trueup.dev/object"
REVISION: Final = "trueup.dev/revision"
RUN: Final = "trueup.dev/run"


@functools.lru_cache(1024)
def repository_label(repository: str) -> str:
    """A short digest of a repository's identity: the value of the label that a watch selects by."""
    return hashlib.sha256(repository.encode()).hexdigest()[:10]


def mapping(value: object) -> dict[str, Any]:
    """The value when it is a mapping, else an empty one: an object may come from anybody."""
    return value if isinstance(value, dict) else {}


def metadata(body: Body) -> dict[str, Any]:
    """The metadata of an object."""
    return mapping(body.get("metadata"))


def labels(body: Body) -> dict[str, Any]:
    """The labels of an object."""
    return mapping(metadata(body).get("labels"))


def annotations(body: Body) -> dict[str, Any]:
    """The annotations of an object."""
    return mapping(metadata(body).get("annotations"))


def key_of(body: Body) -> Key:
    """The key of an object as a server gives it."""
    named = metadata(body)
    return Key(str(body["kind"]), str(named["name"]), group_of(body), str(named.get("namespace") or ""))


@dataclass(frozen=True, slots=True)
class Marks:
    """What is written at every object of one application, and where its parent is."""

    owner: Owner
    own_namespace: str

    @property
    def parent(self) -> str:
        """The name of the parent ConfigMap."""
        return f"trueup-{self.owner.application}-{repository_label(self.owner.repository)}"

    @property
    def parent_key(self) -> Key:
        """The key of the parent."""
        return Key("ConfigMap", self.parent, "", self.own_namespace)

    @property
    def id(self) -> str:
        """The id of the set, as kubectl computes it from its parent: name, namespace, kind and group."""
        return _set_id(self.parent, self.own_namespace)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every member."""
        return {PART_OF: self.id, OWNER: repository_label(self.owner.repository)}

    def annotations(self, body: Body, revision: str) -> dict[str, str]:
        """The annotations of a member: whose it is, by its own name, and the commit at which it was written."""
        return {OBJECT: f"{self.owner.repository}/{self.owner.application}:{_self(body)}", REVISION: revision}

    def names(self, body: Body) -> bool:
        """Whether the annotation at an object says that this very object is ours. Controllers copy labels, and even annotations."""
        return owner_in(body) == self.owner

    def holds(self, body: Body) -> bool:
        """Whether an object may be pruned as ours: both labels, the annotation that names it, and no controller that owns it."""
        return self.names(body) and not has_controller(body) and self.labels.items() <= labels(body).items()

    def claims(self, body: Body) -> bool:
        """Whether an object is ours as far as being written to goes: one mark that a hand took off is put back."""
        return self.names(body) or (OBJECT not in annotations(body) and self.labels.items() <= labels(body).items())


@functools.lru_cache(1024)
def _set_id(parent: str, namespace: str) -> str:
    digest = hashlib.sha256(f"{parent}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def owner_in(body: Body) -> Owner | None:
    """Whose an object is, by the annotation that names it; None when none does."""
    text = annotations(body).get(OBJECT)
    own = f":{_self(body)}"
    if not isinstance(text, str) or not text.endswith(own):
        return None
    repository, _, application = text.removesuffix(own).rpartition("/")
    return Owner(repository, application) if repository and application else None


def has_controller(body: Body) -> bool:
    """Whether a controller made the object, so that it is nobody else's to delete."""
    references = metadata(body).get("ownerReferences") or ()
    return any(isinstance(each, Mapping) and each.get("controller") for each in references)


def _self(body: Body) -> str:
    named = metadata(body)
    return f"{group_of(body)}/{body.get('kind')}/{named.get('namespace') or ''}/{named.get('name')}"
