"""The order of imports, as ARCHITECTURE.md draws it, is kept by the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_are_kept(root: Path) -> None:
    answer = lint_imports(root)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("unplaced.py", ""),
        ("engine/unplaced.py", ""),
        ("model/health.py", "import trueup.engine.reconcile"),
        ("toolkit/__init__.py", "import trueup.model.plan"),
        ("engine/reconcile.py", "import trueup.runtimes.memory"),
        ("engine/reconcile.py", "import trueup.engine.loop"),
        ("engine/plan.py", "import trueup.engine.render"),
        ("runtimes/memory/__init__.py", "import trueup.runtimes.host"),
        ("assembly.py", "import trueup.cli"),
    ],
)
def test_a_module_that_breaks_the_order_is_found(copy: Path, module: str, line: str) -> None:
    with (copy / "src" / "trueup" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    answer = lint_imports(copy)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "BROKEN" in answer.stdout
