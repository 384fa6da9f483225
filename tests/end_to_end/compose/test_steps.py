"""Whatever happens at whatever step of a change: what is not changed keeps running, and the next walk makes it as Git says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.compose.site import Site
from tests.end_to_end.estate import Estate
from tests.end_to_end.mortal import Mortal, mortal
from tests.testbed.docker.engine import Engine
from tests.testbed.docker.images import IMAGES
from tests.testbed.docker.toll import Toll

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

QUICK = {"update_config": {"monitor": "100ms"}}
ALWAYS = "unless-stopped"


@pytest.fixture
def toll(engine: Engine, tmp_path: Path) -> Iterator[Toll]:
    with Toll.before(engine, tmp_path / "toll.sock") as toll:
        yield toll


@pytest.fixture
def somebody(site: Site, tmp_path: Path) -> Iterator[Mortal]:
    """Runs the program; asks for the settings of `site`, which are in the environment."""
    with mortal(tmp_path) as mortal_one:
        yield mortal_one


class Steps:
    """A site that goes from one version to the other and back, through a toll gate where something happens."""

    def __init__(self, site: Site, toll: Toll, somebody: Mortal) -> None:
        self.site = site
        self.toll = toll
        self.somebody = somebody
        site.declare(toll.url, policy={"retry": {"limit": 0}, "timeout": "20s", "deleteLimit": {"percent": 100}})

    def write(self, number: int) -> None:
        """One version or the other: an image, a mounted file, a variable, a service and a network differ."""
        even = number % 2 == 0
        web = {"image": f"test/healthy:{1 + even}", "ports": ["8080:80"], "volumes": ["./www:/www:ro"], "restart": ALWAYS}
        db = {"image": "test/sleep:1", "volumes": ["data:/data"], "environment": {"ROUND": str(number)}, "restart": ALWAYS, "deploy": QUICK}
        side: dict[str, Any] = {"image": "test/web:1", "ports": ["8081:80"], "restart": ALWAYS, "deploy": QUICK}
        other = {"image": "test/sleep:1", "networks": [f"net{even:d}"], "restart": ALWAYS, "deploy": QUICK}
        services = {"web": web, "db": db, "side": side, f"other{even:d}": other}
        self.site.write(services, {"www/index.html": f"{number}\n"}, volumes={"data": {}}, networks={f"net{even:d}": {}})

    def apply(self) -> int:
        """The exit code; negative when it was killed."""
        estate = self.site.estate
        return self.somebody.run("apply", "--repo", estate.url, "--state", str(estate.state), "--yes")

    def converges(self, number: int) -> None:
        """The next walk makes it as Git says, and leaves nothing else behind."""
        self.toll.forget()
        assert self.apply() == 0, self.somebody.said
        self.site.answers(str(number))
        assert set(self.site.running()) == {f"shop-{name}-1" for name in ("web", "db", "side", f"other{number % 2 == 0:d}")}
        assert set(self.site.containers()) == set(self.site.running())
        assert f"ROUND={number}" in self.site.containers()["shop-db-1"]["Config"]["Env"]
        assert self.site.engine.docker("exec", "shop-db-1", "cat", "/data/file") == "precious\n"
        networks = [network["Name"] for network in self.site.engine.get("/networks")]
        assert {name for name in networks if name.startswith("shop_")} == {"shop_default", f"shop_net{number % 2 == 0:d}"}

    def at_every_one(self, deed: Callable[[], None], after: Callable[[int], None], stride: int = 1) -> int:
        """Have something happen at the first change that is asked for, at the next, and so on; how many there were.

        With an odd stride only at some of them, for what takes long.
        """
        self.write(0)
        assert self.apply() == 0, self.somebody.said
        self.site.engine.docker("exec", "shop-db-1", "sh", "-c", "echo precious > /data/file")
        for number in range(1, 200, stride):
            self.write(number)
            self.toll.arm(number, deed)
            code = self.apply()
            if not self.toll.sprung:
                assert code == 0
                return number - 1
            after(code)
            self.converges(number)
        raise AssertionError("it never ends")


def test_killed_at_every_step(site: Site, toll: Toll, somebody: Mortal) -> None:
    steps = Steps(site, toll, somebody)
    side: list[tuple[str, str]] = []

    def after(code: int) -> None:
        assert code == -9
        side.append(site.running()["shop-side-1"])

    assert steps.at_every_one(toll.kill, after) > 15
    assert len(set(side)) == 1


def test_the_engine_restarts_at_every_step(site: Site, toll: Toll, somebody: Mortal) -> None:
    steps = Steps(site, toll, somebody)

    def after(code: int) -> None:
        assert "shop-side-1" in site.running()

    assert steps.at_every_one(site.engine.restart_engine, after, 3) > 12


def test_the_disk_is_full_at_every_step(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_TARGETS", '{compose = {engines = ["*"]}}')
    small = Engine.start(tmp_path / "host", disk=160)
    for name, (instructions, files) in IMAGES.items():
        small.image(name, *instructions, files=files)
    full: list[bool] = []
    side: list[tuple[str, str]] = []
    with Toll.before(small, tmp_path / "toll.sock") as toll, mortal(tmp_path) as somebody:
        site = Site(estate, small)

        def fill() -> None:
            small.order("fill")
            full.append(True)

        def after(code: int) -> None:
            side.append(site.running()["shop-side-1"])
            small.order("free")

        assert Steps(site, toll, somebody).at_every_one(fill, after, 3) > 12
        assert len(set(side)) == 1
    small.stop()
