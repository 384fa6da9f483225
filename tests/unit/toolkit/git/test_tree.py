"""Both trees, the committed one and the one on disk, keep the same promises."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace
from trueup.model.errors import DeclarationError, SettingsError
from trueup.toolkit.git.git_tree import GitTree
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.git.tree import FILE, FOLDER, Resolved, Tree
from trueup.toolkit.git.working_tree import WorkingTree

Look = Callable[[], Awaitable[Tree]]


@pytest.fixture(params=["committed", "on disk"])
def look(request: pytest.FixtureRequest, workplace: Workplace, mirror: Mirror) -> Look:
    """The tree of what the workplace has written so far."""

    async def committed() -> Tree:
        commit = workplace.commit({})
        await mirror.fetch(await mirror.head())
        return mirror.tree(commit)

    async def on_disk() -> Tree:
        return await WorkingTree.open(workplace.clone)

    return committed if request.param == "committed" else on_disk


def refusal_of(read: Callable[[], object]) -> str:
    with pytest.raises(DeclarationError) as caught:
        read()
    fault = caught.value.faults[0]
    assert fault.hint
    return f"{fault.file}: {fault.message}"


async def test_files_and_folders_are_told_apart(look: Look, workplace: Workplace) -> None:
    workplace.write({"a/b/c.yaml": "c", "a/run.sh": "#!/bin/sh\n", "z": ""})
    (workplace.clone / "a/run.sh").chmod(0o755)
    (workplace.clone / "link").symlink_to("a/b")
    tree = await look()
    assert [tree.kind(path) for path in ("", "a", "a/b/c.yaml", "link", "a/x", "z/x")] == ["folder", "folder", "file", "folder", None, None]
    assert [tree.mode(path) for path in ("", "a", "z", "a/run.sh", "link", "x")] == [FOLDER, FOLDER, FILE, 0o100755, FOLDER, 0]
    assert tree.names("") == ["a", "link", "z"]
    assert (tree.names("z"), tree.names("nowhere")) == ([], [])
    assert (tree.read("a/b/c.yaml"), tree.size("a/b/c.yaml"), tree.size("z")) == (b"c", 1, 0)


async def test_ids_are_those_of_git(look: Look, workplace: Workplace) -> None:
    workplace.write({"a/b.yaml": "b", "a.txt": "x", "a-b": "y", "über/ä.yaml": "ä"})
    (workplace.clone / "a/link").symlink_to("b.yaml")
    tree = await look()
    workplace.commit({})
    for path in ("", "a", "a/b.yaml", "über", "über/ä.yaml"):
        assert tree.object_id(path) == workplace.git("rev-parse", f"HEAD:{path}")
    assert tree.object_id("a/link") == tree.object_id("a/b.yaml")
    assert tree.object_id("nowhere") is None


async def test_a_walk_names_every_file_in_order(look: Look, workplace: Workplace) -> None:
    workplace.write({"a/b": "", "a-b": "", "a.b/c": "", "ab": "", "a/d/e": ""})
    (workplace.clone / "a/link").symlink_to("../a")
    tree = await look()
    assert list(tree.walk()) == ["a-b", "a.b/c", "a/b", "a/d/e", "a/link", "ab"]
    assert list(tree.walk("a", skip=lambda folder: folder == "a/d")) == ["a/b", "a/link"]
    assert list(tree.walk("a/link")) == ["a/link/b", "a/link/d/e", "a/link/link"]


async def test_files_are_found_by_name_with_their_ids(look: Look, workplace: Workplace) -> None:
    workplace.write({"trueup.yaml": "1", "a/x.trueup.yaml": "2", "b/c/trueup.yaml": "3", "b/other.yaml": "4"})
    tree = await look()
    found = tree.find(lambda name: name.endswith("trueup.yaml"), skip=lambda folder: folder == "b/d")
    assert found == [(path, tree.object_id(path)) for path in ("a/x.trueup.yaml", "b/c/trueup.yaml", "trueup.yaml")]


async def test_a_listing_moves_with_names_and_kinds_only(look: Look, workplace: Workplace) -> None:
    workplace.write({"a/x": "1", "a/y": "1"})
    first = (await look()).listing_id("a")
    workplace.write({"a/x": "2"})
    second = (await look()).listing_id("a")
    workplace.write({"a/z": ""})
    third = (await look()).listing_id("a")
    assert first == second != third
    assert (await look()).listing_id("a/x") is None


async def test_links_are_followed_inside_the_tree(look: Look, workplace: Workplace) -> None:
    workplace.write({"real/file": "content"})
    (workplace.clone / "folder").symlink_to("real")
    (workplace.clone / "real/up").symlink_to("../folder/file")
    tree = await look()
    assert (tree.read("folder/up"), tree.size("folder/up"), tree.names("folder")) == (b"content", 7, ["file", "up"])
    assert tree.resolve("folder/up") == Resolved("real/file", ("folder", "real/up", "folder"))
    assert (tree.kind("folder/up"), tree.kind("folder"), tree.read("./real//file")) == ("file", "folder", b"content")
    assert tree.read("folder/../real/file") == b"content"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "../../clone/file"])
async def test_a_link_that_leaves_the_tree_is_refused(look: Look, workplace: Workplace, target: str) -> None:
    workplace.write({"file": "", "a/b": ""})
    (workplace.clone / "a/link").symlink_to(target)
    tree = await look()
    assert refusal_of(lambda: tree.read("a/link")) == "a/link: the link a/link leaves the repository"
    assert refusal_of(lambda: tree.kind("a/link/x")).endswith("leaves the repository")


async def test_a_path_that_leaves_the_tree_is_refused(look: Look, workplace: Workplace) -> None:
    workplace.write({"a/b": ""})
    tree = await look()
    assert refusal_of(lambda: tree.kind("a/../../x")).endswith("the path leaves the repository")


async def test_a_link_to_nothing_is_nothing(look: Look, workplace: Workplace) -> None:
    workplace.write({"a/b": ""})
    (workplace.clone / "a/link").symlink_to("c")
    tree = await look()
    assert (tree.kind("a/link"), tree.object_id("a/link"), tree.mode("a/link")) == (None, None, 0)
    assert "no such file" in refusal_of(lambda: tree.read("a/link"))


async def test_links_in_a_circle_are_refused(look: Look, workplace: Workplace) -> None:
    (workplace.clone / "a").symlink_to("b")
    (workplace.clone / "b").symlink_to("a")
    tree = await look()
    assert refusal_of(lambda: tree.read("a")) == "a: its links lead to no end"


async def test_what_is_no_readable_file_is_refused_by_name(look: Look, workplace: Workplace) -> None:
    workplace.write({"folder/file": "12345", "lfs.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"})
    tree = await look()
    assert refusal_of(lambda: tree.read("folder")).startswith("folder: ")
    assert "no such file" in refusal_of(lambda: tree.read("folder/other"))
    assert "Git LFS" in refusal_of(lambda: tree.read("lfs.bin"))
    assert "5 bytes, more than the 4" in refusal_of(lambda: tree.read("folder/file", limit=4))


async def test_a_submodule_is_named(look: Look, workplace: Workplace, tmp_path: Path) -> None:
    other = Workplace(tmp_path / "other")
    other.commit({"x": "1"})
    workplace.commit({"file": ""})
    workplace.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.origin), "vendor/lib")
    tree = await look()
    assert tree.kind("vendor/lib") == "submodule"
    assert list(tree.walk("vendor")) == ["vendor/lib"]
    assert "submodule" in refusal_of(lambda: tree.read("vendor/lib"))
    assert "in the submodule vendor/lib" in refusal_of(lambda: tree.read("vendor/lib/x"))


@pytest.fixture
def folder_of_many(workplace: Workplace) -> Workplace:
    workplace.write(
        {f"team{number % 50}/app{number}/{name}": str(number) for number in range(400) for name in ("trueup.yaml", "a", "b", "c")}
    )
    return workplace


async def test_a_committed_tree_is_read_by_many_threads_at_once(folder_of_many: Workplace, mirror: Mirror) -> None:
    tree = mirror.tree((await mirror.head()).commit) if folder_of_many.commit({}) else None
    assert isinstance(tree, GitTree)
    paths = [path for path, _ in tree.find(lambda name: name == "trueup.yaml")]

    def read_all() -> list[bytes]:
        return [tree.read(path) for path in paths]

    with ThreadPoolExecutor(8) as threads:
        results = await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(threads, read_all) for _ in range(8)))
    assert results == [[path.split("app")[1].split("/")[0].encode() for path in paths]] * 8


async def test_declarations_are_found_quickly(folder_of_many: Workplace, mirror: Mirror) -> None:
    folder_of_many.commit({})
    tree = mirror.tree((await mirror.head()).commit)
    started = time.process_time()
    assert len(tree.find(lambda name: name == "trueup.yaml")) == 400
    assert time.process_time() - started < 0.1  # 8 ms where it was written


async def test_a_folder_may_be_the_root(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"apps/web/a.yaml": "a"})
    await mirror.fetch(await mirror.head())
    assert list(mirror.tree(commit, "apps").walk()) == ["web/a.yaml"]
    assert "no folder nowhere" in refusal_of(lambda: mirror.tree(commit, "nowhere"))


async def test_a_commit_without_files_has_an_empty_tree(workplace: Workplace, mirror: Mirror) -> None:
    first = workplace.commit({})
    workplace.commit({"a": "1"})
    last = workplace.commit({"a": None})
    await mirror.head()
    assert [mirror.tree(commit).names("") for commit in (first, last)] == [[], []]
    assert [change.kind for change in mirror.changes(first, last)] == []


async def test_names_that_reach_out_of_a_folder_are_refused(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"file": ""})
    head = await mirror.head()
    blob = mirror.store(b"x")
    raw = b"100644 ..\0" + bytes.fromhex(blob)
    tree_id = mirror.objects.repository().odb.write(2, raw)
    assert head.commit
    assert refusal_of(lambda: GitTree(mirror.objects, str(tree_id)).names("")).startswith("..: a file must not be called that")


async def test_on_disk_only_what_git_would_commit_is_seen(workplace: Workplace) -> None:
    workplace.commit({"kept": "1", "gone": "1", ".gitignore": "*.log\nbuild/\n"})
    workplace.write({"new/file": "2", "x.log": "", "build/out": "", "gone": None})
    tree = await WorkingTree.open(workplace.clone)
    assert list(tree.walk()) == [".gitignore", "kept", "new/file"]


async def test_on_disk_an_edit_changes_the_id(workplace: Workplace) -> None:
    workplace.commit({"a/x": "1"})
    tree = await WorkingTree.open(workplace.clone)
    before = tree.object_id("a")
    workplace.write({"a/x": "22"})
    assert tree.object_id("a") != before
    workplace.commit({})
    assert tree.object_id("a") == workplace.git("rev-parse", "HEAD:a")


async def test_a_folder_that_is_no_clone_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "plain/sub").mkdir(parents=True)
    (tmp_path / "plain/sub/x.yaml").write_text("x")
    tree = await WorkingTree.open(tmp_path / "plain")
    assert list(tree.walk()) == ["sub/x.yaml"]


async def test_a_part_of_a_clone_may_be_the_root(workplace: Workplace) -> None:
    workplace.commit({"a/b/c": "", "d": ""})
    assert list((await WorkingTree.open(workplace.clone / "a")).walk()) == ["b/c"]


async def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no folder"):
        await WorkingTree.open(tmp_path / "nowhere")
