"""What Podman's service can do of what a Docker engine does."""

from typing import Any

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import Estate
from tests.testbed.docker.engine import Engine


def test_a_commit_runs_on_podman(estate: Estate, podman: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_TARGETS", '{compose = {engines = ["*"]}}')
    site = Site(estate, podman)
    site.declare(policy={"retry": {"limit": 0}, "timeout": "20s"})
    services: dict[str, Any] = {"web": {"image": "test/web:1", "ports": ["8080:80"], "volumes": ["./www:/www:ro"]}}
    site.write(services, {"www/index.html": "hello\n"})
    site.apply()
    site.answers("hello")
    assert site.changes() == {}

    before = site.running()
    site.estate.commit({"shop/www/index.html": "changed\n"})
    site.apply()
    site.answers("changed")
    assert site.running().keys() == before.keys()
    assert site.changes() == {}
    built = {"build": {"context": "app", "args": {"WORD": "built"}}}
    site.write(
        {**services, "web": {**services["web"], "image": "test/web:2", "volumes": []}, "built": built},
        {"app/Dockerfile": "FROM test/sleep:1\nARG WORD\nRUN echo $WORD > /word\n"},
    )
    site.apply()
    site.answers("two")
    assert podman.docker("exec", "shop-built-1", "cat", "/word") == "built\n"
    assert site.changes() == {}
