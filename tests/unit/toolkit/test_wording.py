"""What pydantic finds, in the words in which people are told."""

from typing import Any

import pytest
from pydantic import ValidationError

from trueup.model.application import ApplicationDocument
from trueup.toolkit.wording import mending, told, worded


def faults(spec: Any, **metadata: Any) -> list[tuple[str, str]]:
    """What is told of an application, and what to do about it."""
    document = {"apiVersion": "trueup.dev/v1", "kind": "Application", "metadata": {"name": "web", **metadata}, "spec": spec}
    try:
        ApplicationDocument.model_validate(document)
    except ValidationError as error:
        return [(told(".".join(map(str, fault["loc"][1:])), words), mending(fault)) for fault, words in worded(error.errors())]
    return []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"target": "a", "dependsOn": "b"}, "dependsOn must be a list"),
        ({"target": "a", "policy": 3}, "policy must be a mapping"),
        ({"target": "a", "policy": {"prune": "maybe"}}, "policy.prune must be true or false"),
        ({"target": "a", "policy": {"selfHeal": 5}}, "policy.selfHeal must be true or false or `strict`"),
        ({"target": "a", "policy": {"sync": "autoo"}}, "policy.sync must be `auto` or `manual`"),
        ({"target": "a", "policy": {"retry": {"limit": 1.5}}}, "policy.retry.limit must be a whole number"),
        ({"target": "a", "policy": {"deleteLimit": {"percent": 200}}}, "policy.deleteLimit.percent must be at most 100"),
        ({"target": "a", "policy": {"timeout": 5}}, "policy.timeout: write a duration such as 500ms, 30s, 5m or 1h30m"),
        ({"target": "a", "policy": {"str": 5}}, "policy.str"),
        ({"target": "A_b"}, "target must be a name of lower-case letters, digits, `-` and `.`, at most 63"),
        ({}, "target is missing"),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_plain_words(spec: Any, words: str) -> None:
    [(message, _)] = faults(spec)
    assert message.startswith(words)


def test_a_number_where_text_belongs_wants_quotes() -> None:
    assert faults({"target": "a"}, labels={"release": 1.2}) == [("labels.release must be a string", "put it into quotes")]
