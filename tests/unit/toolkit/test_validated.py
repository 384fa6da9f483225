"""What was written against what may be written."""

import pytest

from trueup.model.application import Policy, Retry
from trueup.model.errors import SettingsError
from trueup.toolkit.validated import validated


def test_what_fits_is_the_model() -> None:
    assert validated(Retry, {"limit": 2, "from": "3s"}, "target prod", "trueup.yaml:3") == Retry(limit=2, pause=3.0)


@pytest.mark.parametrize(
    ("plain", "message"),
    [({"times": 3}, "target prod: `times` is not known"), ({"to": "long"}, "target prod: `to`: write a duration such as 500ms")],
)
def test_what_does_not_fit_is_told_with_its_place_and_what_may_be_said(plain: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as told:
        validated(Retry, plain, "target prod", "trueup.yaml:3")
    assert told.value.message.startswith(message)
    assert (told.value.where, told.value.hint) == ("trueup.yaml:3", "what may be said is limit, from, to")


def test_what_may_be_said_is_that_of_the_innermost_table() -> None:
    with pytest.raises(SettingsError) as told:
        validated(Policy, {"retry": {"times": 3}}, "target prod", "")
    assert told.value.hint == "what may be said is limit, from, to"
