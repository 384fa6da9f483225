"""The sizes are a smell detector: only what is above twice a limit fails."""

from pathlib import Path

from scripts.sizes import Size, measured, report


def measured_source(folder: Path, text: str) -> dict[str, Size]:
    (folder / "src").mkdir()
    (folder / "src" / "module.py").write_text(text, encoding="utf-8")
    return {size.what: size for size in measured(folder)}


def test_nothing_is_above_twice_its_limit(root: Path) -> None:
    found = measured(root)
    assert not [size for size in found if size.fails], report(found)


def test_a_docstring_is_not_length(tmp_path: Path) -> None:
    sizes = measured_source(tmp_path, 'def name():\n    """One.\n\n    Two.\n    """\n    return 1\n')
    assert sizes["lines of a function"].count == 2


def test_every_way_to_pass_an_argument_is_a_parameter(tmp_path: Path) -> None:
    sizes = measured_source(tmp_path, "def name(self, a, /, b, *c, d, **e):\n    return 1\n")
    assert sizes["parameters"].count == 5


def test_an_elif_is_no_deeper_than_its_if(tmp_path: Path) -> None:
    text = (
        "def name(a):\n    if a == 1:\n        pass\n    elif a == 2:\n        pass\n    elif a:\n        for b in a:\n            pass\n"
    )
    assert measured_source(tmp_path, text)["nesting"].count == 2


def test_an_if_in_an_else_is_deeper(tmp_path: Path) -> None:
    text = "def name(a):\n    if a == 1:\n        pass\n    else:\n        if a == 2:\n            pass\n"
    assert measured_source(tmp_path, text)["nesting"].count == 2


def test_a_long_function_fails_above_twice_the_limit(tmp_path: Path) -> None:
    at_limit = "def name():\n" + "    pass\n" * 79
    assert not measured_source(tmp_path, at_limit)["lines of a function"].fails
    (tmp_path / "src" / "module.py").write_text(at_limit + "    pass\n", encoding="utf-8")
    assert {size.what for size in measured(tmp_path) if size.fails} == {"lines of a function"}
