"""How our source reads: what ruff and mypy do not know."""

import ast
from collections.abc import Iterator
from pathlib import Path

FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "base", "impl", "misc"}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    source = root / "src" / "trueup"
    for file in sorted(source.rglob("*.py")):
        yield file.relative_to(source).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def names(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }


def public(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    yield name, node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield from public(child, f"{name} {child.name}") if isinstance(child, ast.ClassDef) else [(f"{name} {child.name}", child)]


def test_every_module_says_what_it_is_for(root: Path) -> None:
    assert not [name for name, tree in modules(root) if tree.body and not ast.get_docstring(tree)]


def test_every_public_noun_is_documented(root: Path) -> None:
    model = [(name, tree) for name, tree in modules(root) if name.startswith("model/")]
    assert model
    assert not [place for name, tree in model for place, node in public(tree, name) if not ast.get_docstring(node)]


def test_nothing_prints_but_the_views(root: Path) -> None:
    assert not [name for name, tree in modules(root) if "print" in names(tree) and name != "cli/views.py"]


def test_no_cycle_hides_behind_type_checking(root: Path) -> None:
    assert not [name for name, tree in modules(root) if "TYPE_CHECKING" in names(tree)]


def test_a_module_is_named_after_what_it_is(root: Path) -> None:
    parts = {part for name, _ in modules(root) for part in name.removesuffix(".py").split("/")}
    assert not parts & FORBIDDEN_NAMES


def test_the_unit_tests_mirror_the_source(root: Path) -> None:
    tests = root / "tests" / "unit"
    folders = {file.parent.relative_to(tests) for file in tests.rglob("test_*.py")}
    assert not [str(folder) for folder in folders if not (root / "src" / "trueup" / folder).is_dir()]
