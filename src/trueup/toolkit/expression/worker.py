"""The confined process: questions on standard input, answers on standard output, each as its length and JSON.

It ends when its input ends. An evaluation that takes too much processor time ends the process: the timer's signal is left to kill, so that
no loop inside an extension can outlive it.
"""

import os
import resource
import signal
import struct
import sys
from datetime import UTC, datetime

import msgspec

from trueup.toolkit.expression import cel, lua
from trueup.toolkit.expression.finding import Finding, Limits, Question

LENGTH = struct.Struct("!I")


def main(limits: Limits) -> None:
    """Answer until there are no more questions."""
    _confine(limits)
    while question := _read():
        signal.setitimer(signal.ITIMER_PROF, limits.seconds)
        answer = msgspec.json.encode(_answers(question, limits), enc_hook=str)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(answer)


def _answers(question: Question, limits: Limits) -> list[Finding]:
    if question.language == "lua":
        return [lua.verdict(question.texts[0], question.given["obj"], question.now, limits)]
    given = cel.findings(question.texts, question.given, datetime.fromtimestamp(question.now, UTC))
    return [Finding(_short(each.value), each.absent, each.fault) for each in given]


def _short(value: object) -> object:
    """Only what a rule can use: a truth, a text, a number."""
    return value[:1000] if isinstance(value, str) else value if isinstance(value, bool | int | float | None) else str(type(value).__name__)


def _confine(limits: Limits) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    # The libraries load when they are first used: that needs files.
    cel.fault_of("true")
    lua.verdict("return nil", {}, 0.0, limits)
    for limit, most in (
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(limit, (most, most))


def _read() -> Question | None:
    head = sys.stdin.buffer.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return msgspec.json.decode(sys.stdin.buffer.read(LENGTH.unpack(head)[0]), type=Question)


def _write(answer: bytes) -> None:
    sys.stdout.buffer.write(LENGTH.pack(len(answer)) + answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main(msgspec.json.decode(sys.argv[1], type=Limits))
    except MemoryError:
        os._exit(1)
