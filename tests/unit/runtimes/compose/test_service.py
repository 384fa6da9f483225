"""A service's spec, read: what makes a container, what differs, and what is asked of the engine."""

from typing import Any

import pytest

from trueup.model.application import Ignore
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.model.plan import Change
from trueup.runtimes.compose.fields import changes_between, ignored_fields, kept
from trueup.runtimes.compose.limits import limits_in, limits_of, restart_in, restart_of
from trueup.runtimes.compose.manifests import objections_of, references_of
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.units import nanoseconds, size
from trueup.runtimes.compose.wanted import Surroundings, container_of, endpoints_of

KEY = Key("Service", "web", "", "shop")
AROUND = Surroundings(
    "web:1", {"back": "shop_back", "default": "shop_default"}, {"data": "shop_data"}, {"db": "abc"}, {"/etc/conf": "/v/live/x"}
)


def body(**spec: Any) -> Body:
    return {"apiVersion": "compose.trueup.dev/v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def service(**spec: Any) -> Service:
    return Service(KEY, spec)


def test_what_only_orders_finds_or_builds_makes_no_other_container() -> None:
    one = service(
        image="web:1", depends_on={"db": {}}, pull_policy="always", profiles=["a"], deploy={"update_config": {"order": "start-first"}}
    )
    assert one.applied == {"image": "web:1"}
    assert service(build={"content": "/shop"}, image=None).image == "shop-web"
    assert (service(deploy={"replicas": 3}).replicas, service(scale=0, deploy={"replicas": 3}).replicas) == (3, 0)
    assert service(scale=2).names == {1: "shop-web-1", 2: "shop-web-2"}


def test_content_counts_by_its_version_and_not_by_how_it_changes() -> None:
    entry = {"type": "bind", "content": "/shop/conf", "target": "/etc/conf", "x-trueup": {"change": "recreate"}}
    manifest = Manifest(KEY, body(image="web:1", volumes=[entry]), Origin(), sources={"shop/conf": "abc"})
    expected = {"type": "bind", "content": "/shop/conf", "target": "/etc/conf", "version": "abc"}
    assert Service.of(manifest).applied["volumes"] == [expected]


def test_changes_are_told_by_what_they_are_about() -> None:
    before = {"image": "a", "volumes": [{"target": "/x", "source": "1"}, {"target": "/y", "source": "2"}], "environment": {"A": "1"}}
    after = {"image": "a", "volumes": [{"target": "/y", "source": "3"}], "environment": {"A": "1", "B": "2"}, "networks": {"back": {}}}
    assert changes_between(before, after) == (
        Change("spec.volumes[target=/x]", {"target": "/x", "source": "1"}, None),
        Change("spec.volumes[target=/y].source", "2", "3"),
        Change("spec.environment.B", None, "2"),
        Change("spec.networks", None, {"back": {}}),
    )


def test_what_is_ignored_is_as_it_is() -> None:
    rules = (
        Ignore(key="Service/*", field="spec.environment.A"),
        Ignore(field="spec.volumes[target=/x]"),
        Ignore(field="spec.image", manager="me"),
    )
    ignored = ignored_fields(KEY, rules)
    assert ignored is not None
    desired = {"image": "b", "environment": {"A": "2", "B": "2"}, "volumes": [{"target": "/x", "source": "2"}]}
    live = {"image": "a", "environment": {"A": "1"}, "volumes": [{"target": "/x", "source": "1"}]}
    assert kept(desired, live, ignored) == {"image": "b", "environment": {"A": "1", "B": "2"}, "volumes": [{"target": "/x", "source": "1"}]}
    assert ignored_fields(Key("Volume", "data", "", "shop"), rules[:1]) is None


def test_a_container_is_asked_for_in_the_words_of_the_engine() -> None:
    spec: Body = {
        "image": "web:1",
        "command": ["run"],
        "entrypoint": [],
        "environment": {"A": "1", "UNSET": None},
        "ports": [{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}, {"target": 53, "protocol": "udp"}],
        "volumes": [
            {"type": "bind", "source": "/srv", "target": "/srv", "read_only": True},
            {"type": "bind", "content": "/shop/conf", "target": "/etc/conf", "read_only": True},
            {"type": "volume", "source": "data", "target": "/data"},
            {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": "1m"}},
        ],
        "networks": {"default": None, "back": {"priority": 10, "aliases": ["w"], "ipv4_address": "10.0.0.2"}},
        "healthcheck": {"test": ["CMD", "true"], "interval": "1m30s", "retries": 3},
        "stop_grace_period": "10s",
        "ipc": "service:db",
        "extra_hosts": ["host=10.0.0.1"],
    }
    asked = container_of(service(**spec), 2, AROUND, {"a": "b"})
    assert (asked["Cmd"], asked["Entrypoint"], asked["Env"], asked["StopTimeout"]) == (["run"], [""], ["A=1", "UNSET"], 10)
    assert asked["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert asked["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 90_000_000_000, "Retries": 3}
    host = asked["HostConfig"]
    assert host["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": [{"HostIp": "", "HostPort": ""}]}
    assert host["Binds"] == ["/srv:/srv:ro"]
    assert [(each["Type"], each.get("Source", ""), each["Target"]) for each in host["Mounts"]] == [
        ("bind", "/v/live/x", "/etc/conf"),
        ("volume", "shop_data", "/data"),
        ("tmpfs", "", "/tmp"),
    ]
    assert (host["NetworkMode"], host["IpcMode"], host["ExtraHosts"]) == ("shop_back", "container:abc", ["host:10.0.0.1"])
    assert list(asked["NetworkingConfig"]["EndpointsConfig"]) == ["shop_back"]
    endpoints = endpoints_of(service(**spec), 2, AROUND)
    assert list(endpoints) == ["shop_back", "shop_default"]
    assert endpoints["shop_back"]["Aliases"] == ["shop-web-2", "web", "w"]
    assert endpoints["shop_back"]["IPAMConfig"] == {"IPv4Address": "10.0.0.2"}


def test_a_volume_without_a_name_goes_on_with_the_next_container() -> None:
    around = Surroundings("web:1", inherited={"/cache": "0" * 64, "/srv": "1" * 64})
    spec = {"volumes": [{"type": "bind", "source": "/srv", "target": "/srv"}, {"type": "volume", "target": "/cache"}]}
    mounts = container_of(service(**spec), 1, around, {})["HostConfig"]["Mounts"]
    assert [(each["Source"], each["Target"]) for each in mounts] == [("0" * 64, "/cache")]


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ({"restart": "always"}, ("always", 0)),
        ({"restart": "on-failure:3"}, ("on-failure", 3)),
        ({"deploy": {"restart_policy": {"condition": "on-failure", "max_attempts": 2}}}, ("on-failure", 2)),
        ({"deploy": {"restart_policy": {}}}, ("no", 0)),
        ({}, ("no", 0)),
    ],
)
def test_when_a_container_is_started_again(spec: Body, asked: tuple[str, int]) -> None:
    policy = restart_of(spec)
    assert (policy["Name"], policy["MaximumRetryCount"]) == asked
    assert restart_in({"RestartPolicy": policy}) == f"{asked[0]}{f':{asked[1]}' if asked[1] else ''}"


def test_limits_that_were_changed_by_hand_are_told_in_the_words_of_compose() -> None:
    spec = {"mem_limit": "64m", "deploy": {"resources": {"limits": {"cpus": "0.5", "pids": 100}}}}
    limits = limits_of(spec)
    assert limits == {"Memory": 64 << 20, "NanoCpus": 500_000_000, "PidsLimit": 100}
    assert limits_in(spec, {**limits, "MemorySwap": 128 << 20}) == {}
    assert limits_in(spec, {**limits, "MemorySwap": 128 << 20, "NanoCpus": 10**9, "CpuShares": 512}) == {"cpus": 1.0, "cpu_shares": 512}


@pytest.mark.parametrize(("text", "count"), [("1m30s", 90 * 10**9), ("500ms", 5 * 10**8), ("0", 0), ("1.5h", 5400 * 10**9)])
def test_durations(text: str, count: int) -> None:
    assert nanoseconds(text) == count


@pytest.mark.parametrize(("text", "count"), [("536870912", 1 << 29), ("512m", 1 << 29), ("1gb", 1 << 30), ("1.5k", 1536), ("-1", -1)])
def test_sizes(text: str, count: int) -> None:
    assert size(text) == count


def test_what_is_no_duration_or_size_is_told() -> None:
    for read, text in ((nanoseconds, "soon"), (size, "much")):
        with pytest.raises(ValueError, match=text):
            read(text)


def test_a_manifest_is_checked_without_an_engine() -> None:
    assert objections_of(body(image="web:1", **{"x-trueup": {"change": {"signal": "SIGHUP"}, "state": "stopped"}})) == []
    wrong = body(nmae="x", container_name="one", scale=2, mem_limit="much", **{"x-trueup": {"change": "reload", "state": "off", "more": 1}})
    assert [each.path[1:] for each in objections_of(wrong)] == [
        ("nmae",),
        ("image",),
        ("container_name",),
        ("x-trueup", "change"),
        ("x-trueup", "state"),
        ("x-trueup", "more"),
        ("mem_limit",),
    ]
    assert objections_of({**body(), "kind": "Pod"})[0].path == ("kind",)


def test_what_would_be_taken_for_ours_is_refused() -> None:
    labels = {"dev.trueup.owner": "shop of /srv/git/theirs", "team": "shop"}
    wrong = body(image="web:1", container_name="trueup_shop_carrier", labels=labels, volumes_from=["db", "container:trueup_shop_carrier"])
    paths = [("container_name",), ("labels", "dev.trueup.owner"), ("volumes_from", 1)]
    assert [each.path[1:] for each in objections_of(wrong)] == paths
    for name in ({"name": "trueup_shop"}, {"name": "trueup_shop", "external": True}):
        volume = {**body(), "kind": "Volume", "spec": name}
        assert [each.path for each in objections_of(volume)] == [("spec", "name")]
    assert objections_of({**body(), "kind": "Network", "spec": {"name": "trueup_back"}}) == []


def test_what_a_service_takes_along_is_named() -> None:
    spec: Body = {
        "volumes": [{"type": "bind", "content": "/shop/conf", "target": "/a"}, {"type": "bind", "source": "/srv", "target": "/b"}],
        "configs": [{"target": "/c", "text": "x"}, {"target": "/d", "content": "/shop/d"}],
        "secrets": [{"target": "/e", "content": "/shop/e"}, {"target": "/f", "name": "F"}],
        "build": {"content": "/shop/app"},
    }
    assert references_of(body(**spec)) == ["/shop/conf", "/shop/d", "/shop/e", "/shop/app"]
