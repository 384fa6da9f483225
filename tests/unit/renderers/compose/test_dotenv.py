"""Env files."""

import pytest

from trueup.renderers.compose.dotenv import read_raw, read_variables
from trueup.renderers.compose.located import Faults


def read(text: str) -> tuple[dict[str, str], list[str]]:
    faults = Faults()
    found = read_variables(text.encode(), "a.env", {}, {"OUTER": "outer"}.get, faults)
    return found, [str(fault) for fault in faults.found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain  # comment", "plain"),
        ("A=a#b", "a#b"),
        ("export A = spaced ", "spaced"),
        ("A: yaml", "yaml"),
        ("A='$OUTER\\n'", "$OUTER\\n"),
        ('A="$OUTER\\n\\$x"', "outer\n$x"),
        ('A="two\nlines"', "two\nlines"),
        ("A=${OUTER:-x}${NO:-y}", "outery"),
        ("A=", ""),
        ("OUTER\nA=$OUTER", "outer"),
        ("A=first\nA=second", "second"),
        ("\ufeffA=marked", "marked"),
    ],
)
def test_values_are_read_as_compose_reads_them(text: str, value: str) -> None:
    found, faults = read(text)
    assert (found["A"], faults) == (value, [])


@pytest.mark.parametrize(("text", "line"), [("A=1\nwhat is this\n", 2), ("A=1\n\nB='open\nC=2\n", 3), ("A=1\nB=$nothing", 2), ("=x", 1)])
def test_what_is_wrong_is_told_with_its_line(text: str, line: int) -> None:
    assert [fault.partition(": ")[0] for fault in read(text)[1]] == [f"a.env:{line}"]


def test_no_value_is_in_a_fault() -> None:
    assert "open-sesame" not in str(read("PASSWORD='open-sesame\n")[1])


def test_a_raw_file_is_taken_as_it_stands() -> None:
    faults = Faults()
    found = read_raw(b'# no\nA="$x" # y\n\nOUTER\nB B=1\n', "a.env", {"OUTER": "outer"}.get, faults)
    assert found == {"A": '"$x" # y', "OUTER": "outer"}
    assert [fault.line for fault in faults.found] == [5]
