"""Projects of the corpus with something else in the place of a word or two: they are rendered, or their faults are told."""

import random
import re

import pytest

from tests.contract.compose_case import CORPUS, Case, application_of
from trueup.model.application import Application
from trueup.model.errors import DeclarationError, Fault
from trueup.renderers.compose import compose
from trueup.testing.trees import FolderTree

PIECES = [
    "null",
    "[]",
    "{}",
    "1",
    "true",
    "x",
    "[1]",
    "{a: 1}",
    "''",
    "-1",
    "${A}",
    "!reset null",
    "[null]",
    "{a: null}",
    "[[a]]",
    "1.5",
    "",
]
WORD = re.compile(r"[\w./:$\"'-]+|\[[^\[\]]*\]|\{[^{}]*\}")
CASES = [Case(folder.name) for folder in sorted(CORPUS.iterdir())]


def broken(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 3)):
        words = list(WORD.finditer(text))
        if not words:
            return text
        word = chance.choice(words)
        piece = chance.choice(PIECES) if chance.random() < 0.7 else chance.choice(words).group()
        text = text[: word.start()] + piece + text[word.end() :]
    return text


def told(application: Application, tree: FolderTree) -> tuple[Fault, ...]:
    try:
        compose.render(application, tree)
    except DeclarationError as error:
        return error.faults
    return ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whatever_stands_in_a_file_is_rendered_or_told(case: Case) -> None:
    chance = random.Random(case.name)
    read = [path for path in case.files if path.endswith((".yaml", ".yml", ".env"))]
    for _ in range(8 if read else 0):
        path = chance.choice(read)
        tree = FolderTree({**case.files, path: broken(case.files[path].decode(), chance).encode()})
        application = application_of(case.options)
        compose.inputs(application, tree)
        assert all(fault.line and fault.hint for fault in told(application, tree))
