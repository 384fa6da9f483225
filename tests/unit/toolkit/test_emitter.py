"""What is written is read back as it was, by us and by others."""

import math

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from trueup.model.secret import Secret
from trueup.toolkit.documents import read
from trueup.toolkit.emitter import dump

ODD = "yesno~0123456789.eExXob_:-+ #&*!|>'\"%@`{}[],?=<\n\t\r\\"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(ODD, max_size=6)
# Beyond 2**53 a float comes back as the shortest digits that name it, which are an integer beside it.
FLOAT = st.floats(-(2**53), 2**53)
LEAF = TEXT | st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOAT
VALUE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=8)


@given(VALUE.filter(lambda value: value is not None))
@example({"a" * 2000: {"b": 1}, "c": [[], {}, [[1]]]})
@example([1e20, -1e-7, 5e-324, 1.7e308])
@example("0\n")
def test_what_is_written_is_read_back(value: object) -> None:
    [document] = read(dump(value).encode(), "f")
    assert document.body == value


@given(TEXT)
@example("=")
@example("12:30")
@example("2001-01-01")
@example("1_0.5")
def test_other_readers_see_the_same_text(text: str) -> None:
    assert yaml.load(dump({text: [text]}), yaml.CSafeLoader) == {text: [text]}


@pytest.mark.parametrize(
    "text",
    [
        "nginx:1.25",
        "app.kubernetes.io/name",
        "1.2.3",
        "10.0.0.1",
        "3f2a9c1",
        "-flag",
        "a b",
        "it's",
        "http://x:80/?a=b#c",
        "größe",
        "\N{PARTY POPPER}",
        "y2",
    ],
)
def test_ordinary_text_stands_without_quotes(text: str) -> None:
    assert dump(text) == f"{text}\n"


@pytest.mark.parametrize(
    "text", ["yes", "N", "off", "null", "~", "", "1e3", "0o7", "08", "0x1F", "1_000", " a", "a ", "a: b", "a #b", "- a", "a:", "#", "---"]
)
def test_text_that_reads_as_something_else_is_quoted(text: str) -> None:
    assert dump(text) == f'"{text}"\n'


def test_the_layout_is_that_of_kubectl() -> None:
    value = {
        "kind": "ConfigMap",
        "data": {"script": "a\n  b\n\nc\n", "open": "a\nb", "more": "a\n\n"},
        "items": [{"name": "web", "ports": [80, 443]}, {"empty": {}, "none": None}],
    }
    assert dump(value) == (
        "kind: ConfigMap\ndata:\n  script: |\n    a\n      b\n\n    c\n  open: |-\n    a\n    b\n  more: |+\n    a\n\n"
        "items:\n- name: web\n  ports:\n  - 80\n  - 443\n- empty: {}\n  none: null\n"
    )


def test_a_secret_stays_masked() -> None:
    assert dump({"password": Secret("hunter2", "a.env")}) == "password: (secret)\n"


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        dump([math.inf])
