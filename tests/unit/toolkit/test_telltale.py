"""What is a secret by the name of its field."""

from trueup.toolkit.telltale import secrets_in


def test_what_is_below_a_telling_name_is_a_secret() -> None:
    value = {"auth": {"password": "open-sesame"}, "tokens": [{"a": "swordfish"}], "colour": "blue", "apiKey": 123456, "pass": "abc"}
    assert set(secrets_in(value)) == {"open-sesame", "swordfish", "123456"}
