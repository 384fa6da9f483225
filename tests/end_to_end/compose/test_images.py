"""Images of a real engine, from a real registry."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import documents, target
from tests.testbed.docker.engine import Engine as Host
from tests.testbed.docker.images import SLEEP
from tests.testbed.docker.registry import PASSWORD, USER, Registry
from trueup.model.errors import Refused
from trueup.model.secret import Secret
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.login import Login


@pytest.fixture
def registry(engine: Host, tmp_path: Path) -> Iterator[Registry]:
    """One that everybody may use, with `app:1`."""
    with Registry.serving(tmp_path / "registry", engine.gateway) as serving:
        push(engine, serving, "test/sleep:1")
        yield serving


@pytest.fixture
async def images(engine: Host) -> AsyncIterator[Images]:
    client = Engine(Access(engine.url))
    yield Images(client)
    await client.close()


def push(engine: Host, registry: Registry, image: str, served: str = "app:1") -> str:
    """Have the registry serve an image as `app:1`, and the engine forget it; its digest."""
    name = registry.name(served)
    engine.docker("tag", image, name)
    engine.docker("push", name)
    digest = engine.docker("image", "inspect", "--format={{index .RepoDigests 0}}", name).strip().partition("@")[2]
    for each in (name, f"{registry.name('app')}@{digest}"):
        engine.request("DELETE", f"/images/{each}")
    return digest


async def test_an_image_is_pulled_by_the_digest_that_was_planned(engine: Host, registry: Registry, images: Images) -> None:
    name = registry.name("app:1")
    planned = await images.resolve(name, "missing", await images.listed())
    assert planned.pull
    assert not planned.identity
    moved = push(engine, registry, "test/sleep:2")
    assert moved != planned.digest
    identity = await images.bring(planned)
    assert identity == engine.get("/images/test/sleep:1/json")["Id"]
    assert engine.get(f"/images/{name}/json")["Id"] == identity
    again = await images.resolve(name, "missing", await images.listed())
    assert (again.identity, again.pull, again.digest) == (identity, False, planned.digest)


async def test_a_tag_that_moved_is_followed_where_the_policy_says_so(engine: Host, registry: Registry, images: Images) -> None:
    now = [0.0]
    images.clock = lambda: now[0]
    name = registry.name("app:1")
    first = await images.resolve(name, "daily", await images.listed())
    identity = await images.bring(first)
    push(engine, registry, "test/sleep:2")
    await images.bring(first)
    same = await images.resolve(name, "daily", await images.listed())
    assert (same.identity, same.pull) == (identity, False)
    now[0] += 86401
    next_day = await images.resolve(name, "daily", await images.listed())
    assert next_day.pull or next_day.identity != identity
    assert await images.bring(next_day) == engine.get("/images/test/sleep:2/json")["Id"]
    late = registry.name("app:2")
    assert (await images.resolve(late, "daily", await images.listed())).trouble
    digest = push(engine, registry, "test/sleep:1", "app:2")
    now[0] += 61
    told = await images.resolve(late, "daily", await images.listed())
    assert (told.digest, told.trouble) == (digest, ""), "a refusal is not believed for a day"


async def test_what_the_registry_does_not_have_is_said_with_its_words(registry: Registry, images: Images) -> None:
    image = await images.resolve(registry.name("app:none"), "missing", await images.listed())
    assert image.pull
    assert "manifest unknown" in image.trouble
    with pytest.raises(Refused, match=r"app:none cannot be pulled: manifest for .* not found") as refused:
        await images.bring(image)
    assert refused.value.hint


async def test_a_login_opens_a_closed_registry_and_never_shows(engine: Host, images: Images, tmp_path: Path) -> None:
    with Registry.serving(tmp_path / "closed", engine.gateway, closed=True) as closed:
        engine.docker("login", f"--username={USER}", "--password-stdin", closed.address, input=PASSWORD)
        push(engine, closed, "test/sleep:1")
        engine.docker("logout", closed.address)
        name = closed.name("app:1")
        with pytest.raises(Refused, match=r"no basic auth credentials|unauthorized"):
            await images.bring(await images.resolve(name, "missing", await images.listed()))
        wrong = Images(images.engine, {closed.address: Login(USER, Secret("wrong-one", "wrong"))})
        with pytest.raises(Refused) as refused:
            await wrong.bring(await wrong.resolve(name, "missing", await images.listed()))
        assert "wrong-one" not in f"{refused.value} {refused.value.hint}"
        known = Images(images.engine, {closed.address: Login(USER, Secret(PASSWORD, "registry"))})
        assert await known.bring(await known.resolve(name, "missing", await images.listed()))


async def test_never_asks_nobody(engine: Host, images: Images) -> None:
    image = await images.resolve("10.213.0.1:1/none:1", "never", await images.listed())
    assert not image.pull
    with pytest.raises(Refused, match="the engine has no image"):
        await images.bring(image)


async def test_a_name_that_was_given_to_another_image_is_seen(engine: Host, images: Images) -> None:
    engine.docker("tag", "test/sleep:1", "mine:1")
    before = await images.resolve("mine:1", "missing", await images.listed())
    engine.docker("tag", "test/sleep:2", "mine:1")
    after = await images.resolve("docker.io/library/mine:1", "missing", await images.listed())
    assert before.identity != after.identity
    assert after.identity == engine.get("/images/test/sleep:2/json")["Id"]


def test_the_operators_login_is_used_and_never_shown(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Registry.serving(tmp_path / "closed", site.engine.gateway, closed=True) as closed:
        site.engine.docker("login", f"--username={USER}", "--password-stdin", closed.address, input=PASSWORD)
        push(site.engine, closed, "test/sleep:1")
        site.declare(policy={"retry": {"limit": 0}})
        site.write({"web": {"image": closed.name("app:1")}})
        refused = site.trueup("apply")
        assert refused.code == 1
        assert "no basic auth credentials" in refused.err
        assert "`registries` in `[targets.compose]`" in refused.err
        login = f'{{server = "{closed.address}", username = "{USER}", password = {{secret = "REGISTRY"}}}}'
        monkeypatch.setenv("TRUEUP_TARGETS", f'{{compose = {{engines = ["*"], registries = [{login}]}}}}')
        monkeypatch.setenv("TRUEUP_SECRETS", '{REGISTRY = {env = "PASSWORD_OF_IT"}}')
        monkeypatch.setenv("PASSWORD_OF_IT", PASSWORD)
        said = site.apply("--all")
        running = site.running()
        assert list(running) == ["shop-web-1"]
        assert PASSWORD not in said.out + said.err + site.engine.docker("inspect", "shop-web-1")
        monkeypatch.setenv("PASSWORD_OF_IT", "wrong-one")
        site.write({"web": {"image": closed.name("app:2")}})
        refused = site.trueup("apply")
        assert (refused.code, "whether the login of its registry may read it" in refused.err) == (1, True), refused.err
        assert "wrong-one" not in refused.out + refused.err
    site.write({"web": {"image": closed.name("app:1"), "pull_policy": "always"}})
    assert site.changes() == {}  # what the registry would say cannot be found out, and does not count against what runs
    site.write({"web": {"image": closed.name("app:3")}})
    refused = site.trueup("apply")
    assert (refused.code, "look whether the engine's host reaches the registry" in refused.err) == (1, True), refused.err
    assert site.running() == running


def test_images_that_came_for_a_service_go_when_nobody_needs_them(site: Site, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_TARGETS", '{compose = {engines = ["*"], keepImages = 1}}')
    site.declare(policy={"removal": "delete"})
    seen: list[dict[str, str]] = []
    for number in (1, 2, 3):
        site.engine.image("test/next:1", f"ENV NUMBER={number}", *SLEEP)
        push(site.engine, registry, "test/next:1", f"app:{number}")
        site.engine.request("DELETE", "/images/test/next:1")
        services = {"web": {"image": registry.name(f"app:{number}")}, "built": {"build": "app"}}
        site.write(services, {"app/Dockerfile": f"FROM test/sleep:1\nENV NUMBER={number}\n"})
        site.apply()
        seen.append({name: each["Image"] for name, each in site.containers().items()})
        if number == 1:
            site.engine.docker("tag", seen[0]["shop-web-1"], "mine:1")
    first, *later = seen
    assert all(site.engine.get(f"/images/{identity}/json") for each in later for identity in each.values())
    assert site.engine.get(f"/images/{first['shop-built-1']}/json") is None
    assert site.engine.get(f"/images/{first['shop-web-1']}/json")["RepoTags"] == ["mine:1"]

    site.estate.commit({"trueup.yaml": documents(target("here", "compose", engine=site.engine.url))})
    site.apply()
    assert not any(site.engine.get(f"/images/{identity}/json") for each in later for identity in each.values())
    assert site.engine.get("/images/mine:1/json")
    assert site.engine.get("/images/test/sleep:1/json")
