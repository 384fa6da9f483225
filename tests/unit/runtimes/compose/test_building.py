"""What of a folder is sent to be built."""

import pytest

from trueup.runtimes.compose.building import Ignored, build_of
from trueup.testing.trees import FolderTree


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        (["*.log"], ["a.log"], ["deep/a.log", "log"]),
        (["**/*.log"], ["a.log", "deep/er/a.log"], ["a.logs"]),
        (["logs/"], ["logs/a", "logs/deep/b"], ["log/a", "deep/logs/a"]),
        (["/node_modules", "!node_modules/kept"], ["node_modules/a"], ["node_modules/kept", "node_modules/kept/b"]),
        (["*", "!src"], ["a", "deep/a"], ["src/a"]),
        (["# all", "", "file?", "[ab].txt"], ["file1", "a.txt"], ["file", "c.txt", "# all"]),
    ],
)
def test_the_last_rule_that_fits_decides(rules: list[str], ignored: list[str], kept: list[str]) -> None:
    rule = Ignored(rules)
    assert [path for path in ignored if not rule(path)] == []
    assert [path for path in kept if rule(path)] == []


def test_the_dockerfile_is_sent_even_when_it_is_ignored() -> None:
    tree = FolderTree({"app/Dockerfile": b"FROM scratch", "app/.dockerignore": b"*\n!src\n", "app/src/a": b"a", "app/b": b"b"})
    assert sorted(build_of("shop", "web", {"content": "/app"}, tree).leaves) == [".dockerignore", "Dockerfile", "src/a"]


def test_what_only_steers_the_build_is_no_part_of_its_name() -> None:
    tree = FolderTree({"app/Dockerfile": b"FROM scratch"})
    plain = build_of("shop", "web", {"content": "/app"}, tree)
    assert plain.tag.startswith("trueup/shop-web:")
    assert build_of("shop", "web", {"content": "/app", "no_cache": True, "pull": True}, tree).tag == plain.tag
    assert build_of("shop", "web", {"content": "/app", "target": "first"}, tree).tag != plain.tag
