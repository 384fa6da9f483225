"""Which addresses a glob of the operator means."""

import pytest

from trueup.toolkit.addresses import is_within


@pytest.mark.parametrize(
    ("glob", "address", "meant"),
    [
        ("*", "tcp://a.example:2376", True),
        ("ssh://*", "ssh://deploy@a.example/run/docker.sock", True),
        ("ssh://*", "tcp://a.example:2376", False),
        ("ssh://deploy@*.example", "ssh://deploy@a.example", True),
        ("ssh://deploy@*.example", "ssh://deploy@elsewhere.net/x.example", False),
        ("ssh://*@a.example", "ssh://deploy@elsewhere.net/@a.example", False),
        ("ssh://*@a.example", "ssh://deploy@a.example", True),
        ("tcp://a?.example:*", "tcp://a1.example:2376", True),
        ("https://*.example:6443", "https://a.example:6443", True),
        ("https://*.example:6443", "https://elsewhere.net/.example:6443", False),
        ("https://*.example:6443", "https://elsewhere.net#.example:6443", False),
        ("https://*.example:6443", "https://elsewhere.net?.example:6443", False),
        ("tcp://[::1]:2376", "tcp://[::1]:2376", True),
        ("unix:///run/user/*/docker.sock", "unix:///run/user/1000/docker.sock", True),
        ("unix:///run/user/*/docker.sock", "unix:///run/user/1000/../0/docker.sock", False),
    ],
)
def test_a_glob_of_the_operator_means_nothing_elsewhere(glob: str, address: str, meant: bool) -> None:
    assert is_within(address, glob) is meant
