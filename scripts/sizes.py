"""Source files -> the five worst of each size, so that a missing noun becomes visible.

The limits are a smell detector: only what is above twice a limit fails. A function's length leaves its docstring out, because a promise
is never too long; its parameters leave `self` and `cls` out; nesting counts the statements that a line stands in.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

FOLDERS = ("src", "tests", "scripts", "bench")
LIMITS = {"lines of a file": 400, "lines of a function": 40, "parameters": 5, "nesting": 3}
SHOWN = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True, slots=True)
class Size:
    """One measured thing: what was counted, how much there is of it, and where it stands."""

    what: str
    count: int
    place: str

    @property
    def fails(self) -> bool:
        """Whether it is above twice the limit."""
        return self.count > 2 * LIMITS[self.what]


def length(function: Function) -> int:
    """The lines from `def` to the end, without decorators and docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def parameters(function: Function) -> int:
    """What a caller may pass, each of `*args` and `**kwargs` as one."""
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    starred = [argument for argument in (function.args.vararg, function.args.kwarg) if argument]
    return len([argument for argument in [*named, *starred] if argument.arg not in ("self", "cls")])


def nesting(node: ast.AST) -> int:
    """How deep blocks stand in each other below a node; a function within a function counts for itself."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            continue
        below = nesting(child)
        if isinstance(child, BLOCKS) and not continues(node, child):
            below += 1
        deepest = max(deepest, below)
    return deepest


def continues(parent: ast.AST, child: ast.AST) -> bool:
    """Whether the child is the `elif` of its parent."""
    return isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child] and parent.col_offset == child.col_offset


def sizes(file: Path, root: Path) -> Iterator[Size]:
    """All that is measured in one file."""
    text = file.read_text(encoding="utf-8")
    name = file.relative_to(root).as_posix()
    yield Size("lines of a file", text.count("\n"), name)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            place = f"{name}:{node.lineno} {node.name}"
            yield Size("lines of a function", length(node), place)
            yield Size("parameters", parameters(node), place)
            yield Size("nesting", nesting(node), place)


def measured(root: Path) -> list[Size]:
    """The sizes in all our folders, the largest first."""
    files = [file for folder in FOLDERS for file in sorted((root / folder).rglob("*.py"))]
    return sorted((size for file in files for size in sizes(file, root)), key=lambda size: -size.count)


def report(found: list[Size]) -> str:
    """The five worst of each size, as text."""
    paragraphs = []
    for what, limit in LIMITS.items():
        worst = [size for size in found if size.what == what]
        middle = median(size.count for size in worst) if worst else 0
        lines = [f"{what} (limit {limit}, median {middle:g})"]
        lines += [f"{size.count:6} {size.place}{'  <-- above twice the limit' if size.fails else ''}" for size in worst[:SHOWN]]
        paragraphs.append("\n".join(lines))
    return "\n".join(paragraphs)


def main() -> int:
    """Print the report; 1 when something is above twice its limit."""
    found = measured(Path(__file__).parent.parent)
    print(report(found))
    return int(any(size.fails for size in found))


if __name__ == "__main__":
    sys.exit(main())
