"""What is committed: no registry's address, no lock file that names one, versions with hashes."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from scripts.wheels import PROCESSORS, missing

REGISTRY = re.compile(
    r"--(extra-)?index-url|--find-links|\bindex-url\s*=|\bregistry\s*=\s*[\"']?http|https?://[^\s/]*\b(pypi|pythonhosted)\b"
)


def tracked(root: Path) -> list[Path]:
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in answer.stdout.split("\0") if name and (root / name).is_file()]


def requirements(root: Path, name: str) -> str:
    return (root / "requirements" / name).read_text(encoding="utf-8")


def test_no_tracked_file_names_a_registry(root: Path) -> None:
    files = [file for file in tracked(root) if file != Path(__file__) and file.stat().st_size < 5_000_000]
    assert files
    assert not [file.name for file in files if REGISTRY.search(file.read_text(encoding="utf-8", errors="replace"))]


def test_the_lock_file_stays_on_the_machine(root: Path) -> None:
    assert not [file for file in tracked(root) if file.name == "uv.lock"]


@pytest.mark.parametrize("name", ["runtime.txt", "development.txt"])
def test_every_requirement_has_a_version_and_hashes_and_no_address(root: Path, name: str) -> None:
    text = requirements(root, name)
    assert "://" not in text
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9-]+==\S+", block), block
        assert "--hash=sha256:" in block, block


def test_what_the_package_asks_for_is_what_is_installed(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in project["dependencies"]}
    assert wanted <= set(re.findall(r"^([a-z0-9-]+)==", requirements(root, "runtime.txt"), re.MULTILINE))


def test_the_development_versions_are_those_of_the_runtime(root: Path) -> None:
    pinned = re.compile(r"^[a-z0-9-]+==[^\s;]+", re.MULTILINE)
    assert set(pinned.findall(requirements(root, "runtime.txt"))) <= set(pinned.findall(requirements(root, "development.txt")))


@pytest.mark.network
@pytest.mark.parametrize("processor", PROCESSORS)
def test_every_requirement_has_a_wheel_for_the_next_python(processor: str) -> None:
    assert not missing(processor)
