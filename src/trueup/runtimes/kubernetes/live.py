"""An object as it is in the cluster, and the part of it that a plan compares."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from trueup.model.manifest import Body, Key
from trueup.runtimes.kubernetes.fields import Fields, Managed, managers, our_fields
from trueup.runtimes.kubernetes.marks import REVISION, annotations, key_of, metadata

# What the server keeps by itself. Nobody declares it, and status writes move it all the time.
SERVER_KEPT: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


@dataclass(frozen=True)
class LiveObject:
    """An object as the server gave it."""

    body: Body

    @cached_property
    def key(self) -> Key:
        """Its key."""
        return key_of(self.body)

    @property
    def uid(self) -> str:
        """Its identity: another one when it was made anew."""
        return str(metadata(self.body).get("uid", ""))

    @property
    def resource_version(self) -> str:
        """The server's lock: moves with every write, also of the status."""
        return str(metadata(self.body).get("resourceVersion", ""))

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return bool(metadata(self.body).get("deletionTimestamp"))

    @property
    def revision(self) -> str:
        """The commit at which we wrote it last."""
        return str(annotations(self.body).get(REVISION, ""))

    @property
    def version(self) -> str:
        """Names what we wrote last: its identity, and the commit."""
        return f"{self.uid}/{self.revision}"

    @cached_property
    def managers(self) -> list[Managed]:
        """Who owns which fields."""
        return managers(self.body)

    @property
    def applied_as(self) -> str:
        """The version of its kind in which we applied it last; empty when we never did."""
        return next((each.api_version for each in self.managers if each.ours), "")

    @cached_property
    def ours(self) -> Fields:
        """The fields that we own."""
        return our_fields(self.body)

    @cached_property
    def seen(self) -> list[tuple[object, object, str]]:
        """What ``comparing.seen_of`` said of it last, and to whom: a plan asks several times."""
        return []


def comparable(body: Body) -> dict[str, Any]:
    """The object without its status, what the server keeps, and the commit at which we wrote it, which is no reason to write."""
    named = {name: value for name, value in metadata(body).items() if name not in SERVER_KEPT}
    if REVISION in annotations(body):
        named["annotations"] = {name: value for name, value in annotations(body).items() if name != REVISION}
    return {**{name: value for name, value in body.items() if name != "status"}, "metadata": named}
