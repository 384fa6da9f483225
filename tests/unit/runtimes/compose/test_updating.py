"""How an update goes, and who stands in the way of one that starts first."""

from typing import Any

import pytest

from trueup.model.manifest import Key
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.updating import Pace


def pace(**spec: Any) -> Pace:
    config = {"order": "start-first", "parallelism": 0, "delay": "1m", "monitor": "500ms", "failure_action": "pause"}
    return Pace.of(Service(Key("Service", "web", "", "shop"), {"deploy": {"update_config": config}, **spec}))


def test_an_update_goes_as_the_service_says() -> None:
    assert pace() == Pace(True, 0, 60.0, 0.5, "pause")
    assert Pace.of(Service(Key("Service", "web", "", "shop"), {})) == Pace()


@pytest.mark.parametrize(
    "spec",
    [
        {"ports": [{"target": 80, "published": "8080"}]},
        {"network_mode": "host"},
        {"networks": {"default": {"ipv4_address": "10.0.0.2"}}},
    ],
)
def test_what_only_one_can_have_is_handed_over_by_stopping_first(spec: dict[str, Any]) -> None:
    assert not pace(**spec).start_first


def test_a_port_that_the_engine_chooses_is_nobodys() -> None:
    assert pace(ports=[{"target": 80}], networks={"default": None}).start_first
