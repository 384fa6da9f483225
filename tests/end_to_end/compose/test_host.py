"""What a Docker host does under the runtime, looked at with docker."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contract.compose_ground import ComposeGround
from tests.testbed.docker.engine import Engine
from trueup.model.application import Policy, Render
from trueup.model.contracts import Desired, Lost, Moved, Owner
from trueup.model.errors import Refused
from trueup.model.health import Health, State
from trueup.model.manifest import Body, Key
from trueup.model.plan import Effect, Verb
from trueup.runtimes.compose.runtime import ComposeRuntime
from trueup.testing.ground import OURS, gone, opened, under, without
from trueup.testing.walking import carried_out, carry_out, changes, done

API = "compose.trueup.dev/v1"
SLEEP: Body = {"image": "test/sleep:1", "network_mode": "none"}
SHOP = Owner(OURS, "shop")
SOON = 60


class Host(ComposeGround):
    """An engine with one project, `p`."""

    project = "p"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.project = "p"
        self.desired_now: Desired | None = None

    def want(self, *bodies: Body, **spec: Any) -> Desired:
        """The application with these objects."""
        desired = self.desired("shop", bodies)
        return replace(
            desired, application=msgspec.structs.replace(desired.application, spec=desired.application.spec.model_copy(update=spec))
        )

    def inspect(self, name: str) -> Any:
        """A container as it is."""
        return json.loads(self.engine.docker("inspect", name))[0]

    def ids(self, key: str) -> dict[str, str]:
        """The containers of a service: name -> identity, those that do not run too."""
        found = self._inspected("container", "ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.service={key}")
        return {each["Name"].lstrip("/"): each["Id"] for each in found}


def service(name: str, **spec: Any) -> Body:
    """A service of the project."""
    return {"apiVersion": API, "kind": "Service", "metadata": {"name": name, "namespace": "p"}, "spec": {**SLEEP, **spec}}


def network(name: str, **spec: Any) -> Body:
    """A network of the project."""
    return {"apiVersion": API, "kind": "Network", "metadata": {"name": name, "namespace": "p"}, "spec": {"name": f"p_{name}"} | spec}


def volume(name: str, **spec: Any) -> Body:
    """A volume of the project."""
    return {"apiVersion": API, "kind": "Volume", "metadata": {"name": name, "namespace": "p"}, "spec": {"name": f"p_{name}"} | spec}


def outside_network() -> Body:
    """One that somebody else makes."""
    return {**network("back"), "spec": {"name": "outside", "external": True}}


def in_network(name: str, **spec: Any) -> Body:
    """A service in the network `back`."""
    body = service(name, networks={"back": None}, **spec)
    del body["spec"]["network_mode"]
    return body


def key(name: str, kind: str = "Service") -> Key:
    """The key of an object of the project."""
    return Key(kind, name, "", "p")


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> Host:
    """An empty engine."""
    ComposeGround.engine = engine
    return Host(tmp_path)


@pytest.fixture
async def runtime(host: Host) -> AsyncIterator[ComposeRuntime]:
    """The runtime of the host."""
    async with opened(host) as runtime:
        assert isinstance(runtime, ComposeRuntime)
        yield runtime


async def health(runtime: ComposeRuntime, desired: Desired, name: str, state: State) -> Health:
    """Wait until a service is in this state; what is said of it."""
    told = Health(State.UNKNOWN)
    for _ in range(900):
        told = (await runtime.health(desired, {key(name): ""}))[key(name)]
        if told.state is state:
            return told
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} is {told}")


async def test_an_unchanged_walk_asks_next_to_nothing(host: Host, runtime: ComposeRuntime) -> None:
    desired = host.want(network("back"), *(in_network(f"s{number}", restart="always") for number in range(12)))
    await done(runtime, desired)
    moves = runtime.watch()
    first = asyncio.ensure_future(anext(moves))
    await runtime.plan(desired)
    await health(runtime, desired, "s11", State.HEALTHY)
    before = runtime._engine.requests
    assert (await runtime.plan(desired)).empty
    assert {each.state for each in (await runtime.health(desired, dict.fromkeys(map(key, ["s0", "s5"]), ""))).values()} == {State.HEALTHY}
    assert await done(runtime, desired) == []
    assert runtime._engine.requests - before < 5

    host.engine.docker("stop", "-t", "0", "p-s3-1")
    assert await asyncio.wait_for(first, SOON) == Moved(SHOP, key("s3"))
    while changes(await runtime.plan(desired)) != {key("s3"): Verb.UPDATE}:
        await asyncio.sleep(0.05)
    before = runtime._engine.requests
    await runtime.plan(desired)
    assert runtime._engine.requests - before < 5


async def test_volumes_stay_unless_git_says_otherwise(host: Host, runtime: ComposeRuntime) -> None:
    mount = {"type": "volume", "source": "data", "target": "/data"}
    desired = host.want(volume("data"), service("db", volumes=[mount]))
    await done(runtime, desired)
    host.engine.docker("exec", "p-db-1", "sh", "-c", "echo precious > /data/file")
    bare = host.want(service("db"))
    assert changes(await runtime.plan(bare)) == {key("db"): Verb.UPDATE, key("data", "Volume"): Verb.UPDATE}
    await done(runtime, bare)
    assert "p_data" in host.engine.docker("volume", "ls")
    assert [key("data", "Volume") in owned.keys for owned in await runtime.owned()] == [False]

    delete = host.want(volume("data"), service("db", volumes=[mount]), render=Render(**{"with": "compose", "volumes": "delete"}))
    adopting = await runtime.plan(delete)
    assert changes(adopting)[key("data", "Volume")] is Verb.ADOPT
    await carry_out(runtime, delete, adopting)
    assert host.engine.docker("exec", "p-db-1", "cat", "/data/file") == "precious\n"
    await done(runtime, gone(delete))
    assert "p_data" not in host.engine.docker("volume", "ls")


async def test_scaling_leaves_the_others_alone(host: Host, runtime: ComposeRuntime) -> None:
    await done(runtime, host.want(service("web", scale=2)))
    two = host.ids("web")
    more = await runtime.plan(host.want(service("web", scale=3)))
    assert [(change.path, change.before, change.after) for change in more.changes[0].changes] == [("spec.deploy.replicas", 2, 3)]
    assert more.changes[0].effect is Effect.NONE
    await done(runtime, host.want(service("web", scale=3)))
    assert two.items() < host.ids("web").items()
    await done(runtime, host.want(service("web", scale=1)))
    assert host.ids("web") == {"p-web-1": two["p-web-1"]}
    await done(runtime, host.want(service("web", scale=0)))
    assert host.ids("web") == {}
    assert (await runtime.plan(host.want(service("web", scale=0)))).empty


async def test_a_service_can_be_declared_stopped(host: Host, runtime: ComposeRuntime) -> None:
    stopped = host.want(service("web", **{"x-trueup": {"state": "stopped"}}))
    await done(runtime, stopped)
    assert host.inspect("p-web-1")["State"]["Status"] == "created"
    assert (await runtime.plan(stopped)).empty
    await health(runtime, stopped, "web", State.SUSPENDED)
    made = host.ids("web")
    await done(runtime, host.want(service("web")))
    assert host.inspect("p-web-1")["State"]["Running"]
    await done(runtime, stopped)
    assert not host.inspect("p-web-1")["State"]["Running"]
    await done(runtime, host.want(service("web")))
    assert host.inspect("p-web-1")["State"]["Running"], "it ended well, as one that is done, and is to run again"
    assert host.ids("web") == made


async def test_health_is_what_containers_do(host: Host, runtime: ComposeRuntime) -> None:
    desired = host.want(
        service("job", image="test/job:1"),
        service("failed", image="test/exits:1"),
        service("loops", image="test/exits:1", restart="always"),
        service("sick", image="test/sick:1"),
        service("well", image="test/healthy:1"),
        service("plain"),
    )
    await done(runtime, desired)
    await health(runtime, desired, "job", State.HEALTHY)
    assert (await health(runtime, desired, "failed", State.DEGRADED)).message == "p-failed-1 ended with exit code 3: no use"
    assert "again and again" in (await health(runtime, desired, "loops", State.DEGRADED)).message
    assert "unhealthy" in (await health(runtime, desired, "sick", State.DEGRADED)).message
    await health(runtime, desired, "well", State.HEALTHY)
    await health(runtime, desired, "plain", State.HEALTHY)
    assert (await runtime.plan(desired)).empty
    host.engine.docker("pause", "p-plain-1")
    await health(runtime, desired, "plain", State.SUSPENDED)


async def test_every_kind_of_drift_is_heard_and_undone(host: Host, runtime: ComposeRuntime) -> None:
    config = {"target": "/etc/web.conf", "text": "a\n"}
    desired = host.want(network("back"), in_network("web", image="test/web:1", restart="always", mem_limit="67108864", configs=[config]))
    await done(runtime, desired)
    moves = runtime.watch()
    docker = host.engine.docker
    for hand, moved in {
        ("stop", "-t", "0", "p-web-1"): "web",
        ("rm", "-f", "p-web-1"): "web",
        ("rename", "p-web-1", "mine"): "web",
        ("update", "--restart", "no", "p-web-1"): "web",
        ("update", "--memory", "128m", "--memory-swap", "256m", "p-web-1"): "web",
        ("network", "disconnect", "-f", "p_back", "p-web-1"): "web",
        ("tag", "test/web:2", "test/web:1"): "web",
    }.items():
        heard = asyncio.ensure_future(_told(moves, Moved(SHOP, key(moved))))
        await asyncio.sleep(0.3)
        docker(*hand)
        await asyncio.wait_for(heard, SOON)
        async with asyncio.timeout(SOON):
            while changes(await runtime.plan(desired)).keys() != {key(moved)}:
                await asyncio.sleep(0.05)
        await done(runtime, desired)
        assert (await runtime.plan(desired)).empty, hand
    heard = asyncio.ensure_future(_told(moves, Moved(SHOP, key("web"))))
    await asyncio.sleep(0.3)
    docker("rm", "-f", "trueup_p_carrier")
    docker("volume", "rm", "trueup_p")
    docker("volume", "create", "trueup_p")  # as an engine makes it for a carrier that comes at the very moment of a prune
    await asyncio.wait_for(heard, SOON)
    await done(runtime, desired)
    assert (await runtime.plan(desired)).empty
    assert docker("exec", "p-web-1", "cat", "/etc/web.conf") == "a\n"
    docker("tag", host.inspect("p-web-1")["Image"], "test/web:2")
    host.engine.image(
        "test/web:1", 'CMD ["/bin/run", "httpd", "-f", "-p", "80", "-h", "/www"]', "EXPOSE 80", files={"www/index.html": "one\n"}
    )
    docker("network", "disconnect", "-f", "p_back", "p-web-1")
    docker("network", "rm", "p_back")
    while changes(await runtime.plan(desired)).get(key("back", "Network")) is not Verb.CREATE:
        await asyncio.sleep(0.05)
    await done(runtime, desired)
    assert list(host.inspect("p-web-1")["NetworkSettings"]["Networks"]) == ["p_back"]


async def test_what_is_not_of_the_project_is_never_touched(host: Host, runtime: ComposeRuntime) -> None:
    docker = host.engine.docker
    labels = {"project": "p", "service": "web", "oneoff": "True"}
    told = [part for name, value in labels.items() for part in ("--label", f"com.docker.compose.{name}={value}")]
    docker("run", "-d", "--name", "p-web-run-1", *told, "test/sleep:1")
    docker("run", "-d", "--name", "foreign", "test/sleep:1")
    before = {name: host.inspect(name)["State"]["StartedAt"] for name in ("p-web-run-1", "foreign")}
    await done(runtime, host.want(service("web")))
    desired = host.want(service("web", environment={"A": "swordfish"}))
    await done(runtime, desired)
    # Whoever has another repository may name it, and learns only whose it is.
    theirs = replace(host.want(service("web")), application=msgspec.structs.replace(desired.application, repository="/their.git"))
    [action] = (await runtime.plan(theirs)).actions
    assert (action.verb, action.foreign, action.owner) == (Verb.ADOPT, True, str(SHOP))
    assert "swordfish" not in str(action)
    await done(runtime, gone(host.want(service("web"))))
    assert {name: host.inspect(name)["State"]["StartedAt"] for name in before} == before


async def test_a_taken_port_is_told_before_anything_stops(host: Host, runtime: ComposeRuntime) -> None:
    host.engine.docker("run", "-d", "--name", "foreign", "-p", "8080:80", "test/web:1")
    web: Body = {"image": "test/web:1", "network_mode": None}
    await done(runtime, host.want(network("back"), in_network("web", **web)))
    before = host.ids("web")
    port = {"target": 80, "published": "8080", "protocol": "tcp", "mode": "ingress"}
    with pytest.raises(Refused, match="port 8080/tcp is published by the container foreign"):
        await runtime.plan(host.want(network("back"), in_network("web", ports=[port], **web)))
    two = host.want(network("back"), *(in_network(name, ports=[{**port, "published": "9090"}], **web) for name in ("a", "b")))
    with pytest.raises(Refused, match="port 9090/tcp is published by the service"):
        await runtime.plan(two)
    with pytest.raises(Refused, match="the name foreign belongs to a container of somebody else"):
        await runtime.plan(host.want(network("back"), in_network("web", container_name="foreign", **web)))
    assert host.ids("web") == before


async def test_addresses_and_names_go_from_one_service_to_another(host: Host, runtime: ComposeRuntime) -> None:
    def wanted(subnet: str, **services: str) -> Desired:
        def placed(name: str, number: str) -> Body:
            body = in_network(name, container_name=f"c{number}")
            body["spec"]["networks"]["back"] = {"ipv4_address": f"{subnet}.{number}"}
            return body

        back = network("back", ipam={"config": [{"subnet": f"{subnet}.0/24"}]})
        return host.want(back, *(placed(name, number) for name, number in services.items()))

    def addresses() -> dict[str, str]:
        shown = [host.inspect(name) for name in ("c10", "c11")]
        services = [each["Config"]["Labels"]["com.docker.compose.service"] for each in shown]
        return dict(zip(services, (each["NetworkSettings"]["Networks"]["p_back"]["IPAddress"] for each in shown), strict=True))

    await done(runtime, wanted("10.77.0", a="10", b="11"))
    await done(runtime, wanted("10.77.0", a="11", b="10"))
    assert addresses() == {"a": "10.77.0.11", "b": "10.77.0.10"}
    moved = wanted("10.78.0", a="11", b="10")
    await done(runtime, moved)
    assert addresses() == {"a": "10.78.0.11", "b": "10.78.0.10"}
    assert (await runtime.plan(moved)).empty


async def test_a_port_goes_from_one_service_to_another(host: Host, runtime: ComposeRuntime) -> None:
    def web(name: str, published: str = "") -> Body:
        port = {"target": 80, "published": published, "protocol": "tcp", "mode": "ingress"}
        return in_network(name, image="test/web:1", **({"ports": [port]} if published else {}))

    await done(runtime, host.want(network("back"), web("web", "8080")))
    proxied = host.want(network("back"), web("proxy", "8080"), web("web"))
    plan = await runtime.plan(proxied)
    assert {action.key.name: [each.name for each in action.after] for action in plan.changes} == {"web": [], "proxy": ["web"]}
    await carry_out(runtime, proxied, plan)
    assert (await runtime.plan(proxied)).empty
    renamed = host.want(network("back"), web("front", "8080"), web("web"))
    await done(runtime, renamed)
    assert host.inspect("p-front-1")["State"]["Running"]
    assert host.ids("proxy") == {}
    assert (await runtime.plan(renamed)).empty


async def test_a_record_that_is_lost_is_found_again_in_labels(host: Host) -> None:
    desired = under(host.want(service("web"), service("worker")), Policy(prune=False))
    async with opened(host) as runtime:
        await done(runtime, desired)
    host.engine.docker("rm", "-f", "trueup_p_carrier")
    async with opened(host) as runtime:
        assert [owned.policy.prune for owned in await runtime.owned()] == [False]
    host.engine.docker("rm", "-f", "trueup_p_carrier")
    host.engine.docker("volume", "rm", "trueup_p")
    before = host.ids("web")
    async with opened(host) as runtime:
        [owned] = await runtime.owned()
        assert (owned.owner, sorted(owned.keys)) == (SHOP, [key("web"), key("worker")])
        await done(runtime, desired)
        assert [owned.policy.prune for owned in await runtime.owned()] == [False]
    assert host.ids("web") == before


async def test_applications_that_share_a_project_leave_each_others_record(host: Host, runtime: ComposeRuntime) -> None:
    desired = under(host.want(service("web"), service("worker")), Policy(prune=False))
    beside = under(host.desired("beside", [service("extra")]), Policy(prune=False))
    outcomes = carried_out(runtime, desired, await runtime.plan(desired))
    await anext(outcomes)
    await done(runtime, beside)
    async for _ in outcomes:
        pass
    assert {owned.owner.application: owned.policy.prune for owned in await runtime.owned()} == {"shop": False, "beside": False}


async def test_an_engine_that_restarts_is_told_as_lost_and_heard_again(host: Host, runtime: ComposeRuntime) -> None:
    desired = host.want(service("web", restart="always"))
    await done(runtime, desired)
    moves = runtime.watch()
    heard = asyncio.ensure_future(anext(moves))
    await asyncio.sleep(0.3)
    async with host.gate.closed():
        assert isinstance(await asyncio.wait_for(heard, SOON), Lost)
        heard = asyncio.ensure_future(anext(moves))
        await asyncio.sleep(1)
    assert isinstance(await asyncio.wait_for(heard, SOON), Lost)
    stopped = asyncio.ensure_future(_told(moves, Moved(SHOP, key("web"))))
    await asyncio.sleep(0.3)
    host.engine.docker("stop", "-t", "0", "p-web-1")
    await asyncio.wait_for(stopped, SOON)


async def test_the_log_of_a_service_is_that_of_its_containers(host: Host, runtime: ComposeRuntime) -> None:
    desired = host.want(service("web", scale=2, stop_grace_period="0s", command=["sh", "-c", "echo out; echo err >&2; exec sleep 100"]))
    await done(runtime, desired)
    lines: list[str] = []
    while len(lines) < 4:
        lines = [line async for line in runtime.logs(SHOP, key("web"), False)]
    assert sorted(lines) == [f"p-web-{number}: {word}" for number in (1, 2) for word in ("err", "out")]
    followed = runtime.logs(SHOP, key("web"), True)
    assert sorted([await asyncio.wait_for(anext(followed), SOON) for _ in range(4)]) == sorted(lines)
    host.engine.docker("restart", "-t", "0", "p-web-1")
    assert sorted([await asyncio.wait_for(anext(followed), SOON) for _ in range(2)]) == ["p-web-1: err", "p-web-1: out"]
    await done(runtime, host.want(service("web", stop_grace_period="0s", command=["sh", "-c", "echo new; exec sleep 100"])))
    assert await asyncio.wait_for(anext(followed), SOON) in ("new", "p-web-1: new")


async def test_a_network_is_made_anew_under_those_who_are_in_it(host: Host, runtime: ComposeRuntime) -> None:
    await done(runtime, host.want(network("back"), in_network("web"), in_network("db")))
    before = host.ids("web")
    internal = host.want(network("back", internal=True), in_network("web"), in_network("db"))
    plan = await runtime.plan(internal)
    assert changes(plan) == {key("back", "Network"): Verb.UPDATE}
    await done(runtime, internal)
    assert host.ids("web") == before
    assert host.engine.docker("exec", "p-web-1", "ping", "-c", "1", "db")
    assert (await runtime.plan(internal)).empty

    # What the engine refuses leaves them as they were.
    taken = "10.213.99.0/24"
    host.engine.docker("network", "create", f"--subnet={taken}", "outside")
    refused = host.want(network("back", ipam={"config": [{"subnet": taken}]}), in_network("web"), in_network("db"))
    outcomes = await carry_out(runtime, refused, await runtime.plan(refused))
    assert [(outcome.key.kind, outcome.state, "overlaps" in outcome.message) for outcome in outcomes] == [("Network", "failed", True)]
    assert host.engine.docker("exec", "p-web-1", "ping", "-c", "1", "db")
    assert host.ids("web") == before
    assert (await runtime.plan(internal)).empty

    # One that goes after the plan was made is missed and not refused, so that the next plan makes it.
    host.engine.docker("rm", "--force", "p-web-1", "p-db-1")
    plan = await runtime.plan(internal)
    host.engine.docker("network", "rm", "p_back")
    assert [outcome.outdated for outcome in await carry_out(runtime, internal, plan)] == [True, True]
    await done(runtime, internal)


async def test_a_network_gets_another_name_under_those_who_are_in_it(host: Host, runtime: ComposeRuntime) -> None:
    await done(runtime, host.want(network("back"), in_network("web")))
    before = host.ids("web")
    renamed = {**network("back"), "spec": {"name": "other"}}
    await done(runtime, host.want(renamed, in_network("web")))
    assert host.ids("web") == before
    assert list(host.inspect("p-web-1")["NetworkSettings"]["Networks"]) == ["other"]
    assert "p_back" not in host.engine.docker("network", "ls")
    assert (await runtime.plan(host.want(renamed, in_network("web")))).empty


async def test_a_container_that_could_not_start_is_started_once_it_can(host: Host, runtime: ComposeRuntime) -> None:
    desired = host.want(service("web"))
    refused = host.want(service("web", command=["/no/such/program"]))
    [outcome] = await carry_out(runtime, refused, await runtime.plan(refused))
    assert (outcome.state, "no such file" in outcome.message) == ("failed", True)
    assert changes(await runtime.plan(refused)).keys() == {key("web")}
    await done(runtime, desired)
    await health(runtime, desired, "web", State.HEALTHY)


async def test_who_shares_or_follows_another_goes_along_with_it(host: Host, runtime: ComposeRuntime) -> None:
    def wanted(version: str) -> Desired:
        return host.want(
            network("back"),
            in_network("db", environment={"VERSION": version}),
            service("beside", network_mode="service:db", depends_on={"db": {"condition": "service_started"}}),
            service("after", depends_on={"db": {"condition": "service_started", "restart": True}}),
            service("other", depends_on={"db": {"condition": "service_started"}}),
        )

    await done(runtime, wanted("1"))
    before = {name: host.inspect(f"p-{name}-1") for name in ("beside", "after", "other")}
    assert before["beside"]["HostConfig"]["NetworkMode"] == f"container:{host.ids('db')['p-db-1']}"
    plan = await runtime.plan(wanted("2"))
    assert {action.key.name: action.effect for action in plan.changes} == {
        "db": Effect.RECREATE,
        "beside": Effect.RECREATE,
        "after": Effect.RESTART,
    }
    await carry_out(runtime, wanted("2"), plan)
    now = {name: host.inspect(f"p-{name}-1") for name in before}
    assert now["beside"]["HostConfig"]["NetworkMode"] == f"container:{host.ids('db')['p-db-1']}"
    assert now["after"]["Id"] == before["after"]["Id"]
    assert now["after"]["State"]["StartedAt"] > before["after"]["State"]["StartedAt"]
    assert now["other"]["State"]["StartedAt"] == before["other"]["State"]["StartedAt"]
    assert (await runtime.plan(wanted("2"))).empty

    def is_with_db() -> bool:
        beside, db = (host.inspect(f"p-{name}-1") for name in ("beside", "db"))
        return bool(
            beside["HostConfig"]["NetworkMode"] == f"container:{db['Id']}" and beside["State"]["StartedAt"] > db["State"]["StartedAt"]
        )

    for hand in (("rm", "-f"), ("stop", "-t", "0"), ("restart", "-t", "0")):
        host.engine.docker(*hand, "p-db-1")
        await done(runtime, wanted("2"))
        assert is_with_db(), hand
        assert (await runtime.plan(wanted("2"))).empty, hand
    beside = service("beside", network_mode="service:db", depends_on={"db": {"condition": "service_started"}})
    bad = host.want(network("back"), in_network("db", image="test/exits:1"), beside)
    action = next(action for action in (await runtime.plan(bad)).changes if action.key == key("db"))
    assert [outcome.state async for outcome in runtime.apply(bad, [action])] == ["failed"]
    assert is_with_db(), "who shares what is another's goes back with it"


async def test_what_is_external_is_used_and_never_owned(host: Host, runtime: ComposeRuntime) -> None:
    outside = host.want(outside_network(), in_network("web"))
    with pytest.raises(Refused, match="external network outside is not there"):
        await runtime.plan(outside)
    host.engine.docker("network", "create", "outside")
    await done(runtime, outside)
    assert list(host.inspect("p-web-1")["NetworkSettings"]["Networks"]) == ["outside"]
    await done(runtime, gone(outside))
    assert "outside" in host.engine.docker("network", "ls")


async def test_fifty_services_are_planned_in_two_seconds_of_work(host: Host, runtime: ComposeRuntime) -> None:
    desired = host.want(*(service(f"s{number}", **{"x-trueup": {"state": "stopped"}}) for number in range(50)))
    await done(runtime, desired)
    began = time.process_time()
    assert (await runtime.plan(desired)).empty
    assert time.process_time() - began < 2
    assert changes(await runtime.plan(without(desired, 0))) == {key("s0"): Verb.DELETE}


async def _told(moves: AsyncIterator[Moved | Lost], expected: Moved) -> None:
    async for moved in moves:
        if moved == expected:
            return
