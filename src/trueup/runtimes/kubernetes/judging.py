"""How well an object does, and why it does not, from itself and from what belongs to it."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Body, Key, Manifest
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.concealing import masked
from trueup.runtimes.kubernetes.fields import paths
from trueup.runtimes.kubernetes.health import Rules, ended_in, health_of, line, reason_of
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.logs import Source, last_line, pods_of
from trueup.runtimes.kubernetes.marks import REVISION, annotations, mapping, metadata
from trueup.runtimes.kubernetes.paths import below

_EVENTS: Final = Resource("", "v1", "Event", "events", True, frozenset())
_REPLICA_SETS: Final = Resource("apps", "v1", "ReplicaSet", "replicasets", True, frozenset())
_WORKLOADS: Final = frozenset(
    {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("apps", "ReplicaSet"), ("batch", "Job")}
)
# What only takes its time needs no reason; what takes longer is asked now and then.
_SOON_SECONDS: Final = 10.0
_REVISION_PATH: Final = below("metadata.annotations", REVISION)


class Judge:
    """Judges the objects of one cluster."""

    def __init__(self, cluster: Cluster, rules: Rules) -> None:
        self._cluster = cluster
        self._rules = rules
        self._progressing: dict[Key, float] = {}
        self._reasons: dict[Key, tuple[float, str]] = {}

    def state(self, body: Body) -> State:
        """The state alone."""
        return health_of(body, self._rules).state

    async def health(self, key: Key, live: LiveObject | None, version: str, wanted: Iterable[Manifest] = ()) -> Health:
        """The health of an object of that very version (empty: of whatever is there). No secret of what Git wants is in its words."""
        if live is None:
            return Health(State.MISSING, "it is not there")
        if version and not is_version(live, version):
            return Health(State.UNKNOWN, "another version was written since")
        health = health_of(live.body, self._rules)
        if (key.group, key.kind) not in _WORKLOADS or health.state not in (State.DEGRADED, State.PROGRESSING):
            self._progressing.pop(key, None)
            return health
        reason = masked(await self._reason(live, health.state, wanted), wanted)
        return Health(health.state, "; ".join(each for each in (health.message, reason) if each))

    async def _reason(self, live: LiveObject, state: State, wanted: Iterable[Manifest]) -> str:
        """Why a workload is not well: what its pods and events say."""
        key, now = live.key, time.monotonic()
        since = self._progressing.setdefault(key, now)
        asked, reason = self._reasons.get(key, (0.0, ""))
        if (state is State.PROGRESSING and now - since < _SOON_SECONDS) or now - asked < _SOON_SECONDS:
            return reason
        reason = await self._told(await self._children(live), wanted)
        self._reasons[key] = time.monotonic(), reason
        return reason

    async def _told(self, children: list[Body], wanted: Iterable[Manifest]) -> str:
        """The reason that pods and events give; of a container that just ended, with the last line of its log."""
        now = datetime.now(UTC)
        reason, ended = reason_of(children, now), ended_in(children, now)
        said = await last_line(self._cluster, Source(ended.namespace, ended.pod, ended.container)) if ended else ""
        # Before it is cut: a half of a secret would not be found.
        return line(f"{reason}; its log ends: {masked(said, wanted)}") if said else reason

    async def _children(self, live: LiveObject) -> list[Body]:
        """Its pods and replica sets, and the events of all of them."""
        sets = await self._listed(_REPLICA_SETS, live) if live.key.kind == "Deployment" else []
        # What is wrong with the pods of an earlier version is no reason: they go.
        sets = sorted((each for each in sets if _controller(each) == live.uid), key=_rollout)[-1:]
        makers = {live.uid, *(metadata(each).get("uid") for each in sets)}
        pods = [pod for pod in await self._pods(live) if _controller(pod) in makers]
        known = {*makers, *(metadata(each).get("uid") for each in pods)}
        events = [event for event in await self._listed(_EVENTS, live) if mapping(event.get("involvedObject")).get("uid") in known]
        return [*pods, *sets, *events]

    # Who may not look at all of it hears what the rest says.

    async def _pods(self, live: LiveObject) -> list[Body]:
        try:
            return await pods_of(self._cluster, live)
        except Refused:
            return []

    async def _listed(self, resource: Resource, live: LiveObject) -> list[Body]:
        try:
            return [body async for body in self._cluster.list(resource, live.key.namespace, "")]
        except Refused:
            return []


def is_version(live: LiveObject, version: str) -> bool:
    """Whether an object is still what was written then. A hand that only changed our note of the commit changed nothing."""
    if live.version == version:
        return True
    return live.uid == version.partition("/")[0] and _REVISION_PATH not in paths(live.ours, live.body)


def _controller(body: Body) -> str:
    """Who made an object; empty when nobody did. A selector also finds what others made with the same labels."""
    owners = metadata(body).get("ownerReferences") or ()
    return next((str(each.get("uid")) for each in owners if each.get("controller")), "")


def _rollout(body: Body) -> int:
    """Which rollout of its Deployment a replica set is of."""
    number = str(annotations(body).get("deployment.kubernetes.io/revision", ""))
    return int(number) if number.isdecimal() else 0
