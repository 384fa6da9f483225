"""Declaration files become Targets and Applications; what is wrong across files is told."""

from typing import Any

import pytest

from tests.end_to_end.estate import application, documents, target
from tests.unit.engine.histories import KINDS
from trueup.engine.discover import Found, cross_check, discover, duplicates, ignored, is_declaration
from trueup.model.memory import Outline
from trueup.testing.trees import FolderTree


def found(files: dict[str, str]) -> Found:
    """What these files declare."""
    tree = FolderTree({path: content.encode() for path, content in files.items()})
    return discover("/repository#HEAD", tree, [path for path in files if is_declaration(path)], KINDS)


def outline(name: str, *needs: str, where: str = "here") -> Outline:
    """An application in outline."""
    return Outline(name, f"{name}/trueup.yaml", where, needs)


def crossed(*outlines: Outline) -> dict[str, list[str]]:
    """The messages of what is wrong across files, by application."""
    return {name: [fault.message for fault in faults] for name, faults in cross_check(outlines, {"here"}, {}).items()}


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("trueup.yaml", True),
        ("a/b/trueup.yaml", True),
        ("a/web.trueup.yaml", True),
        ("trueup.yml", False),
        ("mytrueup.yaml", False),
        ("trueup.yaml/x.yaml", False),
    ],
)
def test_declarations_are_known_by_their_names(path: str, is_one: bool) -> None:
    assert is_declaration(path) is is_one


@pytest.mark.parametrize(
    ("rules", "hidden"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("old/\n", ["apps/old/trueup.yaml", "apps/new/old/trueup.yaml"]),
        ("/old/\n", ["apps/old/trueup.yaml"]),
        ("*\n!keep.trueup.yaml\n", ["apps/old/trueup.yaml", "apps/new/old/trueup.yaml"]),
        ("old/\n!new/old/\n", ["apps/old/trueup.yaml"]),
    ],
)
def test_trueupignore_reads_like_a_gitignore_of_the_followed_folder(rules: str, hidden: list[str]) -> None:
    paths = ["apps/old/trueup.yaml", "apps/new/old/trueup.yaml", "apps/keep.trueup.yaml"]
    tree = FolderTree({**dict.fromkeys(paths, b""), "apps/.trueupignore": rules.encode(), ".trueupignore": b"apps/\n"})
    assert ignored(tree, "apps", paths) == set(hidden)


def test_what_is_right_in_a_file_is_kept_though_something_else_in_it_is_wrong() -> None:
    files = {
        "a/trueup.yaml": documents(target(), application("good", path="."), application("bad", pth="."), {"kind": "Nothing"}),
        "b/trueup.yaml": "a: [\n",
        "c/trueup.yaml": "- a list\n",
    }
    result = found(files)
    assert ([each.name for each in result.targets], [each.name for each in result.applications]) == (["here"], ["good"])
    assert [fault.file for fault in result.faults] == ["a/trueup.yaml", "a/trueup.yaml", "b/trueup.yaml", "c/trueup.yaml"]


def test_the_defaults_are_those_of_the_contract() -> None:
    declared = found({"web/trueup.yaml": documents({**application("web"), "spec": {"target": "here"}})}).applications[0]
    policy = declared.policy
    assert (declared.folder, declared.line, declared.spec.namespace, declared.spec.depends_on) == ("web", 1, "", ())
    assert (policy.sync, policy.prune, policy.self_heal, policy.adopt, policy.removal) == ("auto", True, True, False, "hold")
    assert (policy.delete_limit.count, policy.delete_limit.percent, policy.timeout, policy.rollback) == (10, 50, 300.0, "manual")
    assert (policy.retry.limit, policy.retry.pause, policy.retry.to) == (5, 5.0, 300.0)


@pytest.mark.parametrize(("path", "folder"), [(".", "a"), ("../b", "b"), ("/", ""), ("/b/c", "b/c"), ("b//c/../d", "a/b/d")])
def test_a_folder_is_relative_to_its_declaration_or_to_the_root(path: str, folder: str) -> None:
    assert found({"a/trueup.yaml": documents(application("web", path=path))}).applications[0].folder == folder


@pytest.mark.parametrize("path", ["../..", "../../x", "/../x"])
def test_a_folder_outside_of_the_repository_is_a_fault(path: str) -> None:
    result = found({"a/trueup.yaml": documents(application("web", path=path))})
    assert result.applications == []
    assert "leaves the repository" in result.faults[0].message


@pytest.mark.parametrize("name", ["Web", "a_b", "-a", "a" * 64, "", "a/b", "ä"])
def test_names_that_no_target_could_have_are_faults(name: str) -> None:
    assert found({"trueup.yaml": documents(application("web") | {"metadata": {"name": name}})}).applications == []


def test_options_of_a_renderer_need_its_name() -> None:
    result = found({"trueup.yaml": documents(application("web", render={"recurse": True}))})
    assert [(fault.line, fault.message) for fault in result.faults] == [(8, "render has options but does not say `with`")]


def test_a_name_that_is_declared_twice_is_told_at_each_place() -> None:
    result = found({"a/trueup.yaml": documents(application("web"), application("api")), "b/trueup.yaml": documents(application("web"))})
    faults = duplicates(result.applications)
    assert {name: [fault.place for fault in each] for name, each in faults.items()} == {"web": ["a/trueup.yaml:1", "b/trueup.yaml:1"]}
    assert faults["web"][1].message == "application `web` is declared twice; also at a/trueup.yaml:1"


def test_a_target_and_a_dependency_that_do_not_exist_are_told_with_what_is_meant() -> None:
    faults = cross_check([outline("web", "datbase", where="her"), outline("database")], {"here"}, {"web": ("web/trueup.yaml", 3)})
    assert [(fault.place, fault.message, fault.hint) for fault in faults["web"]] == [
        ("web/trueup.yaml:3", "target `her` does not exist", "did you mean `here`?"),
        ("web/trueup.yaml:3", "`dependsOn` names `datbase`, which does not exist", "did you mean `database`?"),
    ]


@pytest.mark.parametrize(
    ("needs", "cycles"),
    [
        ({"a": "b", "b": "c", "c": ""}, set()),
        ({"a": "b c", "b": "d", "c": "d", "d": ""}, set()),
        ({"a": "a"}, {"a -> a"}),
        ({"b": "a", "a": "c", "c": "b"}, {"a -> c -> b -> a"}),
        ({"a": "b", "b": "a", "c": "d", "d": "c", "e": "a d"}, {"a -> b -> a", "c -> d -> c"}),
        ({"a": "b", "b": "c", "c": "b"}, {"b -> c -> b"}),
    ],
)
def test_cycles_are_named_once_from_their_smallest_name(needs: dict[str, str], cycles: set[str]) -> None:
    messages = {message for each in crossed(*(outline(name, *text.split()) for name, text in needs.items())).values() for message in each}
    assert messages == {f"`dependsOn` goes round in a circle: {cycle}" for cycle in cycles}


def test_only_those_in_a_cycle_are_faulty() -> None:
    assert sorted(crossed(outline("a", "b"), outline("b", "a"), outline("c", "a"))) == ["a", "b"]


def test_a_chain_of_ten_thousand_is_no_trouble() -> None:
    chain: list[Any] = [outline(f"n{number}", f"n{number + 1}") for number in range(10_000)]
    assert crossed(*chain, outline("n10000")) == {}
    faults = crossed(*chain, outline("n10000", "n0"))
    assert len(faults) == 10_001
    assert faults["n5"][0].endswith("n0 -> n1 -> n2 -> n3 -> n4 -> n5 -> n6 -> n7 -> n8 -> n9 -> 9991 more -> n0")
