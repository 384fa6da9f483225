"""One service from one version to the next, on a real engine."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from tests.testbed.docker.engine import Engine as Host
from tests.testbed.docker.engine import wait_until
from trueup.model.errors import Refused
from trueup.model.manifest import Key
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.labels import Marks
from trueup.runtimes.compose.look import Deed, Step
from trueup.runtimes.compose.service import Service
from trueup.runtimes.compose.updating import Recipe, Update, settle
from trueup.runtimes.compose.wanted import Surroundings, container_of

KEY = Key("Service", "web", "", "shop")


@pytest.fixture
async def client(engine: Host) -> AsyncIterator[Engine]:
    connected = Engine(Access(engine.url))
    yield connected
    await connected.close()


def service_of(image: str, **spec: Any) -> Service:
    return Service(KEY, {"image": image, "network_mode": "bridge", **spec})


def there(engine: Host) -> list[Container]:
    return [Container(body, Marks()) for body in engine.containers(of="shop")]


def names(engine: Host) -> dict[str, str]:
    """Name -> state and image."""
    return {each.name: f"{each.status} {each.body['Config']['Image']}" for each in there(engine)}


async def update(engine: Host, client: Engine, service: Service, secrets: Mapping[str, bytes] = MappingProxyType({})) -> None:
    """Bring the service to this version."""
    present = {each.name: each for each in there(engine)}
    steps = [
        Step(number, name, present.pop(name, None), Deed.RECREATE if name in names(engine) else Deed.CREATE)
        for number, name in service.names.items()
    ]
    steps += [Step(each.number, each.name, each, Deed.REMOVE) for each in present.values()]
    await Update(client, service, recipe_of(client, service, secrets), patience=20).run(steps)


def recipe_of(client: Engine, service: Service, secrets: Mapping[str, bytes] = MappingProxyType({})) -> Recipe:
    async def create(step: Step, name: str) -> str:
        body = container_of(service, step.number, Surroundings(service.image), {"of": "shop"})
        made = str((await client.post("/containers/create", body, name=name))["Id"])
        for folder, archive in secrets.items():
            await client.put_archive(made, folder, archive)
        return made

    return Recipe(create)


async def test_a_service_is_replaced_and_nothing_of_it_is_left(engine: Host, client: Engine) -> None:
    await update(engine, client, service_of("test/sleep:1"))
    await update(engine, client, service_of("test/sleep:2", deploy={"update_config": {"monitor": "300ms"}}))
    assert names(engine) == {"shop-web-1": "running test/sleep:2"}


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
@pytest.mark.parametrize(
    ("image", "reason"), [("test/exits:1", "exit code 3; its last words: no use"), ("test/sick:1", "it is unhealthy: its check ends with")]
)
async def test_what_does_not_do_well_is_taken_back_with_the_reason(
    engine: Host, client: Engine, image: str, reason: str, order: str
) -> None:
    deploy = {"replicas": 2, "update_config": {"order": order, "monitor": "1s"}}
    await update(engine, client, service_of("test/healthy:1", deploy=deploy))
    with pytest.raises(Refused, match=reason) as refused:
        await update(engine, client, service_of(image, deploy=deploy))
    assert "the version before runs again" in refused.value.message
    assert names(engine) == {f"shop-web-{number}": "running test/healthy:1" for number in (1, 2)}


async def test_one_that_cannot_go_back_keeps_no_other_from_it(engine: Host, client: Engine) -> None:
    deploy = {"replicas": 3, "update_config": {"parallelism": 0, "monitor": "1s"}}
    await update(engine, client, service_of("test/sleep:1", deploy=deploy))
    before = there(engine)

    async def back() -> None:
        # Somebody tidies up by hand at the worst of moments.
        engine.docker("rm", "--force", "shop-web-1.new", "shop-web-2.old")

    service = service_of("test/exits:1", deploy=deploy)
    recipe = replace(recipe_of(client, service), back=back)
    with pytest.raises(Refused, match=r"exit code 3.*could not come back: No such container"):
        await Update(client, service, recipe, patience=20).run([Step(each.number, each.name, each, Deed.RECREATE) for each in before])
    assert names(engine) == {f"shop-web-{number}": "running test/sleep:1" for number in (1, 3)}


async def test_start_first_never_leaves_the_service_without_a_container(engine: Host, client: Engine) -> None:
    deploy = {"update_config": {"order": "start-first"}}
    await update(engine, client, service_of("test/healthy:1", deploy=deploy))
    old = there(engine)[0]
    await update(engine, client, service_of("test/healthy:2", deploy=deploy))
    new = there(engine)[0]
    stopped = [event for event in events(engine) if event["Actor"]["ID"] == old.id and event["Action"] in ("kill", "stop")]
    healthy = [event for event in events(engine) if event["Actor"]["ID"] == new.id and event["Action"] == "health_status: healthy"]
    assert min(event["timeNano"] for event in healthy) < min(event["timeNano"] for event in stopped)


async def test_a_port_of_the_host_is_handed_over_by_stopping_first(engine: Host, client: Engine) -> None:
    spec = {"ports": [{"target": 80, "published": "8081"}], "deploy": {"update_config": {"order": "start-first", "monitor": "300ms"}}}
    await update(engine, client, service_of("test/web:1", **spec))
    wait_until(lambda: shows(engine, "one\n"), "the first version is not served")
    await update(engine, client, service_of("test/web:2", **spec))
    wait_until(lambda: shows(engine, "two\n"), "the second version is not served")


async def test_nothing_stops_when_the_new_one_cannot_be_made(engine: Host, client: Engine) -> None:
    await update(engine, client, service_of("test/sleep:1", deploy={"replicas": 2}))
    before = {each.id: each.body["State"]["StartedAt"] for each in there(engine)}
    with pytest.raises(Refused):
        await update(engine, client, service_of("test/sleep:2", runtime="no-such-runtime", deploy={"replicas": 2}))
    assert {each.id: each.body["State"]["StartedAt"] for each in there(engine)} == before


async def test_one_that_cannot_start_gives_way_to_the_version_before(engine: Host, client: Engine) -> None:
    await update(engine, client, service_of("test/sleep:1"))
    with pytest.raises(Refused, match="no-such-program"):
        await update(engine, client, service_of("test/sleep:2", command=["no-such-program"]))
    assert names(engine) == {"shop-web-1": "running test/sleep:1"}


async def test_who_gives_way_with_a_new_name_leaves_the_one_before_its_own(engine: Host, client: Engine) -> None:
    await update(engine, client, service_of("test/sleep:1", container_name="one"))
    service = service_of("test/sleep:2", container_name="two", command=["no-such-program"])
    with pytest.raises(Refused, match="no-such-program"):
        await Update(client, service, recipe_of(client, service), patience=20).run([Step(1, "two", there(engine)[0], Deed.RECREATE)])
    assert names(engine) == {"one": "running test/sleep:1"}


async def test_scaling_touches_only_what_is_added_or_taken(engine: Host, client: Engine) -> None:
    await update(engine, client, service_of("test/sleep:1", deploy={"replicas": 2}))
    first = {each.id for each in there(engine)}
    keep = [Step(each.number, each.name, each, Deed.LEAVE) for each in there(engine)]
    service = service_of("test/sleep:1", deploy={"replicas": 3})
    await Update(client, service, recipe_of(client, service), patience=20).run([*keep, Step(3, "shop-web-3", None, Deed.CREATE)])
    assert len(there(engine)) == 3
    assert first < {each.id for each in there(engine)}
    await update_to_one(engine, client, service)
    assert list(names(engine)) == ["shop-web-1"]
    assert {each.id for each in there(engine)} < first


async def update_to_one(engine: Host, client: Engine, service: Service) -> None:
    first, *rest = there(engine)
    steps = [Step(1, first.name, first, Deed.LEAVE), *(Step(0, each.name, each, Deed.REMOVE) for each in rest)]
    await Update(client, service, recipe_of(client, service), patience=20).run(steps)


async def test_secrets_are_there_when_it_starts_and_show_nowhere(engine: Host, client: Engine) -> None:
    from trueup.model.secret import Secret
    from trueup.runtimes.compose.confiding import secrets_of
    from trueup.testing.trees import FolderTree

    told = [{"target": "/run/secrets/db", "name": "DB", "uid": "1000", "mode": "0400"}, {"target": "/run/secrets/key", "content": "/k"}]
    tar = secrets_of({"secrets": told}, FolderTree({"k": b"from-git"}), lambda name: Secret("swordfish", name))
    await update(engine, client, service_of("test/sleep:1"), secrets=tar)
    assert engine.docker("exec", "shop-web-1", "cat", "/run/secrets/db", "/run/secrets/key") == "swordfishfrom-git"
    assert engine.docker("exec", "shop-web-1", "stat", "-c", "%a %u", "/run/secrets/db", "/run/secrets") == "400 1000\n755 0\n"
    assert "swordfish" not in engine.docker("inspect", "shop-web-1")


@pytest.mark.parametrize("broken_off", ["made", "set aside", "renamed", "started"])
async def test_an_update_that_was_broken_off_is_settled(engine: Host, client: Engine, broken_off: str) -> None:
    await update(engine, client, service_of("test/sleep:1"))
    engine.docker("create", "--name=shop-web-1.new", "--label=of=shop", "test/sleep:2")
    if broken_off != "made":
        engine.docker("stop", "--time=0", "shop-web-1")
        engine.docker("rename", "shop-web-1", "shop-web-1.old")
    if broken_off in ("renamed", "started"):
        engine.docker("rename", "shop-web-1.new", "shop-web-1")
    if broken_off == "started":
        engine.docker("start", "shop-web-1")
    assert await settle(client, there(engine))
    version = 2 if broken_off == "started" else 1
    assert names(engine) == {"shop-web-1": f"running test/sleep:{version}"}
    assert not await settle(client, there(engine))


def shows(engine: Host, page: str) -> bool:
    with suppress(OSError):
        return engine.page(8081) == page
    return False


def events(engine: Host) -> list[Any]:
    import json
    import time

    status, content = engine.request("GET", f"/events?since=0&until={int(time.time()) + 1}")
    assert status == 200
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return [json.loads(line) for line in text.splitlines() if line.strip()]
