"""Two hosts, ports that are taken, and secrets: what a user would hold against us."""

import json
from typing import Any

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import application, documents, target
from tests.testbed.docker.engine import Engine, wait_until

ONCE = {"retry": {"limit": 0}, "timeout": "10s"}
PASSWORD = "correct-horse-battery"
QUICK: dict[str, Any] = {"deploy": {"update_config": {"monitor": "200ms"}}}


def test_of_two_hosts_the_one_that_answers_goes_on(site: Site, second_engine: Engine) -> None:
    targets = [target("here", "compose", engine=site.engine.url), target("there", "compose", engine=second_engine.url)]
    applications = [application(f"shop-{name}", name, path="shop", policy=ONCE) for name in ("here", "there")]
    site.estate.commit({"trueup.yaml": documents(*targets, *applications)})
    site.write({"web": {"image": "test/healthy:1", "ports": ["8080:80"]}}, name="shop")
    second_engine.stop_engine()
    try:
        said = site.trueup("apply")
        assert said.code != 0
        site.answers("one")
        states = {status["application"]: status for status in site.trueup("status", "-o", "json").document["items"]}
        assert states["shop-here"]["sync"] == "synced"
        assert str(second_engine.socket) in states["shop-there"]["message"] + said.err
    finally:
        second_engine.start_engine()
    site.apply()
    wait_until(lambda: second_engine.containers(com__docker__compose__project="shop"), "the second host has nothing")
    assert site.running().keys() == {"shop-web-1"}


def test_a_port_of_another_container_is_told_before_anything_stops(site: Site) -> None:
    site.declare(policy=ONCE)
    site.write({"web": {"image": "test/web:1", "ports": ["8080:80"], **QUICK}})
    site.apply()
    site.engine.docker("run", "--detach", "--name", "foreign", "--publish", "9090:80", "test/web:1")
    before = site.running()

    site.write({"web": {"image": "test/web:2", "ports": ["9090:80"], **QUICK}})
    planned = site.trueup("plan")
    assert planned.code != 0
    assert "9090" in planned.out + planned.err
    assert "foreign" in planned.out + planned.err
    assert site.trueup("apply").code != 0
    assert site.running() == before


def test_a_port_of_a_program_of_the_host_is_told_before_anything_stops(site: Site) -> None:
    site.declare(policy=ONCE)
    site.write({"web": {"image": "test/web:1", "ports": ["8080:80"], **QUICK}})
    site.apply()
    before = site.running()
    with site.engine.occupied(9090):
        site.write({"web": {"image": "test/web:2", "ports": ["9090:80"], **QUICK}})
        said = site.trueup("apply")
        assert said.code != 0
        assert "port 9090 is taken by a program of the host" in said.out + said.err
        assert site.running() == before
    # As a walk that was killed while it tried leaves it.
    site.engine.docker("create", "--name=left", "--label=dev.trueup.project=shop", "test/sleep:1")
    site.apply("--all")
    site.answers("two", 9090)
    assert sorted(site.engine.docker("ps", "--all", "--format={{.Names}}").split()) == ["shop-web-1", "trueup_shop_carrier"]


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_secret_is_readable_where_it_is_meant_and_nowhere_else(site: Site, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    monkeypatch.setenv("TRUEUP_SECRETS", '{DB_PASSWORD = {env = "SHOP_PASSWORD"}}')
    site.declare(policy=ONCE)
    secret = {"environment": "DB_PASSWORD"} if source == "environment" else {"file": "./db.txt"}
    db: dict[str, Any] = {"image": "test/sleep:1", "secrets": [{"source": "db", "target": "db", "mode": 0o440, "uid": "1000"}], **QUICK}
    files = {"db.txt": PASSWORD} if source == "file" else {}
    site.write({"db": db}, {**files}, secrets={"db": secret})
    planned = site.trueup("plan")
    applied = site.apply()

    shown = site.engine.docker("exec", "shop-db-1", "sh", "-c", "cat /run/secrets/db; stat -c ' %a %u' /run/secrets/db")
    assert shown.split() == [PASSWORD, "440", "1000"]
    told = [planned.out, planned.err, applied.out, applied.err, json.dumps(site.containers())]
    told += [site.trueup(*command).out for command in (("why", "shop", "Service/shop/db"), ("history",), ("status",))]
    told += [json.dumps(site.engine.get("/volumes")), site.engine.docker("inspect", "trueup_shop_carrier")]
    assert not [text for text in told if PASSWORD in text]
    if source == "environment":
        kept = [path for path in site.estate.state.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
        assert kept == []
    looked = f"test -s /record/record.json && ! grep -r {PASSWORD} /record"
    site.engine.docker("run", "--rm", "--volume", "trueup_shop:/record", "test/sleep:1", "sh", "-c", looked)
