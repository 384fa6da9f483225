"""A green run has run everything: what is missing on a build machine fails, and elsewhere is named."""

import shutil
from pathlib import Path

import pytest

from tests.components import require


@pytest.fixture
def nothing_installs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_what_is_there_is_found() -> None:
    assert str(require("git", "git")) == shutil.which("git")


@pytest.mark.usefixtures("nothing_installs")
def test_a_build_machine_fails_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install the package nowhere-to-be-had"):
        require("nowhere-to-be-had", "nowhere-to-be-had")


@pytest.mark.usefixtures("nothing_installs")
def test_elsewhere_the_test_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install the package nowhere-to-be-had"):
        require("nowhere-to-be-had", "nowhere-to-be-had")
