"""How the addresses in a kustomization are read: as kustomize reads them."""

import pytest

from trueup.model.errors import UsageError
from trueup.renderers.kustomize.remote import RemoteBase, is_remote, remote_base

C = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("entry", "url", "path"),
    [
        (f"https://github.com/shop/bases?ref={C}", "https://github.com/shop/bases", ""),
        (f"https://github.com/shop/bases/web/base?ref={C}", "https://github.com/shop/bases", "web/base"),
        (f"https://git.example.org/a/b/c//web/base?timeout=9s&ref={C}", "https://git.example.org/a/b/c", "web/base"),
        (f"https://git.example.org/a/b/c.git/web?ref={C}", "https://git.example.org/a/b/c.git", "web"),
        (f"git::https://git.example.org/a/b.git?version={C.upper()}", "https://git.example.org/a/b.git", ""),
        (f"github.com/shop/bases/web?ref={C}", "https://github.com/shop/bases", "web"),
        (f"git@github.com:shop/bases.git//web?ref={C}", "git@github.com:shop/bases.git", "web"),
        (f"git@github.com:shop/bases/web?ref={C}", "git@github.com:shop/bases", "web"),
        (f"ssh://git@git.example.org:2222/shop/bases.git//web?ref={C}", "ssh://git@git.example.org:2222/shop/bases.git", "web"),
        (f"file:///srv/git/a/b//web?ref={C}", "file:///srv/git/a/b", "web"),
    ],
)
def test_an_address_is_a_repository_a_commit_and_a_folder(entry: str, url: str, path: str) -> None:
    assert is_remote(entry)
    assert remote_base(entry) == RemoteBase(url, C, path)


@pytest.mark.parametrize("query", ["", "?ref=main", "?ref=v1.2.0", f"?ref={C[:12]}", f"?ref={C}0"])
def test_only_a_whole_commit_pins(query: str) -> None:
    with pytest.raises(UsageError) as caught:
        remote_base(f"https://github.com/shop/bases//web{query}")
    assert "https://github.com/shop/bases//web?ref=" in caught.value.hint


@pytest.mark.parametrize("entry", ["../base", "base", "web.yaml", "./github.com/base", "a/b?c"])
def test_what_lies_in_the_repository_is_not_remote(entry: str) -> None:
    assert not is_remote(entry)
