"""Which test runs when, on several workers: what takes long begins at once, and what is over in a moment comes last, to be shared.

`--dist=worksteal` gives each worker one piece of the list, and whoever has done his takes the end of another's. So each piece begins with
one kind of what takes long, which needs its engines, or its cluster, in one worker only, and ends with unit tests.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

ENGINES = {"engine", "second_engine", "newest_engine", "podman", "registry", "lasting_engine"}
CLUSTERS = {"cluster", "second_cluster"}
UNIT = Path(__file__).parent / "unit"


def in_order(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """All of them, in an order that does not depend on who asks."""
    pieces: list[list[pytest.Item]] = [[] for _ in range(workers)]
    quick = [item for item in items if item.path.is_relative_to(UNIT)]
    for item in sorted((item for item in items if not item.path.is_relative_to(UNIT)), key=_is_quick):
        pieces[min(_kind(item), workers - 1)].append(item)
    for number, piece in enumerate(pieces):
        fair = (len(items) - sum(map(len, pieces[:number]))) // (workers - number)
        share = len(quick) if number == workers - 1 else max(fair - len(piece), 0)
        piece += quick[:share]
        del quick[:share]
    return [item for piece in pieces for item in piece]


def _is_quick(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is None


def _kind(item: pytest.Item) -> int:
    fixtures = set(getattr(item, "fixturenames", ()))
    return 0 if fixtures & ENGINES else 1 if fixtures & CLUSTERS else 2
