"""The commands of the pages run as they are written and print what the pages say; the targets of `make` that they name exist."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from scripts.demo import EXAMPLE, Demo
from scripts.playground import GIT_CONFIGURATION, ROOT, Playground, end_everything, playground, running
from tests.testbed.pages import Command, Outcome, alike, commands_of, missing, run

ELSEWHERE = {
    "README.md": "runs in what `make run` sets up",
    "docs/reference/telemetry.md": "asks a serve with a token",
    "docs/kubernetes-tutorial.md": "needs a cluster",
    "docs/compose-tutorial.md": "needs three Docker hosts",
}


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"), *(ROOT / "src").rglob("*.md")]
    return sorted(page.relative_to(ROOT) for page in found)


def told(commands: list[Command], outcomes: list[Outcome]) -> str:
    return "\n".join(f"$ {command.line}\n{outcome.output}\n({outcome.code})" for command, outcome in zip(commands, outcomes, strict=False))


def assert_as_written(commands: list[Command], outcomes: list[Outcome]) -> None:
    assert len(outcomes) == len(commands), told(commands, outcomes)
    for command, outcome in zip(commands, outcomes, strict=True):
        assert outcome.code == command.code, f"`{command.line}` ended with {outcome.code}\n{told(commands, outcomes)}"
        assert not missing(command, outcome), f"`{command.line}` printed\n{outcome.output}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a reader stands: a home with a Git configuration, and Trueup's checkout beside it."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text(GIT_CONFIGURATION, encoding="utf-8")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [page for page in pages() if commands_of(ROOT / page) and str(page) not in ELSEWHERE], ids=str)
def test_the_commands_of_a_page_print_what_it_says(page: Path, home: Path) -> None:
    commands = commands_of(ROOT / page)
    if page.is_relative_to("src/trueup/cli/starter"):
        # It is read in the repository that `trueup init` has just made.
        commands.insert(0, Command("trueup init shop && cd shop", 0))
    try:
        outcomes = run(commands, home, {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig")})
        assert_as_written(commands, outcomes)
    finally:
        end_everything(home)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_readme_shows_what_a_push_does() -> None:
    with playground(EXAMPLE) as desk:
        with contextlib.redirect_stdout(io.StringIO()):
            set_up(desk)
        commands = commands_of(ROOT / "README.md")
        assert_as_written(commands, run(commands, desk.clone, desk.environment, desk.port))
    assert running(desk.folder) == []


def set_up(desk: Playground) -> None:
    demo = Demo(desk)
    demo.set_up()
    demo.serve()


def test_every_target_of_make_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in pages():
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, f"{page}: {named - targets}"


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in pages():
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / page.parent / link).exists(), f"{page}: {link}"


def test_a_page_that_lies_is_found(home: Path) -> None:
    page = home / "page.md"
    page.write_text("```console\n$ echo one 5s\none 7s\n$ false   # exits with 1\n$ echo two\nthree\n$ false\n```\n", encoding="utf-8")
    commands = commands_of(page)
    outcomes = run(commands, home)
    assert [outcome.code for outcome in outcomes] == [0, 1, 0, 1]
    assert [missing(*each) for each in zip(commands, outcomes, strict=True)] == [[], [], ["three"], []]
    with pytest.raises(AssertionError):
        assert_as_written(commands, outcomes)
    assert alike("at 0f00bb3   2.5s") == alike("at 98433b5 10s")
    assert alike("healthy") != alike("degraded")
