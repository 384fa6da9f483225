"""The log of a pod, or of all pods of a workload."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.request import Request
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import mapping, metadata

PODS: Final = Resource("", "v1", "Pod", "pods", True, frozenset())
_LAST_LINES: Final = "1000"
_OPERATORS: Final = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


async def logs(cluster: Cluster, live: LiveObject, follow: bool) -> AsyncIterator[str]:
    """The lines of every container, oldest first; with several containers each line says which. Raises Refused."""
    containers = [(pod, name) for pod in await pods_of(cluster, live) for name in _containers(pod)]
    if not containers:
        raise Refused(f"{live.key} has no pods", key=str(live.key), hint="look at its health: `trueup status`")
    lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1000)
    sources = [_lines(cluster, pod, name, follow) for pod, name in containers]
    prefixes = [f"{metadata(pod)['name']}/{name}: " if len(containers) > 1 else "" for pod, name in containers]
    if not follow:
        for source, prefix in zip(sources, prefixes, strict=True):
            async for line in source:
                yield prefix + line
        return
    tasks = [asyncio.ensure_future(_pour(source, prefix, lines)) for source, prefix in zip(sources, prefixes, strict=True)]
    try:
        open_ones = len(tasks)
        while open_ones:
            said = await lines.get()
            if said is None:
                open_ones -= 1
            else:
                yield said
    finally:
        for task in tasks:
            task.cancel()


async def pods_of(cluster: Cluster, live: LiveObject) -> list[Body]:
    """The pods of a workload, or the pod itself. Raises Refused when it is of a kind that has none."""
    if live.key.kind == "Pod" and not live.key.group:
        return [live.body]
    selector = _selector(live)
    if not selector:
        raise Refused(f"{live.key} keeps no log", key=str(live.key), hint="ask for the log of a workload or a pod")
    return [body async for body in cluster.list(PODS, live.key.namespace, selector)]


async def _lines(cluster: Cluster, pod: Body, container: str, follow: bool) -> AsyncIterator[str]:
    named = metadata(pod)
    path = PODS.path(str(named["namespace"]), str(named["name"])) + "/log"
    query = {"container": container, "tailLines": _LAST_LINES, **({"follow": "true"} if follow else {})}
    rest = b""
    async with cluster.connection.stream(Request("GET", path, query, actor=cluster.actor)) as (answer, pieces):
        if answer.refusal:
            raise Refused(f"the log of Pod/{named['namespace']}/{named['name']} cannot be read: {answer.refusal.message}")
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


async def _pour(source: AsyncIterator[str], prefix: str, lines: "asyncio.Queue[str | None]") -> None:
    try:
        async for line in source:
            await lines.put(prefix + line)
    finally:
        await lines.put(None)


def _containers(pod: Body) -> Iterator[str]:
    for each in mapping(pod.get("spec")).get("containers") or ():
        yield str(each["name"])


def _selector(live: LiveObject) -> str:
    """The selector of a workload's pods, as a list asks for it. A service's or a policy's selects what is not its own."""
    selector = mapping(mapping(live.body.get("spec")).get("selector"))
    equal = [f"{name}={value}" for name, value in mapping(selector.get("matchLabels")).items()]
    among = [
        _OPERATORS[str(each["operator"])].format(key=each["key"], values=",".join(each.get("values") or ()))
        for each in selector.get("matchExpressions") or ()
    ]
    return ",".join([*equal, *among])
