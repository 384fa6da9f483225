"""What changed in a mount, as a person is told."""

from trueup.runtimes.compose.edits import difference


def test_files_are_told_by_name_and_many_by_their_number() -> None:
    before = {"a": ("1", 0o644), "b": ("1", 0o644), "run": ("1", 0o644), "gone": ("1", 0o644)}
    after = {"a": ("2", 0o644), "b": ("1", 0o644), "run": ("1", 0o755), **{f"new/{number}": ("1", 0o644) for number in range(6)}}
    assert difference(before, after) == "changed a, run; new new/0, new/1, new/2, new/3 and 2 more; gone gone"
    assert difference({"": ("1", 0o644)}, {"": ("2", 0o644)}) == "", "a file is named by its mount"
