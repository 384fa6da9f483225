"""Every folder of examples/ is applied as a stranger would apply it, becomes healthy, and goes again when Git says so."""

import re
from pathlib import Path

import pytest

from scripts.playground import ROOT, Playground, playground, running
from tests.testbed.docker.engine import Engine

EXAMPLES = sorted(folder for folder in (ROOT / "examples").iterdir() if folder.is_dir())


def ran(desk: Playground, command: str) -> str:
    answer = desk.run(command)
    assert answer.code == 0, f"{command} ended with {answer.code}\n{answer.output}"
    return answer.output


def repository_of(desk: Playground, request: pytest.FixtureRequest) -> list[Engine]:
    ran(desk, f"git init --quiet --bare {desk.origin} && git clone --quiet {desk.origin} {desk.clone}")
    desk.fill()
    hosts = docker_hosts(desk, request) if "runtime: compose" in (desk.clone / "trueup.yaml").read_text(encoding="utf-8") else []
    ran(desk, 'git add . && git commit --quiet -m "the first declaration" && git push --quiet')
    return hosts


def docker_hosts(desk: Playground, request: pytest.FixtureRequest) -> list[Engine]:
    """An engine of the tests for each one that the example names; the default is this machine's own."""
    file = desk.clone / "trueup.yaml"
    text = file.read_text(encoding="utf-8").replace(
        "  runtime: compose\n---", "  runtime: compose\n  engine: unix:///var/run/docker.sock\n---"
    )
    engines = []
    folder: Path = request.getfixturevalue("tmp_path")
    for number, address in enumerate(dict.fromkeys(re.findall(r"engine: (\S+)", text))):
        host = Engine.start(folder / f"host-{number}")
        request.addfinalizer(host.stop)
        host.image("busybox:1.36")
        text = text.replace(f"engine: {address}\n", f"engine: {host.url}\n")
        engines.append(host)
    file.write_text(text, encoding="utf-8")
    desk.environment["TRUEUP_TARGETS"] = '{compose = {engines = ["*"]}}'
    return engines


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_becomes_healthy_and_goes_again(example: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "runtime: kubernetes" in (example / "trueup.yaml").read_text(encoding="utf-8"):
        # The example speaks of the current context: here that of a cluster which the tests started.
        monkeypatch.setenv("KUBECONFIG", str(request.getfixturevalue("cluster").kubeconfig))
    with playground(example) as desk:
        hosts = repository_of(desk, request)
        ran(desk, "trueup check")
        ran(desk, "trueup apply")
        applications = desk.asked("trueup status")["items"]
        assert applications
        assert {(each["sync"], each["health"]) for each in applications} == {("synced", "healthy")}
        assert desk.run("trueup plan --all").code == 0, "what was applied needs no change"

        for declaration in desk.clone.rglob("*trueup.yaml"):
            kept = [text for text in declaration.read_text(encoding="utf-8").split("---\n") if "kind: Application" not in text]
            declaration.write_text("---\n".join(kept), encoding="utf-8")
        ran(desk, 'git commit --quiet -am "no application any more" && git push --quiet')
        ran(desk, "trueup apply --yes")
        left = desk.asked("trueup status")["items"]
        assert left == [], left
        assert running(desk.folder) == []
        left_over = [str(each["Name"]) for host in hosts for each in host.containers()]
        assert [name for name in left_over if not name.startswith("/trueup_")] == [], "only who guards what was kept stays"
