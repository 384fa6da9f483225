"""What people can meet is documented: errors, plug-ins, pages."""

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from trueup.model import errors


def subclasses(error: type[errors.TrueupError]) -> set[type[errors.TrueupError]]:
    return {error}.union(*(subclasses(below) for below in error.__subclasses__()))


def test_every_error_is_documented(root: Path) -> None:
    rows = (root / "docs" / "reference" / "errors.md").read_text(encoding="utf-8").splitlines()
    for error in subclasses(errors.TrueupError) - {errors.TrueupError, errors.RuntimeFault}:
        [row] = [row for row in rows if row.startswith(f"| `{error.__name__}` |")]
        assert row.endswith(f"| {error.exit_code} |"), row


@pytest.mark.parametrize("family", ["renderers", "runtimes", "forges"])
def test_every_built_in_has_a_page(root: Path, family: str) -> None:
    ours = [entry.name for entry in entry_points(group=f"trueup.{family}") if entry.dist and entry.dist.name == "trueup"]
    assert not [name for name in ours if not (root / "docs" / family / f"{name}.md").exists()]


def test_every_page_is_in_the_navigation(root: Path) -> None:
    navigation = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    pages = {page.relative_to(root / "docs").as_posix() for page in (root / "docs").rglob("*.md")}
    assert pages == set(re.findall(r"[\w/-]+\.md", repr(navigation)))
