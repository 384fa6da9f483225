from pathlib import Path

import pytest

from trueup.model.errors import SettingsError
from trueup.toolkit.git.remote import Credentials, identity, place, remote, scrub


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("file:///srv/a%20b.git", "/srv/a b.git"),
        ("file://localhost/srv/x/", "/srv/x"),
        ("/srv/../srv/x", "/srv/x"),
        ("../x", "/here/x"),
        ("https://Bob:tok%40en@GitHub.com/a/b.git/", "https://github.com/a/b.git"),
        ("HTTPS://host:8443/A", "https://host:8443/A"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("ssh://git:no@host:22/x", "ssh://git@host:22/x"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("./odd:name", "/here/clone/odd:name"),
    ],
)
def test_an_identity_has_no_credentials_and_a_path_is_absolute(written: str, name: str) -> None:
    assert identity(written, "/here/clone") == name


def test_a_path_and_its_file_url_are_the_same_repository(tmp_path: Path) -> None:
    assert identity(f"file://{tmp_path}/x") == identity(f"{tmp_path}/x/")


@pytest.mark.parametrize(
    "written",
    ["", "ext::sh -c true", "-upload-pack=x", "ssh://-oProxyCommand=x/y", "git@-oProxy:x", "gopher://x/y", "https://h:no/x", "a\nb"],
)
def test_an_address_that_could_run_something_is_refused(written: str) -> None:
    with pytest.raises(SettingsError):
        remote(written)


def test_credentials_in_an_address_are_taken_out_of_it() -> None:
    found = remote("https://bob:s3cr%40t@host/x")
    assert found.credentials == Credentials("bob", "s3cr@t")
    assert "s3cr" not in repr(found)


def test_given_credentials_win_over_those_in_the_address() -> None:
    assert remote("https://bob:old@host/x", Credentials(password="new")).credentials == Credentials(password="new")


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        remote("gopher://bob:s3cret@host/x")
    assert "s3cret" not in f"{caught.value} {caught.value.where}"


def test_every_password_in_a_text_is_scrubbed() -> None:
    assert scrub("at https://a:b@c@h/x and ssh://u@h/y") == "at https://h/x and ssh://h/y"


@pytest.mark.parametrize(
    "url",
    [
        "https://Example.org/shop/web.git",
        "https://example.org/shop/web",
        "https://me:word@example.org:8443/shop/web.git/",
        "ssh://git@example.org/shop/web.git",
        "git@example.org:shop/web.git",
    ],
)
def test_a_place_is_the_same_however_it_is_written(url: str) -> None:
    assert place(url) == "example.org/shop/web"


def test_what_is_no_address_is_no_place() -> None:
    assert place("https://example.org:port/x") == ""
    assert place("https://example.org/other") != place("https://example.org/shop/web")
    assert place("file:///srv/shop.git") == place("/srv/shop.git") == "/srv/shop"
