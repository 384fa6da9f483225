"""Every folder of examples/ is applied as a stranger would apply it, becomes healthy, and goes again when Git says so."""

from pathlib import Path

import pytest

from scripts.playground import ROOT, Playground, playground, running

EXAMPLES = sorted(folder for folder in (ROOT / "examples").iterdir() if folder.is_dir())


def ran(desk: Playground, command: str) -> str:
    answer = desk.run(command)
    assert answer.code == 0, f"{command} ended with {answer.code}\n{answer.output}"
    return answer.output


def repository_of(desk: Playground) -> None:
    ran(desk, f"git init --quiet --bare {desk.origin} && git clone --quiet {desk.origin} {desk.clone}")
    desk.fill()
    ran(desk, 'git add . && git commit --quiet -m "the first declaration" && git push --quiet')


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_becomes_healthy_and_goes_again(example: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "runtime: kubernetes" in (example / "trueup.yaml").read_text(encoding="utf-8"):
        # The example speaks of the current context: here that of a cluster which the tests started.
        monkeypatch.setenv("KUBECONFIG", str(request.getfixturevalue("cluster").kubeconfig))
    with playground(example) as desk:
        repository_of(desk)
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
