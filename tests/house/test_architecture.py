"""ARCHITECTURE.md says what the tree and `pyproject.toml` say."""

import re
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def text(root: Path) -> str:
    return (root / "ARCHITECTURE.md").read_text(encoding="utf-8")


def contract(root: Path, name: str) -> list[list[str]]:
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    [found] = [each for each in contracts if each["name"].startswith(name)]
    return [re.findall(r"\w+", layer) for layer in found["layers"]]


def drawn(text: str, first: str) -> list[list[str]]:
    """The layers of a drawing whose first line begins with this word: what stands before two spaces in each line."""
    [block] = [each for each in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if each.startswith(first)]
    return [re.split(r" \| ", re.split(r" {2,}", line)[0]) for line in block.splitlines()]


def test_it_is_read_in_one_sitting(text: str) -> None:
    assert len(text.splitlines()) <= 150


def test_the_layers_are_drawn_as_they_are_kept(root: Path, text: str) -> None:
    there = {path.name.removesuffix(".py") for path in (root / "src" / "trueup").iterdir()}
    kept = [[name for name in layer if name in there] for layer in contract(root, "The layers")]
    assert drawn(text, "cli")[: len(kept)] == [layer for layer in kept if layer != ["__main__"]]


def test_the_engine_is_drawn_as_it_is_kept(root: Path, text: str) -> None:
    assert drawn(text, "requests") == contract(root, "The walk")


def test_every_folder_and_file_of_the_house_is_named(root: Path, text: str) -> None:
    for path in (root / "src" / "trueup").iterdir():
        name = f"{path.name}/" if path.is_dir() else path.name
        if not name.startswith("__") and name != "py.typed":
            assert name in text, name


def test_every_file_that_it_names_is_there(root: Path, text: str) -> None:
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
        assert any((root / place / name).exists() for place in ("", "src/trueup", "src/trueup/engine")), name
