"""The log of a pod, or of all pods of a workload."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Final

from trueup.model.errors import Refused, RuntimeFault, Unreachable
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.request import Request
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import mapping, metadata

PODS: Final = Resource("", "v1", "Pod", "pods", True, frozenset())
_LAST_LINES: Final = "1000"
_LOOK_SECONDS: Final = 1.0
# What a container says at its end is short, and may be followed by empty lines.
_LAST_WORDS: Final = {"tailLines": "5", "limitBytes": "8192"}
_OPERATORS: Final = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}
_WITH_AN_END: Final = frozenset({"Pod", "Job"})


@dataclass(frozen=True, slots=True)
class Source:
    """One run of one container: it is another one after a restart, and in another pod of the same name."""

    namespace: str
    pod: str
    container: str
    uid: str = ""
    restarts: int = 0
    running: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """What stands before its lines where there are several."""
        return f"{self.pod}/{self.container}: "


async def logs(cluster: Cluster, live: LiveObject, follow: bool) -> AsyncIterator[str]:
    """The lines of every container, oldest first; with several containers each line says which. Raises Refused.

    Followed, it goes on with what a restart, a rollout or a scaling starts, until the pod or the job has ended or the object is gone.
    """
    if follow:
        async for line in _Following(cluster, live).lines():
            yield line
        return
    pods = await pods_of(cluster, live)
    sources = [source for pod in pods for source in _started(pod)]
    if not sources:
        what = "no container of it has started yet" if pods else "it has no pods"
        raise Refused(f"{live.key} has no log: {what}", key=str(live.key), hint="look at its health: `trueup status`")
    for source in sources:
        async for line in _lines(cluster, source, {"tailLines": _LAST_LINES}):
            yield (source.name if len(sources) > 1 else "") + line


async def last_line(cluster: Cluster, source: Source) -> str:
    """The last that a container said; empty when it said nothing, or we may not hear it."""
    try:
        said = [line.strip() async for line in _lines(cluster, source, _LAST_WORDS)]
    except (Refused, Unreachable):
        return ""
    return next((line for line in reversed(said) if line), "")


async def pods_of(cluster: Cluster, live: LiveObject) -> list[Body]:
    """The pods of a workload, or the pod itself. Raises Refused when it is of a kind that has none."""
    if live.key.kind == "Pod" and not live.key.group:
        return [live.body]
    selector = _selector(live)
    if not selector:
        raise Refused(f"{live.key} keeps no log", key=str(live.key), hint="ask for the log of a workload or a pod")
    return [body async for body in cluster.list(PODS, live.key.namespace, selector)]


class _Following:
    """Follows every container that there is and every one that comes."""

    def __init__(self, cluster: Cluster, live: LiveObject) -> None:
        self._cluster = cluster
        self._live = live
        self._said: asyncio.Queue[tuple[Source, str] | RuntimeFault | None] = asyncio.Queue(maxsize=1000)
        self._tasks: dict[Source, asyncio.Task[None]] = {}

    async def lines(self) -> AsyncIterator[str]:
        """What they say, as they say it."""
        looking = asyncio.create_task(self._look())
        containers: set[tuple[str, str]] = set()
        try:
            while (said := await self._said.get()) is not None:
                if isinstance(said, RuntimeFault):
                    raise said
                source, line = said
                containers.add((source.pod, source.container))
                yield (source.name if len(containers) > 1 else "") + line
        finally:
            for task in (looking, *self._tasks.values()):
                task.cancel()
            await asyncio.gather(looking, *self._tasks.values(), return_exceptions=True)

    async def _look(self) -> None:
        try:
            while (pods := await self._pods()) is not None:
                sources = [source for pod in pods for source in _started(pod)]
                for source in sources:
                    if source not in self._tasks:
                        self._tasks[source] = asyncio.create_task(self._pour(source))
                self._let_go({metadata(pod).get("uid") for pod in pods})
                if self._live.key.kind in _WITH_AN_END and pods and all(_has_ended(pod) for pod in pods):
                    break
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                self._let_go(set())
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self._said.put(None)
        except RuntimeFault as fault:
            await self._said.put(fault)

    async def _pods(self) -> list[Body] | None:
        """Those that there are now; None once the object is gone, and all of them with it."""
        key = self._live.key
        resource = await self._cluster.discovery.find(key.group, key.kind)
        live = await self._cluster.look(resource, key.namespace, key.name) if resource else None
        self._live = live or self._live
        if live is None and key.kind == "Pod":
            return None
        pods = await pods_of(self._cluster, self._live)
        return None if live is None and not pods else pods

    def _let_go(self, there: set[object]) -> None:
        """A container that was restarted ends its own log; that of a pod which is gone may never end."""
        for source, task in self._tasks.items():
            if source.uid not in there:
                task.cancel()

    async def _pour(self, source: Source) -> None:
        """Every line of one run of a container, once, also where the connection breaks."""
        last = ""
        while True:
            query = {"timestamps": "true", **({"sinceTime": last} if last else {"tailLines": _LAST_LINES})}
            query |= {"follow": "true"} if source.running else {}
            heard = last
            try:
                async for line in _lines(self._cluster, source, query):
                    last, _, text = line.partition(" ")
                    if not heard or _moment(last) > _moment(heard):
                        await self._said.put((source, text))
                return
            except Unreachable:
                # Whether the server can be reached at all is found out by who looks for the pods.
                await asyncio.sleep(_LOOK_SECONDS)
            except Refused as fault:
                await self._said.put(fault)
                return


async def _lines(cluster: Cluster, source: Source, query: dict[str, str]) -> AsyncIterator[str]:
    path = PODS.path(source.namespace, source.pod) + "/log"
    request = Request("GET", path, {"container": source.container, **query}, actor=cluster.actor)
    rest = b""
    async with cluster.connection.stream(request) as (answer, pieces):
        if answer.refusal:
            raise Refused(f"the log of Pod/{source.namespace}/{source.pod} cannot be read: {answer.refusal.message}")
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


def _started(pod: Body) -> Iterator[Source]:
    """The containers of a pod that have run at all."""
    named, status = metadata(pod), mapping(pod.get("status"))
    known = {each.get("name"): each for each in status.get("containerStatuses") or ()}
    for each in mapping(pod.get("spec")).get("containers") or ():
        told = mapping(known.get(each["name"]))
        now, before = mapping(told.get("state")), mapping(told.get("lastState"))
        if {"running", "terminated"} & {*now, *before}:
            restarts = int(told.get("restartCount") or 0)
            yield Source(str(named["namespace"]), str(named["name"]), str(each["name"]), str(named.get("uid")), restarts, "running" in now)


def _has_ended(pod: Body) -> bool:
    return mapping(pod.get("status")).get("phase") in ("Succeeded", "Failed")


def _moment(stamp: str) -> tuple[str, str]:
    """A time in what compares: Go leaves zeros at the end of a fraction out."""
    seconds, _, fraction = stamp.removesuffix("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def _selector(live: LiveObject) -> str:
    """The selector of a workload's pods, as a list asks for it. A service's or a policy's selects what is not its own."""
    selector = mapping(mapping(live.body.get("spec")).get("selector"))
    equal = [f"{name}={value}" for name, value in mapping(selector.get("matchLabels")).items()]
    among = [
        _OPERATORS[str(each["operator"])].format(key=each["key"], values=",".join(each.get("values") or ()))
        for each in selector.get("matchExpressions") or ()
    ]
    return ",".join([*equal, *among])
