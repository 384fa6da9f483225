"""A repository that works at once."""

import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.answering import Answering, trueup
from trueup.cli.program import main
from trueup.model.application import ApplicationDocument, TargetDocument
from trueup.toolkit.documents import read

Captured = pytest.CaptureFixture[str]


def test_what_it_writes_is_a_repository_of_right_declarations(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "shop"
    assert main(["init", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [str(folder / name) for name in ("README.md", "trueup.yaml", "web/site/index.html", "web/web.yaml")]
    assert f"cd {folder} && git add . && git commit" in captured.err
    target, application = (document.body for document in read((folder / "trueup.yaml").read_bytes(), "trueup.yaml"))
    assert TargetDocument.model_validate(target).spec.runtime == "host"
    assert ApplicationDocument.model_validate(application).metadata.name == "web"
    kinds = [document.body["kind"] for document in read((folder / "web/web.yaml").read_bytes(), "web.yaml")]  # type: ignore[index]
    assert kinds == ["Directory", "File", "Service"]
    assert (folder / ".git").is_dir()


def test_a_folder_of_a_clone_stays_of_that_clone(tmp_path: Path) -> None:
    subprocess.run(["git", "init", str(tmp_path)], check=True, capture_output=True)
    assert main(["init", str(tmp_path / "deploy")]) == 0
    assert not (tmp_path / "deploy" / ".git").exists()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 64
    assert "README.md is there already" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_the_commands_of_its_readme_exist(tmp_path: Path) -> None:
    main(["init", str(tmp_path)])
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    for verb in ("plan", "apply", "why", "serve", "rollback"):
        assert f"trueup {verb}" in text
        assert trueup(Answering(), verb, "--help") == 0
