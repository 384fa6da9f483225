import pytest

from trueup.toolkit.git.version import looks_like_range, version, version_range

TAGS = [
    "v0.2.3",
    "v0.2.9",
    "v0.3.0",
    "1.0.0",
    "v1.2.0",
    "v1.2.10",
    "v1.4.2",
    "v2.0.0-rc.1",
    "v2.0.0",
    "v2.1.0-alpha.2",
    "v2.1.0-alpha.10",
    "nightly",
    "2024",
]


@pytest.mark.parametrize(
    ("written", "newest"),
    [
        (">=1.2 <2", "v1.4.2"),
        (">=1.2, <1.4", "v1.2.10"),
        ("1.x", "v1.4.2"),
        ("1.2.x", "v1.2.10"),
        ("*", "2024"),
        ("* <100", "v2.0.0"),
        ("^1.2", "v1.4.2"),
        ("^0.2.3", "v0.2.9"),
        ("^0", "v0.3.0"),
        ("~1.2.0", "v1.2.10"),
        ("~1", "v1.4.2"),
        ("=1.0.0", "1.0.0"),
        ("<=1.2", "v1.2.10"),
        (">1.2 <2", "v1.4.2"),
        (">1.4", "2024"),
        ("<2", "v1.4.2"),
        (">=2.1.0-alpha <3", "v2.1.0-alpha.10"),
        ("^0.2 || ^1.0", "v1.4.2"),
        (">=3 <4", None),
    ],
)
def test_the_newest_version_in_the_range_is_taken(written: str, newest: str | None) -> None:
    wanted = version_range(written)
    assert wanted is not None
    assert wanted.newest(TAGS) == newest


@pytest.mark.parametrize("reference", ["main", "release-1", "feature/x", "v1.2.3", "refs/heads/1.x", "1.2.3"])
def test_names_of_branches_and_tags_are_no_ranges(reference: str) -> None:
    assert not looks_like_range(reference)


@pytest.mark.parametrize("reference", [">=1", "1.x", "v1.2.x", "1 2", "^1", "~2", "* <3", "1.2 || 1.4"])
def test_ranges_are_recognised(reference: str) -> None:
    assert looks_like_range(reference)


@pytest.mark.parametrize("written", [">=", "one two", "1.2.3.4 <5", "", "||", ">=1 and <2"])
def test_nonsense_is_no_range(written: str) -> None:
    assert version_range(written) is None


def test_versions_are_ordered_as_semver_says() -> None:
    tags = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
    ]
    versions = [version(tag) for tag in tags]
    assert versions == sorted(versions, key=lambda found: found or version("0"))  # type: ignore[arg-type,return-value]
