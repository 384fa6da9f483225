"""A server's no, in words in which no secret shows."""

import pytest

from tests.unit.runtimes.kubernetes.objects import config_map
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes.client.request import Answer, Cause, Details, Refusal, answer_of
from trueup.runtimes.kubernetes.refusals import cannot_be_tried, is_immutable, lacks_namespace, words

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}


def refusal(message: str, *causes: Cause, reason: str = "Invalid") -> Refusal:
    return Refusal(message, reason, 422, Details(causes=causes))


def test_every_cause_is_told_with_its_field() -> None:
    said = refusal("long", Cause(field="spec.replicas", message="must be positive"), Cause(message="whatever"))
    assert words(said, config_map({})) == "spec.replicas: must be positive; whatever"


def test_of_a_secret_only_the_fields_are_told() -> None:
    said = refusal("hunter22 is bad", Cause(field="data[password]", message='Invalid value: "hunter22"'))
    assert words(said, SECRET) == "Invalid: data[password]"
    assert "hunter22" not in words(refusal("hunter22 is bad"), SECRET)


def test_a_value_that_git_calls_secret_is_hidden_in_what_the_server_quotes() -> None:
    body = config_map({"password": Secret("hunter22", "file")})
    assert words(refusal("hunter22 is bad"), body) == "(secret) is bad"


@pytest.mark.parametrize(
    "message",
    [
        "spec.selector: Invalid value: field is immutable",
        "spec.clusterIP: Invalid value: may not change once set",
        "roleRef: Invalid value: cannot change roleRef",
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        "parameters: Forbidden: updates to parameters are forbidden.",
        "spec: Forbidden: spec is immutable after creation except resources.requests",
    ],
)
def test_what_can_never_change_is_recognised(message: str) -> None:
    assert is_immutable(Answer(422, b"", refusal(message)))
    assert not is_immutable(Answer(500, b"", refusal(message, reason="InternalError")))


def test_what_is_merely_wrong_is_not_immutable() -> None:
    assert not is_immutable(Answer(422, b"", refusal("spec.replicas: must be greater than or equal to 0")))


def test_other_reasons_are_recognised() -> None:
    assert cannot_be_tried(Answer(400, b"", refusal('admission webhook "x" does not support dry run', reason="BadRequest")))
    missing = Refusal('namespaces "x" not found', "NotFound", 404, Details(kind="namespaces", name="x"))
    assert lacks_namespace(Answer(404, b"", missing))
    assert not lacks_namespace(Answer(404, b"", Refusal("not found", "NotFound", 404, Details(kind="configmaps"))))


def test_what_a_proxy_says_is_no_status_and_told_all_the_same() -> None:
    answer = answer_of(502, b"<html>bad gateway</html>")
    assert answer.refusal is not None
    assert (answer.refusal.code, answer.refusal.message) == (502, "<html>bad gateway</html>")
