import subprocess
from pathlib import Path

import pytest

from trueup.model.contracts import Inputs
from trueup.model.errors import DeclarationError
from trueup.testing import FolderTree, Overlooked

FILES = {"web.yaml": b"kind: Web\n", "web/run.sh": b"#!/bin/sh\n", "web/site/index.html": b"", "a.b": b"x", "a/b": b"y", "a0": b"z"}


def test_object_ids_are_those_that_git_gives(tmp_path: Path) -> None:
    for path, content in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "web/run.sh").chmod(0o755)
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "files"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    listing = subprocess.run(["git", "ls-tree", "-rt", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    root = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    tree = FolderTree(FILES, frozenset(["web/run.sh"]))
    found = {path: f"{tree.mode(path):06o} {tree.object_id(path)}" for path in ["a", "web", "web/site", *FILES]}
    expected = {line.partition("\t")[2]: line.partition("\t")[0] for line in listing.splitlines()}
    assert found == {path: f"{words.split()[0]} {words.split()[2]}" for path, words in expected.items()}
    assert tree.object_id("") == root


def test_a_listing_changes_with_names_and_kinds_and_not_with_content() -> None:
    listing = FolderTree(FILES).listing_id("web")
    assert FolderTree(FILES).changed("web/run.sh", b"exit 1\n").listing_id("web") == listing
    assert FolderTree(FILES).changed("web/site/more.html", b"").listing_id("web") == listing
    assert FolderTree(FILES).changed("web/run.sh", None).listing_id("web") != listing
    assert FolderTree(FILES).changed("web/site", b"").changed("web/site/index.html", None).listing_id("web") != listing


def test_what_is_not_there_is_not_read() -> None:
    tree = FolderTree(FILES)
    assert (tree.kind("web/none"), tree.object_id("none"), tree.listing_id("web.yaml"), tree.names("none")) == (None, None, None, [])
    assert (tree.kind(""), tree.kind("web"), tree.kind("web/run.sh")) == ("folder", "folder", "file")
    assert tree.walk("web") == ["web/run.sh", "web/site/index.html"]
    with pytest.raises(DeclarationError, match="no such file"):
        tree.read("web")
    with pytest.raises(DeclarationError, match="larger than 3 bytes"):
        tree.read("web.yaml", 3)


@pytest.mark.parametrize(
    ("look", "inputs"),
    [
        (lambda tree: tree.read("web/run.sh"), Inputs(files={"web/run.sh": ""})),
        (lambda tree: tree.names("web"), Inputs(folders={"web": ""})),
        (lambda tree: tree.kind("web/none"), Inputs(absent=frozenset(["web/none"]))),
        (lambda tree: tree.kind("web/none"), Inputs(folders={"web": ""})),
        (lambda tree: tree.walk("web"), Inputs(whole={"web": ""})),
        (lambda tree: tree.walk("web"), Inputs(folders={"web": "", "web/site": ""})),
    ],
)
def test_every_look_is_told_unless_it_is_declared(look, inputs: Inputs) -> None:  # type: ignore[no-untyped-def]
    looked = Overlooked(FolderTree(FILES))
    look(looked)
    assert looked.undeclared(inputs) == []
    assert looked.undeclared(Inputs()) != []
    assert looked.undeclared(Inputs(files={"a0": ""}, folders={"a": ""}, absent=frozenset(["none"]), whole={"a": ""})) != []
