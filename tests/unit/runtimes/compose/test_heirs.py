"""Who goes first where ports of the host change hands."""

import time

from trueup.model.application import Application, ApplicationSpec
from trueup.model.contracts import Desired, Owner
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.heirs import at_once, givers, in_order, in_time, rings
from trueup.runtimes.compose.labels import Marks
from trueup.runtimes.compose.picture import Shot
from trueup.runtimes.compose.scene import Scene
from trueup.testing.trees import FolderTree

A, B, C, D = (Key("Service", name, "", "shop") for name in "abcd")


def test_those_that_give_to_each_other_are_a_ring() -> None:
    giving = {A: (B,), B: (C,), C: (A,), D: (A,)}
    assert rings(giving, [A, B, C, D]) == [frozenset([A, B, C])]
    assert rings(giving, [A, B, D]) == []


def test_who_gives_a_port_away_goes_no_later_than_who_gets_it() -> None:
    assert in_time({A: 0, B: 1, C: 2, D: 3}, {A: (B,), B: (C,)}) == {A: 0, B: 0, C: 0, D: 3}
    assert in_time({A: 2, B: 1}, {A: (B,)}) == {A: 2, B: 1}


def test_nobody_waits_for_himself() -> None:
    assert in_order({A: (B,), B: ()}, A, [C]) == {A: (B, C), B: ()}
    assert in_order({A: (B,), B: ()}, B, [A]) == {A: (B,), B: ()}


def test_nobody_of_a_ring_waits_for_another_one_of_it() -> None:
    after = {A: (B, D), B: (), C: (B,), D: (B,)}
    assert at_once(after, frozenset([A, B])) == {A: (), B: (), C: (B,), D: (B,)}


def shifted(count: int) -> Scene:
    """So many services that each want the port that the next one has."""
    shop = Application("file:///r#main", "shop", ApplicationSpec(target="here"), "trueup.yaml", 1)
    owner = Owner(shop.repository, shop.name)
    manifests: dict[Key, Manifest] = {}
    containers: dict[Key, tuple[Container, ...]] = {}
    for number in range(count):
        key, port = Key("Service", f"s{number:03}", "", "shop"), 8000 + number
        spec: Body = {"image": "x", "ports": [{"target": 80, "published": str(port + 1)}]}
        bindings = {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}
        body: Body = {"Id": key.name, "Name": f"/shop-{key.name}-1", "State": {"Status": "running"}, "Config": {"Labels": {}}}
        manifests[key] = Manifest(key, {"spec": spec}, Origin("compose.yaml", 1))
        containers[key] = (Container({**body, "HostConfig": {"PortBindings": bindings}, "NetworkSettings": {}}, Marks(owner=owner)),)
    return Scene(Desired(shop, "1" * 40, tuple(manifests.values()), FolderTree({})), owner, Shot(), {}, manifests, containers)


def test_whose_ports_are_whose_is_found_for_many_services() -> None:
    began = time.process_time()
    found = givers(shifted(200))
    assert found[Key("Service", "s007", "", "shop")] == (Key("Service", "s008", "", "shop"),)
    assert len(found) == 199
    assert time.process_time() - began < 2
