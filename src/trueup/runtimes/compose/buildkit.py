"""One build by BuildKit: asked for, answered while it goes on, and what it told of its steps."""

import base64
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from trueup.model.errors import Refused, TrueupError
from trueup.model.secret import MASK
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import drained
from trueup.runtimes.compose.protobuf import fields, text_in
from trueup.runtimes.compose.session import Answers, session

_TRACE: Final = "moby.buildkit.trace"
_KEPT: Final = 4096
_CIRCUMSTANCES: Final = re.compile(r"^(failed to solve(?: with frontend [\w.]+)?: |failed to create LLB definition: |rpc error: [^:]*: )+")
_STEP: Final = re.compile(r"^\[[^\]]*\] ")


@dataclass(slots=True)
class Trace:
    """What the builder tells of its steps while it goes on: their names, and the last that each of them said."""

    failed: str = ""
    """The instruction that failed, as the builder calls it."""
    _names: dict[str, str] = field(default_factory=dict)
    _said: dict[str, bytes] = field(default_factory=lambda: defaultdict(bytes))
    _at: str = ""

    def append(self, line: Any) -> None:
        """One line of its answer."""
        if not isinstance(line, dict) or line.get("id") != _TRACE:
            return
        for number, part in fields(base64.b64decode(line.get("aux") or "")):
            if number == 1 and isinstance(part, bytes):
                self._step(part)
            elif number == 3 and isinstance(part, bytes):
                message = next((value for each, value in fields(part) if each == 4 and isinstance(value, bytes)), b"")
                self._said[text_in(part, 1)] = (self._said[text_in(part, 1)] + message)[-_KEPT:]

    @property
    def said(self) -> list[str]:
        """The last lines of the step that failed."""
        said = self._said[self._at]
        # What is left of a line that is cut may be the end of a secret, which nobody would recognise.
        whole = said if len(said) < _KEPT else said.partition(b"\n")[2]
        return [line.strip() for line in whole.decode(errors="replace").splitlines() if line.strip()]

    def _step(self, vertex: bytes) -> None:
        digest, error = text_in(vertex, 1), text_in(vertex, 7)
        self._names[digest] = text_in(vertex, 3) or self._names.get(digest, "")
        # Steps beside it end with it, and say that they were called off.
        if error and not self.failed and "context canceled" not in error:
            self._at, self.failed = digest, _STEP.sub("", self._names[digest])


async def solve(engine: Engine, query: dict[str, object], answers: Answers, trace: Trace) -> None:
    """Have it build. Raises Refused with its words, without any secret that it was told, or what stood in the way of an answer to it."""
    try:
        async with session(engine, answers) as identity:
            told = {**query, "version": "2", "remote": "client-session", "session": identity}
            await drained(engine.lines("POST", "/build", None, None, **told), trace)
    except Refused as error:
        if answers.faults:
            raise answers.faults[0] from None
        raise Refused(without(_CIRCUMSTANCES.sub("", error.message), answers.revealed), where=error.where) from None
    except TrueupError as error:
        raise (answers.faults[0] if answers.faults else error) from None


def without(text: str, secrets: list[bytes]) -> str:
    """A text without secrets, of which each line counts."""
    lines = {line.strip() for secret in secrets for line in secret.decode(errors="replace").splitlines()} - {""}
    # The longest first: one may begin like another.
    words = "|".join(re.escape(line) for line in sorted(lines, key=len, reverse=True))
    return re.sub(words, MASK, text) if words else text
