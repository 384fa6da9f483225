"""The figures of Docker Compose hosts, as a table: `make bench-compose`. Nothing else should run beside it.

An engine of the test bed, and the `trueup` program as it is installed. The real `docker compose` gets the same files in the same run:
ratios, not seconds, are what can be compared with other machines.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.walk import TRUEUP, Clone, Rows, serving, tell
from tests.testbed.docker import compose
from tests.testbed.docker.engine import Engine
from tests.testbed.docker.images import IMAGES
from tests.testbed.docker.toll import Toll

TURNS = 5
DECLARED = """\
apiVersion: trueup.dev/v1
kind: Target
metadata: {{name: bench}}
spec: {{runtime: compose, engine: "{url}"}}
---
apiVersion: trueup.dev/v1
kind: Application
metadata: {{name: shop}}
spec: {{target: bench, path: shop, policy: {{selfHeal: true}}}}
"""


class Shop:
    """A project of many services in a repository, and the same as a folder of docker compose."""

    def __init__(self, place: Path, url: str, services: int) -> None:
        self.place = place
        self.services = services
        self.bare = place / "shop.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True)
        self.clone = Clone(self.bare, place / "clone")
        self.beside = place / "beside"
        self.beside.mkdir()
        self.file = json.dumps(self._project(""))
        for number in range(services):
            self._write(f"conf/{number:02d}/settings.conf", "level = info\n")
        (self.clone.where / "trueup.yaml").write_text(DECLARED.format(url=url))
        self._write("compose.yaml", self.file)
        self.clone.git("add", "-A")
        self.commit("the shop")

    def _project(self, touched: str) -> dict[str, object]:
        services = {
            f"web-{number:02d}": {
                "image": "test/sleep:1",
                "environment": {"LEVEL": touched if number == self.services - 1 and touched else "info", "NUMBER": str(number)},
                "volumes": [f"./conf/{number:02d}:/etc/shop:ro"],
                "restart": "unless-stopped",
                "deploy": {"update_config": {"monitor": "1ms"}},
            }
            for number in range(self.services)
        }
        return {"services": services}

    def edit_one(self, value: str) -> None:
        """A variable of one service."""
        self._write("compose.yaml", json.dumps(self._project(value)))
        self.commit(f"level {value}")

    def edit_content(self, value: str) -> None:
        """A file that one service mounts."""
        self._write("conf/00/settings.conf", f"level = {value}\n")
        self.commit(f"content {value}")

    def edit_nothing(self, text: str) -> None:
        """A commit that changes no service: the same project, written otherwise."""
        self._write("compose.yaml", f"# {text}\n{(self.beside / 'compose.yaml').read_text()}")
        self.commit(text)

    def commit(self, message: str) -> None:
        """What was written, pushed."""
        self.clone.git("commit", "-qam", message)
        self.clone.git("push", "-q")

    def _write(self, path: str, text: str) -> None:
        for folder in (self.clone.where / "shop", self.beside):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

    def trueup(self, *arguments: str) -> float:
        """Seconds of a command."""
        command = [str(TRUEUP), *arguments, "--repo", str(self.bare), "--state", str(self.place / "state")]
        return timed(lambda: _succeeding(command))

    def compose(self, engine: Engine) -> float:
        """Seconds of `docker compose up --detach`."""
        return timed(lambda: compose.run(["up", "--detach", "--remove-orphans"], self.beside, {"DOCKER_HOST": engine.url}))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=50)
    chosen = parser.parse_args()
    os.environ["TRUEUP_TARGETS"] = '{compose = {engines = ["*"]}}'
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as folder:
        place = Path(folder)
        engine = Engine.start(place / "host")
        try:
            for name, (instructions, files) in IMAGES.items():
                engine.image(name, *instructions, files=files)
            with Toll.before(engine, place / "toll.sock") as toll:
                rows = measure(Shop(place, toll.url, chosen.services), engine, toll)
        finally:
            engine.stop()
    print("| what | must be | measured |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def measure(shop: Shop, engine: Engine, toll: Toll) -> Rows:
    """All figures of one project."""
    count = shop.services
    tell("planning what is not there")
    nothing = statistics.median(shop.trueup("plan") for _ in range(TURNS))
    used = processor()
    shop.trueup("plan")
    used = processor() - used
    tell("everything for the first time")
    ours, theirs = shop.trueup("apply", "--yes"), shop.compose(engine)
    tell("planning what is there")
    again = statistics.median(shop.trueup("plan", "--app", "shop") for _ in range(TURNS))
    toll.forget()
    used_again = processor()
    shop.trueup("plan", "--app", "shop")
    used_again = processor() - used_again
    asked = len(toll.requests)
    rows = [
        (f"{count} services planned, nothing there: `trueup plan` as a whole process", "2 s", f"{nothing:.2f} s"),
        ("processor time of that", "-", f"{used:.2f} s"),
        (f"{count} services planned, all there", "2 s", f"{again:.2f} s"),
        ("processor time of that", "-", f"{used_again:.2f} s"),
        ("requests of that", "-", str(asked)),
        ("from nothing to all running", "-", f"{ours:.1f} s"),
        ("the same by `docker compose up -d`", "-", f"{theirs:.1f} s"),
        ("ratio", "-", f"{ours / theirs:.2f}"),
    ]
    return rows + edits(shop, engine, toll) + unchanged(shop, toll)


def edits(shop: Shop, engine: Engine, toll: Toll) -> Rows:
    """One of all services is changed."""
    tell("an edit of one service")
    ours, theirs, changes = [], [], []
    for turn in range(TURNS):
        shop.edit_one(f"turn-{turn}")
        toll.forget()
        ours.append(shop.trueup("apply"))
        changes.append(len(toll.changes))
        theirs.append(shop.compose(engine))
    content = []
    for turn in range(TURNS):
        shop.edit_content(f"turn-{turn}")
        content.append(shop.trueup("apply"))
    mine, others = statistics.median(ours), statistics.median(theirs)
    return [
        (f"a variable of one of {shop.services} edited: `trueup apply` as a whole process", "-", f"{mine:.2f} s"),
        ("requests of that which change something", "-", f"{statistics.median(changes):.0f}"),
        ("the same by `docker compose up -d`", "-", f"{others:.2f} s"),
        ("ratio", "-", f"{mine / others:.2f}"),
        ("a mounted file of one edited, which `docker compose up -d` does not see", "-", f"{statistics.median(content):.2f} s"),
    ]


def unchanged(shop: Shop, toll: Toll) -> Rows:
    """A serve that walks for a commit which changes nothing."""
    tell("walks that change nothing")
    counts = []
    with serving(shop.bare, shop.place / "state", "600s") as serve:
        serve.wait(lambda: serve.synced() == 1, 60)
        time.sleep(3)
        for turn in range(TURNS):
            shop.edit_nothing(f"turn {turn}")
            before = serve.counted()[1]
            toll.forget()
            serve.trigger()
            serve.wait(lambda before=before: serve.counted()[1] > before, 60)  # type: ignore[misc]
            time.sleep(0.5)
            counts.append(len(toll.requests))
        memory = serve.memory("VmRSS")
    return [
        ("requests of a walk that changes nothing", "fewer than 5", "/".join(map(str, counts))),
        ("resident memory of `trueup serve`", "350 MiB", f"{memory:.0f} MiB"),
        ("load of the machine, over a minute", "-", f"{os.getloadavg()[0]:.1f}"),
    ]


def _succeeding(command: list[str]) -> None:
    """A plan with changes ends with 2."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")


def processor() -> float:
    """Seconds of processor time of all commands that ended."""
    times = os.times()
    return times.children_user + times.children_system


def timed(deed: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.monotonic()
    deed()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
