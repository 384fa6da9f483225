"""Which comes first: numbers of waves for what is removed, and batches of things that depend on each other."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def removal_waves(made: Iterable[int], removed: Iterable[int]) -> dict[int, int]:
    """The wave in which a thing is removed, by the wave in which it was made: after all that is made, and in the reverse order."""
    start = max(made, default=-1) + 1
    return {wave: start + place for place, wave in enumerate(sorted(set(removed), reverse=True))}


def batches(dependencies: Mapping[T, Iterable[T]]) -> list[list[T]]:
    """Everything in batches that can be carried out one after the other: none holds a thing that depends on another of the same batch.

    ``dependencies`` names for each thing what it comes after; what is not a key itself does not count. The order of the keys is kept inside
    a batch. Raises ValueError when things wait for each other in a ring, and names it.
    """
    waiting = {thing: {each for each in after if each in dependencies} for thing, after in dependencies.items()}
    ordered: list[list[T]] = []
    while waiting:
        batch = [thing for thing, after in waiting.items() if not after]
        if not batch:
            raise ValueError(" -> ".join(str(thing) for thing in _ring(waiting)))
        ordered.append(batch)
        waiting = {thing: after.difference(batch) for thing, after in waiting.items() if after}
    return ordered


def _ring(waiting: Mapping[T, set[T]]) -> list[T]:
    path = [next(iter(waiting))]
    while path[-1] not in path[:-1]:
        path.append(next(each for each in waiting if each in waiting[path[-1]]))
    return path[path.index(path[-1]) :]
