"""A range of versions and the tags of a repository become one tag: the newest release that the range allows (semver.org)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(0|[1-9]\d*)"
_REST = r"(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
_VERSION = re.compile(rf"[vV]?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?{_REST}")
_TERM = re.compile(rf"(>=|<=|>|<|=|\^|~)?\s*[vV]?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?{_REST}")
_RANGE = re.compile(r"\s*[<>=^~*]|.*[\s,|]|[vV]?\d+(\.\d+)?\.[xX*]$")
_WILD = frozenset({"x", "X", "*", None})


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """One version. Build metadata does not count; a pre-release comes before its release."""

    numbers: tuple[int, int, int]
    before: tuple[str, ...] = ()

    def __lt__(self, other: "Version") -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        words = [(not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in self.before]
        return self.numbers, not self.before, words


Test = Callable[[Version], bool]


@dataclass(frozen=True, slots=True)
class Range:
    """``>=1.2 <2``, ``1.x``, ``^1.4``, ``~1.4.2``; a comma or a space means and, ``||`` means or.

    A pre-release fits only where the range names one (``>=2.0.0-rc.1``).
    """

    choices: tuple[tuple[Test, ...], ...]
    takes_before: bool

    def fits(self, version: Version) -> bool:
        """Whether a version is in the range."""
        if version.before and not self.takes_before:
            return False
        return any(all(test(version) for test in tests) for tests in self.choices)

    def newest(self, tags: Iterable[str]) -> str | None:
        """The tag of the newest version in the range; None when no tag is one."""
        found = [(read, tag) for tag in tags if (read := version(tag)) is not None and self.fits(read)]
        return max(found)[1] if found else None


def version(tag: str) -> Version | None:
    """The version that a tag names, with or without ``v`` before it; missing numbers are 0."""
    match = _VERSION.fullmatch(tag)
    if match is None:
        return None
    major, minor, patch, before = match.groups()
    return Version((int(major), int(minor or 0), int(patch or 0)), tuple(before.split(".")) if before else ())


def looks_like_range(reference: str) -> bool:
    """Whether a reference means a range of versions: none of its signs is legal in, or usual for, the name of a branch."""
    return bool(_RANGE.match(reference))


def version_range(text: str) -> Range | None:
    """Read a range; None when it is not one."""
    choices: list[tuple[Test, ...]] = []
    for choice in text.split("||"):
        rest = choice.replace(",", " ").strip()
        tests: list[Test] = []
        while rest:
            match = _TERM.match(rest)
            if match is None or rest[match.end() : match.end() + 1].strip():
                return None
            tests += _tests(match)
            rest = rest[match.end() :].strip()
        if not tests:
            return None
        choices.append(tuple(tests))
    return Range(tuple(choices), "-" in text)


def _tests(match: re.Match[str]) -> list[Test]:
    """What one term demands, as a lowest version and one that is too high."""
    sign, *parts, before = match.groups()
    known = [int(part) for part in parts[: next((place for place, part in enumerate(parts) if part in _WILD), 3)]]
    low = Version(_three(known), tuple(before.split(".")) if before else ())
    after = Version(_three([*known[:-1], known[-1] + 1])) if known else None  # the first version beyond 1.4.x, for 1.4
    if sign == ">=":
        return [lambda version: version >= low]
    if sign == "<":
        return [lambda version: _below(version, low)]
    if sign == ">":
        return [(lambda version: version > low) if len(known) == 3 else _at_least(after)]
    if sign == "<=":
        return [(lambda version: version <= low) if len(known) == 3 else _less(after)]
    if sign in ("^", "~"):
        return [lambda version: version >= low, _less(_caret(known) if sign == "^" else _tilde(known))]
    if len(known) == 3:
        return [lambda version: version == low]
    return [lambda version: version >= low, _less(after)]


def _three(numbers: list[int]) -> tuple[int, int, int]:
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return major, minor, patch


def _caret(known: list[int]) -> Version | None:
    """The first version that may break what the known numbers promise: the leftmost one that is not 0 counts."""
    for place, number in enumerate(known):
        if number or place == len(known) - 1:
            return Version(_three([*known[:place], number + 1]))
    return None


def _tilde(known: list[int]) -> Version | None:
    if not known:
        return None
    return Version(_three([known[0], known[1] + 1] if len(known) > 1 else [known[0] + 1]))


def _below(version: Version, limit: Version) -> bool:
    """Less, and no pre-release of the very version that is excluded: ``<2`` does not mean 2.0.0-rc.1."""
    return version < limit and (bool(limit.before) or version.numbers != limit.numbers)


def _less(limit: Version | None) -> Test:
    return lambda version: limit is None or _below(version, limit)


def _at_least(limit: Version | None) -> Test:
    return lambda version: limit is not None and version >= limit
