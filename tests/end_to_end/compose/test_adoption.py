"""What `docker compose up` started is taken over as it runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import Files
from tests.testbed.docker import compose

SERVICES: dict[str, Any] = {
    "web": {
        "image": "test/healthy:1",
        "ports": ["8080:80"],
        "environment": {"COLOUR": "red"},
        "volumes": ["./www:/www:ro", "data:/data", "./settings.conf:/etc/settings.conf:ro"],
        "depends_on": {"db": {"condition": "service_healthy"}},
        "restart": "unless-stopped",
        "labels": {"team": "shop"},
    },
    "db": {
        "image": "test/sleep:1",
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s"},
        "secrets": ["password"],
        "stop_grace_period": "3s",
        "mem_limit": "64m",
        "networks": ["default", "back"],
        "scale": 2,
    },
}
SECTIONS: dict[str, Any] = {"volumes": {"data": {}}, "networks": {"back": {}}, "secrets": {"password": {"file": "./password.txt"}}}
FILES: Files = {"www/index.html": "hello\n", "www/css/site.css": "a {}\n", "settings.conf": "a\n", "password.txt": "open sesame\n"}


@pytest.fixture
def started(site: Site, tmp_path: Path) -> Path:
    """The folder of a project that runs, as a person keeps it at the host."""
    folder = tmp_path / "home" / "shop"
    for path, content in {**FILES, "compose.yaml": json.dumps({"services": SERVICES, **SECTIONS})}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(str(content))
    compose.run(["up", "--detach", "--wait"], folder, {"DOCKER_HOST": site.engine.url})
    return folder


def test_a_project_that_runs_is_adopted_without_a_restart(site: Site, started: Path) -> None:
    before = site.running()
    assert len(before) == 3
    site.write(SERVICES, FILES, **SECTIONS)
    plan = site.trueup("plan", "-o", "json").document["items"][0]
    assert {(action["key"], action["verb"], action["effect"], str(action["changes"])) for action in plan["actions"]} == {
        (key, "adopt", "none", "[]")
        for key in ("Network/shop/back", "Network/shop/default", "Service/shop/db", "Service/shop/web", "Volume/shop/data")
    }
    site.declare(policy={"adopt": True})
    site.apply()
    assert site.running() == before
    assert site.changes() == {}

    site.estate.commit({"shop/www/index.html": "changed\n"})
    assert site.changes() == {"Service/shop/web": "update"}
    site.apply()
    site.answers("changed")
    now = site.running()
    assert {name for name in before if now[name] != before[name]} == {"shop-web-1"}
    assert site.changes() == {}


def test_what_compose_makes_anew_of_ours_is_ours_again(site: Site, started: Path) -> None:
    site.write(SERVICES, FILES, **SECTIONS)
    site.declare(policy={"adopt": True})
    site.apply()
    compose.run(["down"], started, {"DOCKER_HOST": site.engine.url})
    compose.run(["up", "--detach", "--wait"], started, {"DOCKER_HOST": site.engine.url})
    site.declare()
    before = site.running()
    assert set(site.changes().values()) == {"update"}
    site.apply()
    assert site.running() == before
    assert site.changes() == {}


def test_what_differs_is_told_before_it_is_taken_over(site: Site, started: Path) -> None:
    (started / "settings.conf").write_text("edited at the host\n")
    web = {**SERVICES["web"], "environment": {"COLOUR": "blue"}}
    site.write({**SERVICES, "web": web}, FILES, **SECTIONS)
    actions = {action["key"]: action for action in site.trueup("plan", "-o", "json").document["items"][0]["actions"]}
    assert actions["Service/shop/db"]["changes"] == []
    told = {change["path"]: (change["before"], change["after"]) for change in actions["Service/shop/web"]["changes"]}
    assert told.pop("spec.environment.COLOUR") == ("red", "blue")
    assert list(told) == ["spec.volumes[target=/etc/settings.conf]"]
    assert actions["Service/shop/web"]["effect"] == "recreate"
