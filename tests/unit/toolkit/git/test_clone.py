import os
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace, git
from trueup.model.errors import SettingsError
from trueup.toolkit.git.clone import Clone, discover_clone
from trueup.toolkit.git.remote import Credentials, Remote


async def test_the_upstream_of_a_clone_is_found_from_any_folder_in_it(workplace: Workplace) -> None:
    workplace.commit({"a/b": "1"})
    workplace.git("fetch", "-q")
    workplace.git("checkout", "-q", "-b", "mine", "--track", "origin/main")
    assert await discover_clone(workplace.clone / "a") == Clone(workplace.clone, Remote(str(workplace.origin)), "main")


async def test_a_branch_without_upstream_follows_origin(workplace: Workplace) -> None:
    workplace.commit({"a": "1"})
    workplace.git("remote", "add", "other", "https://example.org/x")
    workplace.git("checkout", "-q", "-b", "mine", "--no-track")
    assert await discover_clone(workplace.clone) == Clone(workplace.clone, Remote(str(workplace.origin)), "")


async def test_credentials_of_a_clone_are_apart_from_its_address(workplace: Workplace) -> None:
    workplace.git("remote", "set-url", "origin", "https://bob:s3cret@example.org/x.git")
    found = await discover_clone(workplace.clone)
    assert found is not None
    assert found.remote == Remote("https://example.org/x.git", Credentials("bob", "s3cret"))


async def test_a_relative_remote_starts_at_the_clone(workplace: Workplace) -> None:
    workplace.git("remote", "set-url", "origin", "../origin.git")
    found = await discover_clone(workplace.clone)
    assert found is not None
    assert found.remote == Remote(str(workplace.origin))


async def test_a_clone_without_remotes_follows_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "alone")
    assert await discover_clone(tmp_path / "alone") == Clone(tmp_path / "alone", None, "")


async def test_a_folder_that_is_no_clone_is_none(tmp_path: Path) -> None:
    assert await discover_clone(tmp_path) is None


async def test_a_clone_of_another_user_is_told(workplace: Workplace) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(workplace.clone, 12345, 12345)
    with pytest.raises(SettingsError, match="another user") as caught:
        await discover_clone(workplace.clone)
    assert "safe.directory" in caught.value.hint
