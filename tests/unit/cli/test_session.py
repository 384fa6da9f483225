"""Which repository is meant, and with which settings."""

import subprocess
from pathlib import Path

import pytest

from trueup.assembly import assemble
from trueup.cli.session import Said, Session
from trueup.model.errors import SettingsError, UsageError
from trueup.settings import RepositorySettings

SHOP = '[[repositories]]\nurl = "https://example.org/shop"\npath = "deploy"\npoll = "5s"\n'


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


async def chosen(settings: str = "", **said: str) -> RepositorySettings:
    if settings:
        Path("trueup.toml").write_text(settings, encoding="utf-8")
        said["config"] = "trueup.toml"
    session = Session(Said(**said), assemble)
    return await session.chosen(session.settings())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_the_one_that_is_named(folder: Path) -> None:
    found = await chosen(repo=".", branch="main", path="a/")
    assert found.repository.identity == f"{folder}#main:a"


async def test_one_that_is_set_is_taken_with_its_settings() -> None:
    found = await chosen(SHOP, repo="https://example.org/shop/")
    assert (found.poll, found.path) == (5.0, "deploy")


async def test_another_branch_is_another_one() -> None:
    found = await chosen(SHOP, repo="https://example.org/shop", branch="next")
    assert (found.poll, found.path, found.branch) == (30.0, "", "next")


async def test_the_upstream_of_the_clone_that_one_stands_in(folder: Path) -> None:
    git(folder, "init")
    git(folder, "remote", "add", "origin", "https://bot:hunter2@example.org/shop")
    assert (await chosen(SHOP)).poll == 5.0
    assert (await chosen()).repository.url == "https://example.org/shop"


async def test_a_clone_that_follows_nothing_is_its_own(folder: Path) -> None:
    git(folder, "init")
    (folder / "below").mkdir()
    assert (await chosen()).repository.url == str(folder)


async def test_outside_of_a_clone_the_only_one_that_is_set() -> None:
    assert (await chosen(SHOP)).repository.url == "https://example.org/shop"


@pytest.mark.parametrize("settings", ["", SHOP + SHOP.replace("deploy", "other")])
async def test_none_that_is_meant_says_what_to_do(settings: str) -> None:
    with pytest.raises(UsageError, match="no repository is named") as raised:
        await chosen(settings)
    assert "--repo" in raised.value.hint


async def test_two_that_could_be_meant_are_told_apart() -> None:
    both = SHOP + SHOP.replace("deploy", "other")
    with pytest.raises(UsageError, match="is set 2 times"):
        await chosen(both, repo="https://example.org/shop")
    assert (await chosen(both, repo="https://example.org/shop", path="other")).path == "other"


async def test_bounds_for_a_runtime_that_is_not_there_are_refused(folder: Path) -> None:
    (folder / "trueup.toml").write_text('state = "state"\n[targets.hots]\nroots = ["/srv"]\n', encoding="utf-8")
    settings = Session(Said(config="trueup.toml"), assemble).settings()
    with pytest.raises(SettingsError, match="there is no runtime `hots`") as raised:
        async with assemble(settings):
            pass
    assert raised.value.hint == "did you mean `[targets.host]`?"
    assert not (folder / "state").exists()


async def test_the_working_tree_is_that_of_the_named_folder(folder: Path) -> None:
    git(folder, "init", "shop")
    (folder / "shop" / "a.yaml").write_text("x", encoding="utf-8")
    tree = await Session(Said(repo="shop"), assemble).working_tree()
    assert tree.read("a.yaml") == b"x"
    with pytest.raises(UsageError, match="is in no clone"):
        await Session(Said(), assemble).working_tree()
