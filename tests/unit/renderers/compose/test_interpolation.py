"""Variables in text."""

import pytest

from trueup.renderers.compose.interpolation import Unset, Unsubstituted, substitute

VALUES = {"SET": "set", "EMPTY": "", "OTHER": "other"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("no variable", "no variable"),
        ("$SET-${SET}", "set-set"),
        ("$$SET and $5", "$SET and $5"),
        ("${EMPTY:-default} ${EMPTY-default}", "default "),
        ("${UNSET:-a ${OTHER} b}", "a other b"),
        ("${SET:+one}${EMPTY:+two}${EMPTY+three}", "onethree"),
        ("${SET:?needed}${EMPTY?needed}", "set"),
        ("${UNSET:-{a}} rest", "{a} rest"),
        ("${UNSET:-x}${UNSET:-y}", "xy"),
    ],
)
def test_every_operator_is_known(text: str, meant: str) -> None:
    assert substitute(text, VALUES.get) == meant


@pytest.mark.parametrize("text", ["${SET", "${SET:-x", "${}", "${1}", "${SET!x}", "${SET:-a\nb}"])
def test_what_is_no_variable_is_told(text: str) -> None:
    with pytest.raises(Unsubstituted):
        substitute(text, VALUES.get)


def test_a_required_variable_says_why() -> None:
    with pytest.raises(Unsubstituted, match="EMPTY is required: write it"):
        substitute("${EMPTY:?write it}", VALUES.get)


def test_a_variable_without_a_value_is_told() -> None:
    with pytest.raises(Unset, match="NOWHERE"):
        substitute("a $NOWHERE", VALUES.get)


def test_the_environment_of_this_process_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "leaked")
    with pytest.raises(Unset):
        substitute("$FROM_OUTSIDE", VALUES.get)
