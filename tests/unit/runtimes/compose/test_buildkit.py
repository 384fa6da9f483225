"""What is told of a build, and that nothing of its secrets is."""

import base64

from trueup.runtimes.compose.buildkit import Trace, without
from trueup.runtimes.compose.protobuf import message_of


def told(trace: Trace, *parts: tuple[int, bytes]) -> None:
    trace.append({"id": "moby.buildkit.trace", "aux": base64.b64encode(message_of(*parts)).decode()})


def test_a_secret_that_begins_like_another_one_shows_nothing_of_it() -> None:
    assert without("it said swordfish-3 and sword", [b"sword\n", b"swordfish-3"]) == "it said (secret) and (secret)"


def test_a_line_whose_beginning_is_lost_is_not_told() -> None:
    trace = Trace()
    told(trace, (1, message_of((1, "step"), (3, "[1/1] RUN it"), (7, "exit code 1"))))
    told(trace, (3, message_of((1, "step"), (4, b"swordfish-3" + bytes(b"x" * 4090)))))
    told(trace, (3, message_of((1, "step"), (4, b"\nlast\n"))))
    assert (trace.failed, trace.said) == ("RUN it", ["last"])
