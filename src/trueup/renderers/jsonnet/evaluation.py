"""Jsonnet files -> what they evaluate to, in a Python of its own, confined: evaluating may take for ever, or all memory."""

import importlib.util
import sys
from pathlib import Path
from typing import Final

import msgspec

from trueup.model.errors import DeclarationError, Fault
from trueup.toolkit.confine import Confinement
from trueup.toolkit.process import Completed, Ending

REQUEST: Final = "request.json"
PROGRAM: Final = """
import json, sys
sys.path.insert(0, sys.argv[1])
import rjsonnet
request = json.load(open(sys.argv[2]))
for name in request["files"]:
    try:
        answer = {"value": json.loads(rjsonnet.evaluate_file(name, **request["options"]))}
    except RuntimeError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))
"""


class Request(msgspec.Struct):
    """What is evaluated, as paths below the folder of the command, and the keyword arguments of ``rjsonnet.evaluate_file``."""

    files: list[str]
    options: dict[str, object]


class Answer(msgspec.Struct):
    """What one file evaluates to, or why it does not."""

    value: object = None
    error: str = ""


def evaluate(request: Request, files: dict[str, bytes], confinement: Confinement) -> list[Answer]:
    """An answer for each file. Raises DeclarationError when they take too much of anything."""
    found = importlib.util.find_spec("rjsonnet")
    library = Path(str(found.origin if found else "")).parent
    visible = [str(library), *dict.fromkeys(str(Path(prefix).resolve()) for prefix in (sys.base_prefix, sys.base_exec_prefix))]
    given = {**files, REQUEST: msgspec.json.encode(request)}
    arguments = ["-I", "-S", "-c", PROGRAM, str(library.parent), REQUEST]
    completed = confinement.run(sys.executable, arguments, given, visible)
    if not completed.succeeded:
        raise DeclarationError([_why(completed, request.files[0].removeprefix("tree/"))])
    return [msgspec.json.decode(line, type=Answer) for line in completed.out.splitlines()]


def _why(completed: Completed, file: str) -> Fault:
    otherwise = "was killed: it needs too much memory or time"
    told = {Ending.DEADLINE: "took too long", Ending.FLOOD: "makes too much"}.get(completed.ending, otherwise)
    return Fault(file, 1, 0, f"jsonnet {told}", "look for a recursion without end, or split the application into several")
