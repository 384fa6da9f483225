"""A new version that does badly, or cannot be had, and what is interrupted on the way to it."""

import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.end_to_end.compose.site import Site
from tests.testbed.docker.engine import wait_until
from tests.testbed.repositories import git

QUICK: dict[str, Any] = {"deploy": {"update_config": {"monitor": "500ms"}}}
GOOD: dict[str, Any] = {"image": "test/sleep:1", **QUICK}
ONCE = {"retry": {"limit": 0}}


@pytest.fixture(autouse=True)
def tried_once(site: Site) -> None:
    """What is refused is not tried again, so that nobody waits for it."""
    site.declare(policy=ONCE)


def listed(site: Site) -> set[str]:
    """The containers that run, by one request: whatever else is asked of them they may be gone."""
    return {str(each["Id"]) for each in site.engine.get("/containers/json")}


def starts(site: Site, container: str) -> int:
    """How often a container was started."""
    filters = json.dumps({"container": [container], "event": ["start"]})
    _, told = site.engine.request("GET", f"/events?since=0&until={int(time.time())}&filters={quote(filters)}")
    return told.count(b'"Action":"start"') if isinstance(told, bytes) else 1


def test_a_version_that_ends_at_once_gives_way_to_the_one_before_and_is_tried_once(site: Site) -> None:
    site.declare(policy={"retry": {"limit": 3, "from": "10ms"}})
    site.write({"web": GOOD, "other": GOOD})
    site.apply()
    before = site.running()
    site.write({"web": {**GOOD, "image": "test/exits:1"}, "other": {**GOOD, "environment": {"NEW": "1"}}})
    said = site.trueup("apply")
    assert said.code == 1
    told = said.out + said.err
    assert "exit code 3" in told
    assert "no use" in told
    assert "the version before runs again" in told
    assert site.running()["shop-web-1"][0] == before["shop-web-1"][0]
    assert "NEW=1" in site.containers()["shop-other-1"]["Config"]["Env"], "others go on"
    wait_until(lambda: starts(site, before["shop-web-1"][0]) == 2, "it was not started again once, and only once")
    assert "no use; the version before runs again" in site.trueup("plan").out
    assert site.trueup("apply").code == 1
    wait_until(lambda: starts(site, before["shop-web-1"][0]) == 3, "a person had it tried again, once")
    site.write({"web": GOOD, "other": GOOD})
    site.apply()


def test_a_version_that_is_not_healthy_never_takes_the_place_of_one_that_is(site: Site) -> None:
    web = {"image": "test/healthy:1", "deploy": {"update_config": {"order": "start-first"}}}
    site.write({"web": web})
    site.apply()
    before = site.running()
    site.write({"web": {**web, "image": "test/sick:1"}})
    said = site.trueup("apply")
    assert said.code == 1
    assert "it is unhealthy" in said.out + said.err
    assert site.running() == before
    site.declare(policy={"rollback": "auto"})
    bad = site.write({"web": {**web, "image": "test/sick:1", "environment": {"NEW": "1"}}})
    assert "was rolled back" in site.trueup("apply").err
    assert git(site.estate.workplace.origin, "rev-parse", "main^") == bad, "Git goes back too"
    assert site.running() == before


def test_content_that_breaks_a_service_is_taken_back_with_it(site: Site) -> None:
    command = ["sh", "-c", 'grep -q good /conf/a || { echo "bad settings"; exit 4; }; exec sleep 1000000']
    web = {**GOOD, "command": command, "volumes": ["./conf:/conf:ro"], "stop_grace_period": "0s"}
    site.write({"web": web}, {"conf/a": "good\n"})
    site.apply()
    site.estate.commit({"shop/conf/a": "broken\n"})
    said = site.trueup("apply")
    assert said.code == 1
    assert "bad settings" in said.out + said.err
    assert site.engine.docker("exec", "shop-web-1", "cat", "/conf/a") == "good\n"
    site.estate.commit({"shop/conf/a": "good again\n"})
    site.apply()
    assert site.engine.docker("exec", "shop-web-1", "cat", "/conf/a") == "good again\n"
    site.declare(policy={"rollback": "auto"})
    site.apply()
    bad = site.estate.commit({"shop/conf/a": "broken anew\n"})
    assert "was rolled back" in site.trueup("apply").err
    assert git(site.estate.workplace.origin, "rev-parse", "main^") == bad, "Git goes back too"
    assert site.engine.docker("exec", "shop-web-1", "cat", "/conf/a") == "good again\n"


def test_services_exchange_their_ports_all_of_them_or_none(site: Site) -> None:
    def web(version: int, port: int, **more: Any) -> dict[str, Any]:
        return {"image": f"test/web:{version}", "ports": [f"{port}:80"], "stop_grace_period": "1s", **QUICK, **more}

    # Who waits for the health of another is in a later wave than that one.
    last = {"depends_on": {"a": {"condition": "service_healthy"}}}
    checked = {"healthcheck": {"test": "true", "interval": "100ms"}}
    site.write({"a": web(1, 8080, **checked), "b": web(2, 8081, **last), "c": web(1, 8082)})
    site.apply()
    site.write({"a": web(1, 8081, **checked), "b": web(2, 8080, **last), "c": web(1, 8083)})
    site.apply()
    site.answers("one", 8081)
    site.answers("two", 8080)
    before = site.running()
    site.write({"a": web(1, 8080, **checked), "b": {**web(2, 8081, **last), "image": "test/exits:1"}, "c": web(2, 8082)})
    said = site.trueup("apply")
    assert said.code == 1
    assert "b, with which it exchanges ports, addresses or names, does not do well" in said.out + said.err
    assert {name: each[0] for name, each in site.running().items()} | {"shop-c-1": ""} == {
        **{name: each[0] for name, each in before.items()},
        "shop-c-1": "",
    }
    site.answers("one", 8081)
    site.answers("two", 8080)
    site.answers("two", 8082)
    site.write({"a": web(1, 8082, **checked), "b": web(2, 8081, **last), "c": web(1, 8080)})
    site.apply()
    site.answers("one", 8080)
    site.answers("two", 8081)
    site.answers("one", 8082)


def test_an_image_that_cannot_be_had_stops_nothing(site: Site) -> None:
    site.write({"web": GOOD})
    site.apply()
    before = site.running()
    site.write({"web": {**GOOD, "image": f"{site.engine.gateway}:9/none:1"}})
    assert "has to be pulled" in site.trueup("plan").out
    said = site.trueup("apply")
    assert said.code == 1
    assert "cannot be pulled" in said.out + said.err
    assert site.running() == before


def test_scaling_and_limits_touch_only_what_they_must(site: Site) -> None:
    site.write({"web": {**GOOD, "scale": 2}})
    site.apply()
    two = site.running()
    site.write({"web": {**GOOD, "scale": 3, "mem_limit": "64m", "restart": "always"}})
    site.apply()
    three = site.running()
    assert two.items() <= three.items()
    assert len(three) == 3
    assert {each["HostConfig"]["Memory"] for each in site.containers().values()} == {64 << 20}
    site.write({"web": {**GOOD, "scale": 1, "mem_limit": "64m", "restart": "always"}})
    site.apply("--yes")
    assert site.running().items() <= three.items()
    assert list(site.running()) == ["shop-web-1"]


def test_a_full_disk_stops_nothing(site: Site, request: pytest.FixtureRequest) -> None:
    from tests.testbed.docker.engine import Engine

    host = Engine.start(site.estate.folder / "small", disk=80)
    request.addfinalizer(host.stop)
    host.image("test/sleep:1")
    site.engine = host
    site.declare(policy=ONCE)
    web = {**GOOD, "volumes": ["./conf:/conf:ro"]}
    site.write({"web": web}, {"conf/a": "one\n"})
    site.apply()
    before = site.running()
    site.estate.commit({"shop/conf/a": "x" * 3_000_000})
    with host.full():
        said = site.trueup("apply")
        assert said.code == 1
        assert "no space left on device" in said.out + said.err
        assert site.running() == before
    site.apply()
    assert len(host.docker("exec", "shop-web-1", "cat", "/conf/a")) == 3_000_000


@pytest.mark.parametrize("patience", [0.3, 0.8, 1.4, 2.2])
def test_whoever_goes_on_after_a_kill_finds_its_way(site: Site, patience: float) -> None:
    """The program is killed while a service of two is on its way, later each time: the next one brings it to its end."""
    web = {"image": "test/healthy:1", "scale": 2, "volumes": ["./conf:/conf:ro"], "stop_grace_period": "1s"}
    site.write({"web": web}, {"conf/a": "one\n"})
    site.apply()
    site.write({"web": {**web, "image": "test/healthy:2"}}, {"conf/a": "two\n"})
    with site.estate.running("apply") as process:
        before = listed(site)
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end and listed(site) == before:
            time.sleep(0.02)
        time.sleep(patience - 0.3)
        process.kill()
    assert site.running(), "something goes on running"
    site.apply()
    assert {name: each["Image"] for name, each in site.containers().items()} == {
        f"shop-web-{number}": site.engine.get("/images/test/healthy:2/json")["Id"] for number in (1, 2)
    }
    for name in site.running():
        assert site.engine.docker("exec", name, "cat", "/conf/a") == "two\n"
    assert site.trueup("plan", "--all").code == 0


def test_an_engine_that_is_restarted_on_the_way_finds_its_way(site: Site) -> None:
    web = {"image": "test/healthy:1", "scale": 2, "restart": "always", "stop_grace_period": "1s"}
    site.write({"web": web})
    site.apply()
    site.write({"web": {**web, "image": "test/healthy:2"}})
    with site.estate.running("apply") as process:
        end = time.monotonic() + 20
        while len(listed(site)) == 2 and time.monotonic() < end:
            time.sleep(0.02)
        site.engine.restart_engine()
        process.wait(60)
    site.apply()
    assert len(site.running()) == len(site.containers()) == 2
    assert site.trueup("plan", "--all").code == 0


def test_a_host_that_lost_its_power_runs_what_git_says(site: Site) -> None:
    web = {**GOOD, "restart": "always", "volumes": ["./conf:/conf:ro"], "secrets": ["token"]}
    site.write({"web": web, "other": GOOD}, {"conf/a": "one\n", "token": "t\n"}, secrets={"token": {"file": "./token"}})
    site.apply()
    before = site.containers()
    site.engine.reboot()
    wait_until(lambda: "shop-web-1" in site.running(), "what is always restarted does not come back")
    site.apply("--all")
    assert {name: each["Id"] for name, each in site.containers().items()} == {name: each["Id"] for name, each in before.items()}
    assert set(site.running()) == {"shop-web-1", "shop-other-1"}
    assert site.engine.docker("exec", "shop-web-1", "cat", "/conf/a", "/run/secrets/token") == "one\nt\n"
