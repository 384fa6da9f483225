"""A site on a Docker host."""

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import Estate
from tests.testbed.docker.engine import Engine


@pytest.fixture
def site(estate: Estate, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A repository that may use every engine."""
    monkeypatch.setenv("TRUEUP_TARGETS", '{compose = {engines = ["*"]}}')
    site = Site(estate, engine)
    site.declare()
    return site
