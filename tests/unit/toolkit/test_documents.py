"""YAML becomes data as kubectl reads it, with places; what is wrong is told with its place.

``scalars.json`` and ``keys.json`` hold what sigs.k8s.io/yaml, kubectl's reader, makes of each text.
"""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trueup.model.errors import DeclarationError
from trueup.toolkit.documents import Document, read

CASES = Path(__file__).parents[2] / "cases" / "documents"
FAULTS = sorted((CASES / "faults").glob("*.yaml"))


def one(text: str) -> Document:
    [document] = read(text.encode(), "f.yaml")
    return document


def faults_of(text: bytes, limit: int = 10_000_000) -> list[tuple[int, int, str]]:
    with pytest.raises(DeclarationError) as caught:
        read(text, "f.yaml", limit)
    assert all(fault.hint and fault.file == "f.yaml" for fault in caught.value.faults)
    return [(fault.line, fault.column, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize(("text", "value"), json.loads((CASES / "scalars.json").read_text()).items())
def test_a_scalar_means_what_kubectl_takes_it_for(text: str, value: object) -> None:
    body = one(f"a: {text}").body
    assert isinstance(body, dict)
    assert (body["a"], type(body["a"])) == (value, type(value))


@pytest.mark.parametrize(("text", "key"), json.loads((CASES / "keys.json").read_text()).items())
def test_a_key_becomes_the_text_that_kubectl_gives_it(text: str, key: str | None) -> None:
    if key is None:
        assert faults_of(f"{text}: x".encode()) == [(1, 1, "a key is not text, number or boolean")]
    else:
        assert one(f"{text}: x").body == {key: "x"}


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_a_fault_is_told_with_its_place_and_a_hint(path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(path.read_bytes(), path.name)
    told = "".join(f"{fault.line}:{fault.column}: {fault.message}\n    hint: {fault.hint}\n" for fault in caught.value.faults)
    assert told == path.with_suffix(".txt").read_text()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text_is_the_same_for_every_reader(text: str) -> None:
    source = yaml.dump({"a": text}, default_style='"', allow_unicode=True)
    assert one(source).body == yaml.load(source, yaml.CSafeLoader) == {"a": text}


def test_empty_documents_are_left_out_and_the_others_know_their_lines() -> None:
    text = "# note\n---\n---\nnull\n--- # web\n\nkind: A\n...\n---\n  kind: B\n  list: [1]\n"
    found = read(text.encode(), "f.yaml")
    assert [(document.body, document.line) for document in found] == [({"kind": "A"}, 7), ({"kind": "B", "list": [1]}, 10)]
    assert found[1].line_of(("list", 0)) == 11


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n---\n", "\ufeff"])
def test_a_file_without_content_has_no_documents(text: str) -> None:
    assert read(text.encode(), "f.yaml") == []


def test_every_value_knows_its_line_and_column() -> None:
    document = one("kind: A\nspec:\n  containers:\n  - name: web\n    image: x\n  -   name: db\n  on: {a.b/c: 1}\n")
    places = {
        ("spec", "containers", 0, "image"): (5, 5),
        ("spec", "containers", 1): (6, 7),
        ("spec", "true", "a.b/c"): (7, 8),
    }
    assert {path: (document.spot_of(path).line, document.spot_of(path).column) for path in places} == places


def test_a_path_that_is_not_there_has_the_line_of_what_is() -> None:
    document = one("\n\na:\n  b: 1\n")
    assert document.line_of(("a", "b", "c")) == 4
    assert document.line_of(("a", "x", "b")) == 3
    assert document.line_of(("x",)) == document.line == 3


def test_what_an_alias_brings_in_is_where_it_was_written() -> None:
    document = one("x: &x\n  a: 1\n  b: 2\nv: *x\nw:\n  b: 3\n  <<: [*x, {c: 4}]\n&k key: 5\nlast: {*k : 6}\n")
    paths = (("v",), ("v", "a"), ("w", "a"), ("w", "b"), ("w", "c"), ("key",), ("last", "key"))
    assert [document.line_of(path) for path in paths] == [4, 2, 2, 6, 7, 8, 9]
    assert document.spot_of(("last", "key")).column == 8


def test_merged_entries_give_way_to_explicit_ones_and_earlier_ones_win() -> None:
    text = "v: &v {a: 1, b: 1}\nw: &w {b: 2, c: 2}\nx:\n  c: 3\n  <<: [*v, *w]\n"
    assert one(text).body == {"v": {"a": 1, "b": 1}, "w": {"b": 2, "c": 2}, "x": {"a": 1, "b": 1, "c": 3}}


def test_what_an_alias_brings_in_can_be_changed_alone() -> None:
    body = one("a: &a {x: [1]}\nb: *a\n").body
    assert isinstance(body, dict)
    body["a"]["x"].append(2)
    assert body["b"] == {"x": [1]}


def test_an_anchor_names_something_in_its_own_document_only() -> None:
    assert faults_of(b"a: &a 1\n---\nb: *a\n") == [(3, 4, "the alias has no anchor above it")]


def test_json_is_read_like_yaml_with_exact_integers_and_its_escapes() -> None:
    text = r'{"id": 12345678901234567890, "face": "\ud83d\ude00", "path": "C:\\ud83d\\ude00", "url": "a\/b"}'
    document = one(text)
    assert document.body == {"id": 12345678901234567890, "face": "\N{GRINNING FACE}", "path": r"C:\ud83d\ude00", "url": "a/b"}
    assert document.line_of(("url",)) == 1


def test_a_byte_order_mark_is_no_content() -> None:
    assert one("\ufeffa: 1").body == {"a": 1}


def test_a_file_that_is_not_utf_8_is_refused_at_its_line() -> None:
    assert faults_of("a: 1\nb: é\n".encode("latin-1")) == [(2, 4, "the file is not UTF-8")]


def test_a_file_beyond_the_limit_is_refused() -> None:
    assert faults_of(b"a: 12345\n", limit=8) == [(0, 0, "the file is too large: 9 bytes")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
            5,
        ),
        (f"a: &a {'x' * 1_000_000}\nb: [{'*a, ' * 100}]\n", 2),
    ],
)
def test_aliases_that_expand_to_too_much_are_refused(text: str, place: int) -> None:
    [(line, _, message)] = faults_of(text.encode())
    assert (line, message) == (place, "the aliases expand to too much")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000,
        "{a: " * 5_000,
        "- " * 5_000,
        "".join(f"a{i}: &a{i} {'[' * 60}*a{i - 1}{']' * 60}\n" if i else "a0: &a0 1\n" for i in range(50)),
    ],
)
def test_nesting_that_is_too_deep_is_refused(text: str) -> None:
    [(_, _, message)] = faults_of(text.encode())
    assert message == "the nesting is too deep"


def test_a_file_full_of_faults_is_given_up_after_fifty() -> None:
    assert len(faults_of(b"a: 1\n" * 1_000)) == 50


def test_no_fault_shows_a_value() -> None:
    for broken in (
        "password: !hunter2 x",
        "password: *hunter2",
        "password: @hunter2",
        'password: "hunter2',
        "password: hunter2: x",
        "password: {hunter2",
    ):
        with pytest.raises(DeclarationError) as caught:
            read(broken.encode(), "f.yaml")
        assert "hunter2" not in repr(caught.value.faults)
