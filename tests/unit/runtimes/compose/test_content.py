"""What a service takes along, and what names its version."""

from typing import Any

import pytest

from trueup.model.errors import DeclarationError
from trueup.runtimes.compose.content import bits_of, mounts_of, pieces_of
from trueup.testing.trees import FolderTree

TREE = FolderTree({"shop/conf/a": b"a", "shop/conf/deep/b": b"b", "shop/run": b"run"}, frozenset({"shop/run"}))


def mount(content: str, **more: Any) -> dict[str, Any]:
    return {"volumes": [{"type": "bind", "content": content, "target": "/there", **more}]}


def test_a_folder_is_all_files_in_it_and_a_file_is_one() -> None:
    [folder] = pieces_of("web", mount("/shop/conf"), TREE)
    [file] = pieces_of("web", mount("/shop/run"), TREE)
    assert sorted(folder.leaves) == ["a", "deep/b"]
    assert {path: leaf.mode for path, leaf in file.leaves.items()} == {"": 0o755}
    assert (folder.is_folder, file.is_folder) == (True, False)


def test_equal_content_is_one_version_wherever_it_is_mounted() -> None:
    elsewhere = FolderTree({"other/a": b"a", "other/deep/b": b"b"})
    [here], [there] = pieces_of("web", mount("/shop/conf"), TREE), pieces_of("db", mount("/other"), elsewhere)
    assert here.version == there.version
    assert here.mount != there.mount


@pytest.mark.parametrize("files", [{"shop/conf/a": b"b"}, {"shop/conf/c": b"a"}, {"shop/conf/a": b"a", "shop/conf/c": b""}])
def test_other_content_is_another_version(files: dict[str, bytes]) -> None:
    [before], [after] = pieces_of("web", mount("/shop/conf"), TREE), pieces_of("web", mount("/shop/conf"), FolderTree(files))
    assert before.version != after.version


def test_what_is_written_in_place_is_nobody_elses() -> None:
    signalled = {**mount("/shop/conf"), "x-trueup": {"change": {"signal": "SIGHUP"}}}
    assert pieces_of("web", signalled, TREE)[0].version != pieces_of("db", signalled, TREE)[0].version


def test_a_mount_may_say_what_its_change_does() -> None:
    spec = {**mount("/shop/conf", **{"x-trueup": {"change": "recreate"}}), "x-trueup": {"change": {"signal": "SIGHUP"}}}
    spec["configs"] = [{"target": "/text.conf", "text": "hello", "mode": "0440"}]
    folder, text = pieces_of("web", spec, TREE)
    assert (folder.change, text.change) == ("recreate", {"signal": "SIGHUP"})
    assert (text.leaves[""].mode, text.leaves[""].text) == (0o440, b"hello")
    assert mounts_of("web", spec) == [folder.mount, text.mount]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(DeclarationError, match="there is no file or folder `shop/none`"):
        pieces_of("web", mount("/shop/none"), TREE)


@pytest.mark.parametrize(("mode", "bits"), [(None, 0o444), ("0440", 0o440), ("644", 0o644), (0o400, 0o400)])
def test_modes_are_read_as_compose_writes_them(mode: object, bits: int) -> None:
    assert bits_of(mode, 0o444) == bits
