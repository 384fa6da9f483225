"""What the operator's list of addresses covers."""

import pytest

from trueup.model.errors import SettingsError
from trueup.toolkit.git.remote import Credentials
from trueup.toolkit.sources.allowed import Allowed, Policy


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/shop",
        "https://git.example.org/shop/base.git",
        "HTTPS://GIT.example.org:443/shop/base",
        "https://person@git.example.org/shop/base",
    ],
)
def test_what_lies_below_an_address_is_covered(url: str) -> None:
    assert Allowed("https://git.example.org/shop/").covers(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/shopping/base",
        "https://git.example.org/shop/../secret",
        "https://git.example.org/shop/%2e%2e/secret",
        "https://git.example.org/shop/..\\secret",
        "https://git.example.org:8443/shop/base",
        "http://git.example.org/shop/base",
        "https://git.example.org.evil.example/shop/base",
        "https://git.example.org@evil.example/shop/base",
        "ssh://git.example.org/shop/base",
        "git.example.org/shop/base",
        "https://git.example.org:port/shop/base",
    ],
)
def test_what_only_looks_like_it_is_not(url: str) -> None:
    assert not Allowed("https://git.example.org/shop").covers(url)


def test_the_short_form_of_ssh_is_the_long_one() -> None:
    assert Allowed("ssh://git.example.org/shop").covers("git@git.example.org:shop/base.git")
    assert not Allowed("ssh://git.example.org/shop").covers("git@git.example.org:other/base.git")


def test_the_closest_entry_says_how_one_gets_in() -> None:
    close = Allowed("https://git.example.org/shop", Credentials("anna", "open-sesame"))
    policy = Policy([Allowed("https://git.example.org/"), close, Allowed("https://charts.example.org/")])
    assert policy.of("https://git.example.org/shop/base") is close
    assert policy.of("https://git.example.org/other").credentials is None


def test_what_is_refused_is_told_with_the_setting_that_would_allow_it_and_no_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        Policy().of("https://anna:open-sesame@git.example.org/shop")
    assert 'url = "https://git.example.org/"' in caught.value.hint
    assert "sesame" not in f"{caught.value} {caught.value.hint} {caught.value.where}"
