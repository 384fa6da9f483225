"""What is in files, as Git would name it."""

import os
import subprocess
from pathlib import Path

import pytest

from trueup.runtimes.host.content import Contents, blob_id, shown


@pytest.fixture
def folder(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)


def identity(contents: Contents, folder: int, name: str = "file") -> str:
    seen = contents.look(name, folder, "sha1")
    assert seen is not None
    return seen.identity


def test_a_file_has_the_id_that_git_gives_it(tmp_path: Path, folder: int) -> None:
    (tmp_path / "file").write_bytes(b"hello\0\xff\n")
    told = subprocess.run(["git", "hash-object", "file"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
    assert identity(Contents(), folder) == told == blob_id(b"hello\0\xff\n")


def test_a_file_that_stays_is_read_once(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    monkeypatch.setattr("time.time", lambda: 1e11)
    contents = Contents()
    first = identity(contents, folder)
    monkeypatch.setattr("os.read", lambda *_: pytest.fail("it was read again"))
    assert identity(contents, folder) == first


def test_a_file_that_changed_a_moment_ago_is_read_again(tmp_path: Path, folder: int) -> None:
    contents = Contents()
    for text in ("one", "two", "six"):
        (tmp_path / "file").write_text(text)
        assert identity(contents, folder) == blob_id(text.encode())


def test_links_and_folders_are_told_apart(tmp_path: Path, folder: int) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "below").mkdir()
    kinds = [seen.kind if (seen := Contents().look(name, folder, "sha1")) else None for name in ("link", "below", "nothing")]
    assert kinds == ["link", "folder", None]


def test_only_short_text_is_shown() -> None:
    assert shown(b"mode = demo\n") == "mode = demo\n"
    assert shown(b"\0") == f"{blob_id(bytes(1))[:10]}, 1 bytes"
    assert shown(b"\xff").endswith("1 bytes")
    assert shown(b"x" * 5000).endswith("5000 bytes")
